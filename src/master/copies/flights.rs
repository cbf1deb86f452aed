//! What is under way between here and the master, by path: fetches, which those share that want the
//! same, and writes, which overtake fetches.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use smol::channel::{Receiver, Sender, bounded};

use super::Came;
use super::error::CopyError;
use super::mark::Viewer;
use crate::sync::lock;

/// How a fetch has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// The copy is here, as the master has it.
    Here,
    /// The master has nothing there, and so there is no copy.
    Absent,
    /// A write to the path has ended meanwhile: what was fetched may be older than that.
    Overtaken,
}

/// What is under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<Inner>);

/// Path, who wants it, and the gateways that the request has come through: those that have come
/// through others do not wait with the rest, who may wait for one of those.
type Key = (String, Viewer, Came);

#[derive(Default)]
struct Inner {
    fetches: HashMap<Key, Arc<Fetch>>,
    writes: HashMap<String, Writes>,
}

/// The writes of a path that are under way.
#[derive(Default)]
struct Writes {
    open: usize,
    /// There were several at a time: nobody knows which the master took last.
    overlapped: bool,
    /// The copy is as the last one has left it.
    settled: bool,
}

/// A fetch that is under way.
pub(super) struct Fetch {
    overtaken: AtomicBool,
    outcome: OnceLock<Result<Landed, CopyError>>,
    /// Closed at its end.
    landed: Receiver<()>,
}

impl Fetch {
    /// Whether a write to the path has ended since it began.
    pub(super) fn is_overtaken(&self) -> bool {
        self.overtaken.load(Ordering::Relaxed)
    }

    /// Waits for its end.
    pub(super) async fn outcome(&self) -> Result<Landed, CopyError> {
        let _ = self.landed.recv().await;
        self.outcome.get().cloned().unwrap_or_else(|| {
            let reason = "the gateway stops, and has not waited for the master";
            Err(CopyError::Unavailable(reason.into()))
        })
    }
}

/// What somebody who wants to fetch is to do.
pub(super) enum Join {
    /// Fetch, and let the others know.
    Lead(Lead),
    /// Wait.
    Follow(Arc<Fetch>),
}

/// The fetch of a path, for who fetches it. Others may fetch it again when this is dropped.
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: Key,
    pub(super) fetch: Arc<Fetch>,
    _sender: Sender<()>,
}

impl Lead {
    /// The fetch has ended.
    pub(super) fn land(self, outcome: Result<Landed, CopyError>) {
        let _ = self.fetch.outcome.set(outcome);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        lock(&self.flights.0).fetches.remove(&self.key);
    }
}

impl Flights {
    /// Joins those who fetch what a viewer sees at a path.
    pub(super) fn join(self: &Arc<Self>, path: &str, viewer: &Viewer, came: &Came) -> Join {
        let key = (path.to_owned(), viewer.clone(), came.clone());
        let mut inner = lock(&self.0);
        if let Some(fetch) = inner.fetches.get(&key) {
            return Join::Follow(fetch.clone());
        }
        let (sender, landed) = bounded(1);
        let fetch = Arc::new(Fetch {
            overtaken: AtomicBool::new(false),
            outcome: OnceLock::new(),
            landed,
        });
        inner.fetches.insert(key.clone(), fetch.clone());
        Join::Lead(Lead {
            flights: self.clone(),
            key,
            fetch,
            _sender: sender,
        })
    }

    /// A write to a path begins.
    pub(super) fn begin_write(&self, path: &str) {
        let mut inner = lock(&self.0);
        let writes = inner.writes.entry(path.to_owned()).or_default();
        writes.open += 1;
        writes.overlapped |= writes.open > 1;
        writes.settled = false;
    }

    /// The copy is as a write has left the entity; gives whether that is known to be the last one.
    pub(super) fn settle(&self, path: &str) -> bool {
        let mut inner = lock(&self.0);
        match inner.writes.get_mut(path) {
            Some(writes) => {
                writes.settled = true;
                !writes.overlapped
            }
            None => true,
        }
    }

    /// A write to a path has ended: fetches of it, and of what is in it, that have begun before are
    /// overtaken. Gives whether the copy is known to be as the master has it now.
    pub(super) fn end_write(&self, path: &str) -> bool {
        let mut inner = lock(&self.0);
        for ((fetched, ..), fetch) in &inner.fetches {
            let rest = fetched.strip_prefix(path);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                fetch.overtaken.store(true, Ordering::Relaxed);
            }
        }
        let Some(writes) = inner.writes.get_mut(path) else {
            return false;
        };
        writes.open -= 1;
        let settled = writes.settled && !writes.overlapped;
        if writes.open == 0 {
            inner.writes.remove(path);
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::block_on;

    fn lead(flights: &Arc<Flights>, path: &str) -> Lead {
        match flights.join(path, &Viewer::Owner, &None) {
            Join::Lead(lead) => lead,
            Join::Follow(_) => panic!("somebody fetches {path} already"),
        }
    }

    #[test]
    fn those_who_want_the_same_share_one_fetch() {
        let flights = Arc::new(Flights::default());
        let first = lead(&flights, "ns/a");
        let Join::Follow(second) = flights.join("ns/a", &Viewer::Owner, &None) else {
            panic!("two fetches of one path");
        };
        for (viewer, came) in [
            (Viewer::Other("1".into()), None),
            (Viewer::Owner, Some("g".into())),
        ] {
            let other = flights.join("ns/a", &viewer, &came);
            assert!(matches!(other, Join::Lead(_)));
        }
        first.land(Ok(Landed::Absent));
        assert_eq!(block_on(second.outcome()).unwrap(), Landed::Absent);
        // What is given up does not leave the others waiting, nor keeps others from it.
        let first = lead(&flights, "ns/a");
        let Join::Follow(second) = flights.join("ns/a", &Viewer::Owner, &None) else {
            panic!("two fetches of one path");
        };
        drop(first);
        assert!(block_on(second.outcome()).is_err());
        lead(&flights, "ns/a");
    }

    #[test]
    fn writes_overtake() {
        let flights = Arc::new(Flights::default());
        let (before, inside) = (lead(&flights, "ns/p"), lead(&flights, "ns/p/a"));
        let other = lead(&flights, "ns/pa");
        flights.begin_write("ns/p");
        assert!(!before.fetch.is_overtaken());
        flights.end_write("ns/p");
        assert!(before.fetch.is_overtaken() && inside.fetch.is_overtaken());
        assert!(!other.fetch.is_overtaken());
        drop(before);
        assert!(!lead(&flights, "ns/p").fetch.is_overtaken());
    }

    #[test]
    fn only_a_write_alone_settles() {
        let flights = Flights::default();
        flights.begin_write("ns/a");
        assert!(!flights.end_write("ns/a"));
        flights.begin_write("ns/a");
        assert!(flights.settle("ns/a") && flights.end_write("ns/a"));
        // Nobody knows which of these came last.
        flights.begin_write("ns/a");
        flights.begin_write("ns/a");
        assert!(!flights.settle("ns/a") && !flights.end_write("ns/a"));
        assert!(!flights.settle("ns/a") && !flights.end_write("ns/a"));
        // Without a write there is nothing that could have come between.
        assert!(flights.settle("ns/a"));
        assert!(lock(&flights.0).writes.is_empty());
    }
}
