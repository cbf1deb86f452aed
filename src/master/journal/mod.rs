//! The journal: writes that were made here while the master was out of reach.
//!
//! A write becomes durable in one commit with what it changes here (`record`). When the master is
//! back, the entries are replayed in their order (`replay`, which carries out what the state
//! machine in `machine` decides), and each ends in one commit with the copy of what the master has
//! then (`settle`): applied, superseded or failed. What came to nothing stays in the journal, and
//! what became of it here stays as an entity of another name, until somebody decides (`decide`).

mod book;
mod counts;
mod decide;
mod entry;
mod error;
mod kept;
mod machine;
mod mirror;
mod order;
mod record;
mod replay;
mod requests;
mod same;
mod settle;
mod stamp;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use event_listener::{Event, EventListener};
use smol::lock::MutexGuardArc;

pub use book::Book;
pub use counts::Counts;
pub use decide::{discard, retry};
pub use entry::{Base, End, Entry, Operation, State};
pub use error::JournalError;
pub use mirror::Mirror;
pub use record::{Recording, Write};
pub use replay::{Credentials, Replayer};
pub use requests::MAX_ANSWER;
pub use stamp::Stamp;

use crate::master::whose;
use crate::store::Store;
use crate::sync::lock;

/// The journal of a store. Only one daemon has it; a tool beside it changes entries by what they
/// say ([`discard`], [`retry`]).
pub struct Journal {
    book: Book,
    /// URL of the master; empty if the store does not say.
    master: String,
    mirror: Arc<dyn Mirror>,
    /// Bytes that it may have.
    limit: u64,
    /// Held by whoever reads entries and changes them by what was read, and while a write is made
    /// here: so an entry that comes finds the one before it as it is.
    turn: Arc<smol::lock::Mutex<()>>,
    known: Mutex<Known>,
    counts: Counts,
    changed: Event,
    settled: Event,
}

/// What is known of the entries without reading them.
#[derive(Default)]
struct Known {
    /// Open entries: their paths, the one that is written to first.
    open: BTreeMap<u64, Vec<String>>,
    /// Entries that came to nothing.
    ended: u64,
    /// Entries that wait for another master.
    elsewhere: u64,
    /// What all count for.
    bytes: u64,
    /// The highest number that was given.
    last: u64,
    /// Paths of writes whose callers left before it was known what came of them.
    unsure: Vec<String>,
}

/// The turn to change entries.
type Turn = MutexGuardArc<()>;

impl Journal {
    /// The journal of a store, which may have `limit` bytes.
    ///
    /// # Errors
    /// The store failed.
    pub fn open(
        store: Store,
        mirror: Arc<dyn Mirror>,
        limit: u64,
    ) -> Result<Arc<Self>, JournalError> {
        let journal = Journal {
            master: whose::of(&store)?.unwrap_or_default(),
            book: Book::new(store),
            mirror,
            limit,
            turn: Arc::default(),
            known: Mutex::default(),
            counts: Counts::default(),
            changed: Event::new(),
            settled: Event::new(),
        };
        journal.read_all()?;
        let elsewhere = journal.elsewhere();
        if elsewhere > 0 {
            log::warn!(
                "{elsewhere} writes in the journal are for another master, and wait until that is \
                 set again: see owl sync status"
            );
        }
        Ok(Arc::new(journal))
    }

    /// Entries that wait for the master.
    pub fn waiting(&self) -> u64 {
        lock(&self.known).open.len() as u64
    }

    /// Entries that wait for another master than the one that is set.
    pub fn elsewhere(&self) -> u64 {
        lock(&self.known).elsewhere
    }

    /// Entries that came to nothing, and wait for somebody's decision.
    pub fn ended(&self) -> u64 {
        lock(&self.known).ended
    }

    /// How entries have ended since the start.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether entries of a namespace wait: a write that went straight to the master would get
    /// ahead of them.
    pub fn has_of(&self, namespace: &str) -> bool {
        let known = lock(&self.known);
        let mut paths = known.open.values().flatten();
        paths.any(|path| {
            let behind = path.strip_prefix(namespace);
            behind.is_some_and(|behind| behind.starts_with('/'))
        })
    }

    /// Is notified when entries have come, or may have changed.
    pub(super) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// Is notified when entries do not wait for the master any more, whatever has become of them.
    pub fn listen_settled(&self) -> EventListener {
        self.settled.listen()
    }

    async fn turn(&self) -> Turn {
        self.turn.lock_arc().await
    }

    /// Reads all entries anew, as others may have changed them: a tool, or a write whose caller
    /// did not wait for it.
    async fn refresh(&self) -> Result<(), JournalError> {
        let turn = self.turn().await;
        self.refresh_in(&turn).await
    }

    async fn refresh_in(&self, _turn: &Turn) -> Result<(), JournalError> {
        // Behind what is on its way to the store, if anything is.
        self.book.store().write_all(Vec::new()).await?;
        self.read_all()
    }

    fn read_all(&self) -> Result<(), JournalError> {
        let mut now = Known::default();
        self.book.visit(&mut |entry, body| {
            now.bytes += body + book::PLACE;
            now.last = entry.number;
            if entry.is_open() && !entry.is_for(&self.master) {
                now.elsewhere += 1;
            } else if entry.is_open() {
                let places = entry.places().map(str::to_owned).collect();
                now.open.insert(entry.number, places);
            } else {
                now.ended += 1;
            }
            ControlFlow::Continue(())
        })?;
        let mut known = lock(&self.known);
        now.last = now.last.max(known.last);
        for path in now.open.values().flatten() {
            self.mirror.hold(path);
        }
        for path in known.open.values().flatten().chain(&known.unsure) {
            self.mirror.release(path);
        }
        // What a tool has given up is not here any more.
        let given_up = known.open.iter();
        let given_up = given_up.filter(|(number, _)| !now.open.contains_key(number));
        for path in given_up.flat_map(|(_, places)| places) {
            self.mirror.stale(path);
        }
        *known = now;
        drop(known);
        self.settled.notify(usize::MAX);
        Ok(())
    }

    /// The open entries of a path, in their order. Some may have been settled by a tool.
    fn open_at(&self, path: &str) -> Vec<u64> {
        let known = lock(&self.known);
        let of_path = known
            .open
            .iter()
            .filter(|(_, places)| places.first().is_some_and(|place| place == path));
        of_path.map(|(number, _)| *number).collect()
    }

    /// Whether an open entry other than `except` has a path among its places.
    fn is_held(&self, path: &str, except: &[u64]) -> bool {
        let known = lock(&self.known);
        let mut others = known
            .open
            .iter()
            .filter(|(number, _)| !except.contains(number));
        others.any(|(_, places)| places.iter().any(|place| place == path))
    }
}
