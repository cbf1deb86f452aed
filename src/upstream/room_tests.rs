//! Bodies and the room for them.

use std::time::Duration;

use smol::block_on;
use smol::future::{poll_once, yield_now, zip};

use super::super::body;
use super::*;

const LARGE: u64 = SMALL + 1;

/// A room with so many bytes for large bodies, in which nobody waits long.
fn room(large: u64, patience: Duration) -> Room {
    Room(Arc::new(Parts {
        small: Part::new(2 * SMALL),
        large: Part::new(large),
        patience,
    }))
}

const FOR_EVER: Duration = Duration::from_secs(3600);

/// How much of the room is in use: of the part for small bodies, and of that for large ones.
fn in_use(room: &Room) -> (u64, u64) {
    let held = |part: &Part| lock(&part.state).held;
    (held(&room.0.small), held(&room.0.large))
}

#[test]
fn who_comes_first_is_let_in_first() {
    block_on(async {
        let room = room(3 * LARGE, FOR_EVER);
        let first = room.take(2 * LARGE).await.unwrap();
        let mut second = Box::pin(room.take(2 * LARGE));
        assert!(poll_once(&mut second).await.is_none());
        // It would fit, and does not overtake.
        let mut third = Box::pin(room.take(LARGE));
        assert!(poll_once(&mut third).await.is_none());
        // Small ones do not wait for large ones.
        let small = room.take(SMALL).await.unwrap();
        drop(first);
        let second = second.await.unwrap();
        let third = third.await.unwrap();
        assert_eq!(in_use(&room), (SMALL, 3 * LARGE));
        drop((second, third, small));
        assert_eq!(in_use(&room), (0, 0));
    });
}

#[test]
fn who_goes_away_makes_way() {
    block_on(async {
        let room = room(3 * LARGE, FOR_EVER);
        let held = room.take(2 * LARGE).await.unwrap();
        let mut large = Box::pin(room.take(2 * LARGE));
        assert!(poll_once(&mut large).await.is_none());
        let mut next = Box::pin(room.take(LARGE));
        assert!(poll_once(&mut next).await.is_none());
        drop(large);
        let next = next.await.unwrap();
        // Let in, and gone before it has noticed.
        let mut late = Box::pin(room.take(2 * LARGE));
        assert!(poll_once(&mut late).await.is_none());
        drop((held, next));
        assert_eq!(in_use(&room), (0, 2 * LARGE));
        drop(late);
        assert_eq!(in_use(&room), (0, 0));
    });
}

#[test]
fn nobody_waits_for_ever_and_few_wait() {
    block_on(async {
        let room = room(LARGE, Duration::from_millis(20));
        let held = room.take(LARGE).await.unwrap();
        assert_eq!(room.take(LARGE).await.err(), Some(NoRoom));
        let room = Room(Arc::new(Parts {
            small: room.0.small.clone(),
            large: room.0.large.clone(),
            patience: FOR_EVER,
        }));
        let mut waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| Box::pin(room.take(LARGE)))
            .collect();
        for waiting in &mut waiting {
            assert!(poll_once(waiting).await.is_none());
        }
        assert_eq!(room.take(LARGE).await.err(), Some(NoRoom));
        drop(waiting);
        drop(held);
        // More than all there is, alone.
        let all = room.take(5 * LARGE).await.unwrap();
        drop(all);
        assert_eq!(in_use(&room), (0, 0));
    });
}

/// A body in pieces of 1 MiB, of which so many come.
fn coming(announced: bool, mib: u64) -> (IncomingBody, impl Future<Output = ()>) {
    let (sender, pieces) = body();
    let length = announced.then_some(mib << 20);
    let fill = async move {
        for _ in 0..mib {
            let piece = Bytes::from(vec![b'x'; 1 << 20]);
            if sender.send(Ok(piece)).await.is_err() {
                return;
            }
        }
    };
    (IncomingBody::new(length, pieces), fill)
}

#[test]
fn a_body_has_its_memory_until_its_last_part_is_dropped() {
    block_on(async {
        for announced in [true, false] {
            let room = room(8 << 20, FOR_EVER);
            let (body, fill) = coming(announced, 3);
            let (whole, ()) = zip(room.read(body, 8 << 20), fill).await;
            let whole = whole.unwrap();
            assert_eq!(whole.len(), 3 << 20);
            // Not what it might have been.
            assert_eq!(in_use(&room), (0, 3 << 20), "{announced}");
            let part = whole.slice(1..2);
            drop(whole);
            assert_eq!(in_use(&room), (0, 3 << 20));
            drop(part);
            assert_eq!(in_use(&room), (0, 0));
        }
    });
}

#[test]
fn what_is_not_read_takes_nothing() {
    block_on(async {
        let room = room(8 << 20, Duration::from_millis(20));
        let (body, fill) = coming(true, 3);
        let (read, ()) = zip(room.read(body, 2 << 20), fill).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let (body, fill) = coming(false, 3);
        let (read, ()) = zip(room.read(body, 2 << 20), fill).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let broken = || {
            let (sender, pieces) = super::super::body();
            sender.try_send(Ok("half".into())).unwrap();
            let error = io::ErrorKind::ConnectionReset.into();
            sender.try_send(Err(error)).unwrap();
            IncomingBody::new(Some(8), pieces)
        };
        let error = room.read(broken(), 8).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let held = room.take(8 << 20).await.unwrap();
        for announced in [true, false] {
            let (body, fill) = coming(announced, 3);
            let (read, ()) = zip(room.read(body, 8 << 20), fill).await;
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        }
        drop(held);
        assert_eq!(in_use(&room), (0, 0));
    });
}

#[test]
fn many_large_ones_of_unknown_length_go_one_after_another() {
    block_on(async {
        // Each has a small place, and wants all of the large part.
        let room = room(4 << 20, FOR_EVER);
        let executor = smol::LocalExecutor::new();
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let room = room.clone();
                executor.spawn(async move {
                    let (body, fill) = coming(false, 3);
                    let (whole, ()) = zip(room.read(body, 4 << 20), fill).await;
                    let (_, large) = in_use(&room);
                    assert!(large <= 4 << 20, "{large}");
                    yield_now().await;
                    whole.unwrap().len()
                })
            })
            .collect();
        let all = async {
            for task in tasks {
                assert_eq!(task.await, 3 << 20);
            }
        };
        executor.run(all).await;
        assert_eq!(in_use(&room), (0, 0));
    });
}
