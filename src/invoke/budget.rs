//! Memory that what is under way may hold: where actions are slower than their callers, nothing
//! else bounds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::InvokeError;

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
