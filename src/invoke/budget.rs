//! Memory that what is under way may hold: where actions are slower than their callers, nothing
//! else bounds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smol::Timer;

use super::InvokeError;
use super::run::PAUSE;

/// So many bytes in all, of which each call takes its part.
pub(super) struct Budget {
    most: u64,
    held: Arc<AtomicU64>,
}

/// Part of a budget, until it is dropped.
pub(super) struct Room {
    bytes: u64,
    held: Arc<AtomicU64>,
}

impl Budget {
    /// A budget of `most` bytes.
    pub(super) fn new(most: u64) -> Self {
        Budget {
            most,
            held: Arc::default(),
        }
    }

    /// Takes some bytes; what is larger than all there are is let in alone.
    ///
    /// # Errors
    /// Others hold too much: a 429 with OpenWhisk's text.
    pub(super) fn take(&self, bytes: u64) -> Result<Room, InvokeError> {
        let room = |now: u64| (now == 0 || now + bytes <= self.most).then_some(now + bytes);
        match self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
        {
            Ok(_) => Ok(Room {
                bytes,
                held: self.held.clone(),
            }),
            Err(_) => Err(InvokeError::Overloaded(
                "System is overloaded, try again later.".into(),
            )),
        }
    }

    /// Takes some bytes as soon as others have given back enough.
    pub(super) async fn wait(&self, bytes: u64) -> Room {
        loop {
            match self.take(bytes) {
                Ok(room) => return room,
                Err(_) => Timer::after(PAUSE).await,
            };
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_wait_gets_room_when_there_is_some() {
        let budget = Budget::new(10);
        let large = budget.take(8).unwrap();
        let gave_back = std::cell::Cell::new(false);
        let room = smol::block_on(smol::future::or(
            async {
                let room = budget.wait(5).await;
                assert!(gave_back.get());
                room
            },
            async {
                Timer::after(PAUSE / 2).await;
                gave_back.set(true);
                drop(large);
                std::future::pending().await
            },
        ));
        assert_eq!(room.bytes, 5);
    }

    #[test]
    fn room_is_bounded() {
        let budget = Budget::new(10);
        let large = budget.take(20).expect("alone");
        assert!(budget.take(1).is_err());
        drop(large);
        let half = budget.take(5).unwrap();
        let other = budget.take(5).unwrap();
        assert!(budget.take(1).is_err());
        drop((half, other));
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
