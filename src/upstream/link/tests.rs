//! Requests over an exchange that does as it is told.

use std::collections::VecDeque;
use std::io;

use hyper::Method;
use smol::channel::{Receiver, Sender, unbounded};
use smol::future::{pending, poll_once, yield_now};
use smol::{Executor, block_on};

use super::super::{IncomingBody, OutgoingBody, State, body};
use super::probe::PROBE;
use super::*;
use crate::BoxFuture;

/// What becomes of a request.
enum End {
    /// An answer with this status and body.
    Answer(u16, &'static str),
    /// An answer whose body breaks off.
    Half,
    Fail(UpstreamError),
    /// Nothing, for ever.
    Hang,
}

/// Ends requests as it is told, in order, and tells each target.
struct Script {
    ends: Mutex<VecDeque<End>>,
    asked: Sender<String>,
}

impl Exchange for Script {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        let end = lock(&self.ends).pop_front().expect("it is told what to do");
        self.asked.try_send(request.target).unwrap();
        let answer = |status, body| {
            Ok(Incoming {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body,
            })
        };
        Box::pin(async move {
            match end {
                End::Answer(status, text) => answer(status, IncomingBody::whole(text)),
                End::Half => {
                    let (sender, pieces) = body();
                    sender.try_send(Ok("ha".into())).unwrap();
                    let broken = Err(io::ErrorKind::ConnectionReset.into());
                    sender.try_send(broken).unwrap();
                    answer(200, IncomingBody::new(Some(4), pieces))
                }
                End::Fail(error) => Err(error),
                End::Hang => pending().await,
            }
        })
    }
}

fn scripted(ends: impl IntoIterator<Item = End>) -> (Upstream, Receiver<String>) {
    let (asked, targets) = unbounded();
    let ends = Mutex::new(ends.into_iter().collect());
    let upstream = Upstream::new("http://master", Script { ends, asked });
    (upstream, targets)
}

fn unsent() -> End {
    End::Fail(UpstreamError::Unsent("no route".into()))
}

fn broken() -> End {
    End::Fail(UpstreamError::Broken("timed out".into()))
}

fn get() -> Outgoing {
    Outgoing::new(Method::GET, "/get")
}

fn put() -> Outgoing {
    let mut put = Outgoing::new(Method::PUT, "/put");
    put.body = OutgoingBody::Whole("{}".into());
    put
}

#[test]
fn what_is_out_of_reach_is_not_asked() {
    block_on(async {
        let (upstream, asked) = scripted([End::Answer(200, ""), unsent(), End::Hang]);
        assert_eq!(upstream.status().state, State::Unknown);
        assert!(upstream.send(put()).await.is_ok());
        assert_eq!(upstream.status().state, State::Up);
        assert!(upstream.last_answer().is_some());
        let error = upstream.send(put()).await.err().unwrap();
        assert_eq!(error, UpstreamError::Unsent("no route".into()));
        assert!(upstream.is_down());
        assert_eq!(upstream.send(put()).await.err(), Some(UpstreamError::Down));
        assert_eq!(upstream.turn().await, Err(UpstreamError::Down));
        assert_eq!(asked.len(), 2);
        let status = upstream.status();
        assert_eq!(status.state, State::Down);
        let reason = "it cannot be reached: no route";
        assert_eq!(status.reason.as_deref(), Some(reason));
    });
}

#[test]
fn what_only_reads_does_not_wait_for_its_own_end() {
    block_on(async {
        let (upstream, _asked) = scripted([End::Hang, End::Hang, End::Hang, unsent()]);
        let mut reading = Box::pin(upstream.send(get()));
        let mut writing = Box::pin(upstream.send(put()));
        let mut running = get();
        running.judged = Judged::Not;
        let mut running = Box::pin(upstream.send(running));
        assert!(poll_once(&mut reading).await.is_none());
        assert!(poll_once(&mut writing).await.is_none());
        assert!(poll_once(&mut running).await.is_none());
        upstream.send(put()).await.err().unwrap();
        assert_eq!(reading.await.err(), Some(UpstreamError::Down));
        // These may have their effect there, and an answer yet.
        assert!(poll_once(&mut writing).await.is_none());
        assert!(poll_once(&mut running).await.is_none());
    });
}

#[test]
fn answers_are_fetched_whole() {
    block_on(async {
        let ends = [
            End::Answer(404, "none"),
            End::Answer(200, "long"),
            End::Answer(200, "long"),
            End::Answer(200, "long"),
            End::Half,
            End::Half,
        ];
        let (upstream, _asked) = scripted(ends);
        let whole = upstream.fetch(get(), 4).await.unwrap();
        assert_eq!((whole.status.as_u16(), &*whole.body), (404, &b"none"[..]));
        // A body that is too long is no fault of the other side.
        for _ in 0..3 {
            let error = upstream.fetch(get(), 3).await.unwrap_err();
            let text = "it has not answered: the answer has more than 3 bytes";
            assert_eq!(error.to_string(), text);
        }
        assert!(!upstream.is_down());
        // But one that breaks off is.
        for down in [false, true] {
            let error = upstream.fetch(get(), 4).await.unwrap_err();
            assert!(error.to_string().contains("broke off"), "{error}");
            assert_eq!(upstream.is_down(), down);
        }
    });
}

#[test]
fn an_answer_without_room_is_an_answer() {
    block_on(async {
        let (asked, _targets) = unbounded();
        let ends = (0..3).map(|_| End::Answer(200, "long"));
        let ends = Mutex::new(ends.chain([End::Answer(204, "")]).collect());
        let upstream = Upstream::sharing(Room::none(), "http://master", Script { ends, asked });
        for _ in 0..3 {
            let error = upstream.fetch(get(), 4).await.unwrap_err();
            assert_eq!(error, UpstreamError::NoRoom(StatusCode::OK));
            assert!(error.to_string().contains("80 MiB"), "{error}");
            assert!(!error.is_without_effect());
        }
        assert_eq!(upstream.status().state, State::Up);
        // What has no body needs none.
        assert_eq!(upstream.fetch(get(), 4).await.unwrap().body, "");
    });
}

#[test]
fn who_waits_learns_of_both_turns() {
    block_on(async {
        let (upstream, _asked) = scripted([unsent(), End::Answer(200, "")]);
        upstream.up().await;
        let mut down = Box::pin(upstream.down());
        assert!(poll_once(&mut down).await.is_none());
        upstream.send(get()).await.err().unwrap();
        down.await;
        let mut up = Box::pin(upstream.up());
        assert!(poll_once(&mut up).await.is_none());
        upstream.probe().await;
        up.await;
        assert!(!upstream.is_down());
    });
}

#[test]
fn turns_follow_one_another_and_end_with_the_reach() {
    block_on(async {
        let (upstream, _asked) = scripted([unsent()]);
        upstream.turn().await.unwrap();
        let mut waiting = Box::pin(upstream.turn());
        assert!(poll_once(&mut waiting).await.is_none());
        upstream.send(put()).await.err().unwrap();
        assert_eq!(waiting.await, Err(UpstreamError::Down));
    });
}

/// Lets tasks run until none has anything to do.
async fn settle(executor: &Executor<'_>) {
    loop {
        while executor.try_tick() {}
        yield_now().await;
        if !executor.try_tick() {
            return;
        }
    }
}

#[test]
fn probed_once_and_then_only_while_there_is_doubt() {
    let ends = [
        End::Answer(200, ""),
        broken(),
        End::Fail(UpstreamError::Busy),
        broken(),
        // Comes by itself, as the circuit is open then.
        unsent(),
        End::Answer(401, ""),
    ];
    let (upstream, asked) = scripted(ends);
    let executor = Executor::new();
    let next = || asked.try_recv().ok();
    block_on(async {
        let _watch = executor.spawn(upstream.clone().watch());
        settle(&executor).await;
        assert_eq!(next().as_deref(), Some(PROBE));
        assert_eq!(upstream.status().state, State::Up);
        assert_eq!(lock(&upstream.0.known).probe_at(), None);

        // The first failure is looked into; that tells nothing here, so the next one opens.
        upstream.send(put()).await.err().unwrap();
        assert_eq!(next().as_deref(), Some("/put"));
        settle(&executor).await;
        assert_eq!(next().as_deref(), Some(PROBE));
        assert!(!upstream.is_down());
        upstream.send(put()).await.err().unwrap();
        assert_eq!(next().as_deref(), Some("/put"));
        assert!(upstream.is_down());
        settle(&executor).await;
        assert_eq!(next(), None);
        let (found, ()) = smol::future::zip(
            async {
                executor.run(asked.recv()).await.unwrap();
                executor.run(asked.recv()).await.unwrap()
            },
            upstream.up(),
        )
        .await;
        assert_eq!(found, PROBE);
        assert!(!upstream.is_down());
        let counted = upstream.status().counted;
        assert_eq!((counted.probes, counted.outages), (4, 1));
    });
}

#[test]
fn what_is_read_at_once_is_short() {
    struct Lengths(Arc<Mutex<Vec<bool>>>);
    impl Exchange for Lengths {
        fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
            lock(&self.0).push(request.short);
            Box::pin(async { Err(UpstreamError::Busy) })
        }
    }
    let short = Arc::default();
    let upstream = Upstream::new("http://master", Lengths(Arc::clone(&short)));
    let mut blocking = put();
    blocking.patience = Duration::from_secs(60);
    let mut coming = put();
    let (_sender, pieces) = body();
    coming.body = OutgoingBody::Pieces {
        length: None,
        pieces,
    };
    block_on(async {
        upstream.probe().await;
        upstream.fetch(put(), 1).await.unwrap_err();
        upstream.fetch(blocking, 1).await.unwrap_err();
        upstream.fetch(coming, 1).await.unwrap_err();
        assert!(upstream.send(get()).await.is_err());
    });
    assert_eq!(*lock(&short), [true, true, false, false, false]);
}
