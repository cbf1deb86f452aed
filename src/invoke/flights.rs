//! Activations in flight: counted per namespace for the concurrency throttle (reference section
//! 1.13), and waited for when the daemon stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use smol::channel::{Receiver, Sender, bounded};

use super::budget::Room;

/// The counters. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Flights {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    by_namespace: HashMap<Arc<str>, usize>,
    total: usize,
    /// Told, by being dropped, when nothing is in flight any more.
    waiting: Vec<Sender<()>>,
}

/// One activation on its way, until it is dropped.
pub(super) struct Flight {
    flights: Flights,
    /// Its namespace, while it counts for that.
    namespace: Option<Arc<str>>,
    /// The memory of its payload.
    _room: Option<Room>,
}

impl Flights {
    /// Counts one more.
    pub(super) fn begin(&self, namespace: &str) -> Flight {
        let mut state = self.lock();
        state.total += 1;
        let known = state.by_namespace.get_key_value(namespace);
        let namespace = known.map_or_else(|| Arc::from(namespace), |(known, _)| known.clone());
        *state.by_namespace.entry(namespace.clone()).or_default() += 1;
        Flight {
            flights: self.clone(),
            namespace: Some(namespace),
            _room: None,
        }
    }

    /// Counts a sequence, a composition or a fired trigger, which is waited for, but does not count
    /// for its namespace: what runs in it does.
    pub(super) fn begin_composite(&self) -> Flight {
        self.lock().total += 1;
        Flight {
            flights: self.clone(),
            namespace: None,
            _room: None,
        }
    }

    /// How many of a namespace are in flight.
    pub(super) fn of(&self, namespace: &str) -> usize {
        self.lock()
            .by_namespace
            .get(namespace)
            .copied()
            .unwrap_or_default()
    }

    /// How many are in flight in all.
    pub(super) fn total(&self) -> usize {
        self.lock().total
    }

    /// Waits until nothing is in flight.
    pub(super) async fn none(&self) {
        let receiver: Receiver<()> = {
            let mut state = self.lock();
            if state.total == 0 {
                return;
            }
            let (sender, receiver) = bounded(1);
            state.waiting.push(sender);
            receiver
        };
        let _ = receiver.recv().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Flight {
    /// The same with room that is given back when it ends.
    pub fn holding(mut self, room: Option<Room>) -> Self {
        self._room = room;
        self
    }

    /// It has its result: it counts no longer for its namespace. Its record is still to be
    /// stored, which a stop waits for.
    pub(super) fn landed(&mut self) {
        let Some(namespace) = self.namespace.take() else {
            return;
        };
        let mut state = self.flights.lock();
        if let Some(count) = state.by_namespace.get_mut(&namespace) {
            *count -= 1;
            if *count == 0 {
                // Namespaces come and go: only those in use take memory.
                state.by_namespace.remove(&namespace);
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.landed();
        let mut state = self.flights.lock();
        state.total -= 1;
        if state.total == 0 {
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_per_namespace_and_forgets() {
        let flights = Flights::default();
        let mut first = flights.begin("a");
        let second = flights.begin("a");
        let other = flights.begin("b");
        assert_eq!(
            (flights.of("a"), flights.of("b"), flights.of("c")),
            (2, 1, 0)
        );
        first.landed();
        assert_eq!((flights.of("a"), flights.total()), (1, 3));
        drop((first, other));
        assert_eq!(
            (flights.of("a"), flights.of("b"), flights.total()),
            (1, 0, 1)
        );
        drop(second);
        assert!(flights.lock().by_namespace.is_empty());
        smol::block_on(flights.none());
    }

    #[test]
    fn a_composite_is_waited_for_only() {
        let flights = Flights::default();
        let composite = flights.begin_composite();
        let child = flights.begin("a");
        assert_eq!((flights.of("a"), flights.total()), (1, 2));
        drop(child);
        assert_eq!((flights.of("a"), flights.total()), (0, 1));
        drop(composite);
        smol::block_on(flights.none());
    }

    #[test]
    fn waits_for_the_last() {
        let flights = Flights::default();
        let flight = flights.begin("a");
        let mut none = Box::pin(flights.none());
        assert!(
            smol::block_on(smol::future::poll_once(&mut none)).is_none(),
            "one is still in flight"
        );
        drop(flight);
        smol::block_on(none);
    }
}
