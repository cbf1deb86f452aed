//! Keeps what is known of calls: in the store, so that a restart does not forget it.
//!
//! Nothing of it is written while calls run. Some minutes after the first change all of them go
//! into one commit, and once more when the daemon stops: flash wears out, and what a power cut
//! takes of it is soon known again.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::Invoker;
use crate::clock;
use crate::pool::warmth::Warmth;
use crate::store::{Change, NoteKey, NoteKind, Store, StoreError};

/// Time from the first change to the commit.
const PAUSE: Duration = Duration::from_secs(300);

impl Invoker {
    /// Takes in what an earlier run of the daemon has kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn remember_arrivals(&self) -> Result<(), StoreError> {
        let inner = &self.inner;
        let day = clock::now();
        inner
            .pool
            .with_warmth(|warmth, now| load(&inner.store, warmth, now, day))
    }

    /// Keeps what is known of calls, now and then, for ever.
    pub async fn keep_arrivals(self) {
        loop {
            self.inner.pool.has_learnt().await;
            smol::Timer::after(PAUSE).await;
            self.store_arrivals().await;
        }
    }

    /// Keeps what is known of calls now.
    pub async fn store_arrivals(&self) {
        let inner = &self.inner;
        let day = clock::now();
        let changes = inner
            .pool
            .with_warmth(|warmth, now| changes(&inner.store, warmth, now, day));
        if changes.is_empty() {
            return;
        }
        if let Err(error) = inner.store.write_all(changes).await {
            log::warn!("cannot keep what is known of calls: {error}");
        }
    }
}

/// Takes in what the store has, but for actions that are not there any more.
fn load(store: &Store, warmth: &mut Warmth, now: Instant, day: u64) -> Result<(), StoreError> {
    let mut gone = Vec::new();
    store.visit_notes(NoteKind::Arrivals, &[], None, &mut |key, record| {
        let restored = std::str::from_utf8(key.name())
            .is_ok_and(|whose| is_there(store, whose) && warmth.restore(now, day, whose, record));
        if !restored {
            gone.push(Change::Unnote { key });
        }
        ControlFlow::Continue(())
    })?;
    if !gone.is_empty() {
        // Nobody waits for that: what stays is found again.
        drop(store.write_all(gone));
    }
    Ok(())
}

/// What is to be written of what has changed. Actions that are not there any more are forgotten.
fn changes(store: &Store, warmth: &mut Warmth, now: Instant, day: u64) -> Vec<Change> {
    let mut changes = Vec::new();
    for (whose, record) in warmth.records(now, day) {
        if is_there(store, &whose) {
            warmth.kept(&whose);
            changes.push(Change::Note {
                key: key(&whose),
                text: record.into(),
            });
        } else {
            warmth.forget(&whose);
        }
    }
    let forgotten = warmth.forgotten();
    changes.extend(
        forgotten
            .iter()
            .map(|whose| Change::Unnote { key: key(whose) }),
    );
    changes
}

fn key(whose: &str) -> NoteKey {
    NoteKey::named(NoteKind::Arrivals, whose.as_bytes())
}

/// Whether the action is there. If nobody can tell, it is.
fn is_there(store: &Store, whose: &str) -> bool {
    let action = whose.split('\0').next().unwrap_or(whose);
    store.entity(action).map_or(true, |found| found.is_some())
}

#[cfg(test)]
mod tests {
    use smol::block_on;

    use super::*;
    use crate::clock::EARLIEST;
    use crate::pool::warmth::Settings;
    use crate::store::{CodeChange, Collection, EntityWrite, Expect, Options};

    const HOUR: Duration = Duration::from_secs(3600);

    fn warmth(now: Instant) -> Warmth {
        let settings = Settings {
            idle: Duration::from_secs(600),
            memory: 1024,
        };
        Warmth::new(now, settings)
    }

    fn notes(store: &Store) -> Vec<String> {
        let mut names = Vec::new();
        let visit = &mut |key: NoteKey, _: &[u8]| {
            names.push(String::from_utf8(key.name().to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        store
            .visit_notes(NoteKind::Arrivals, &[], None, visit)
            .unwrap();
        names
    }

    fn with_actions(paths: &[&str]) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap();
        for path in paths {
            let write = EntityWrite {
                path: (*path).into(),
                collection: Collection::Actions,
                document: b"{}".to_vec(),
                code: CodeChange::Keep,
                updated: 1,
                expect: Expect::Absent,
            };
            block_on(store.put_entity(write)).unwrap();
        }
        (dir, store)
    }

    #[test]
    fn a_restart_remembers_and_a_deleted_action_is_forgotten() {
        let (_dir, store) = with_actions(&["guest/a", "guest/b"]);
        let (zero, day) = (Instant::now(), EARLIEST);
        let mut before = warmth(zero);
        let mut now = zero;
        for _ in 0..8 {
            now += HOUR;
            for whose in ["guest/a\0guest", "guest/b\0guest", "guest/none\0guest"] {
                before.arrived(now, whose);
                before.ended(now, whose);
            }
        }
        let written = changes(&store, &mut before, now, day);
        assert_eq!(written.len(), 2, "one of them is not there");
        block_on(store.write_all(written)).unwrap();
        assert_eq!(notes(&store), ["guest/a\0guest", "guest/b\0guest"]);
        assert!(changes(&store, &mut before, now, day).is_empty());

        // Deleted while the daemon runs: what looks at it again finds out.
        let revision = store.entity("guest/b").unwrap().unwrap().revision;
        block_on(store.delete_entity("guest/b", revision)).unwrap();
        before.look_again("guest/b");
        block_on(store.write_all(changes(&store, &mut before, now, day))).unwrap();
        assert_eq!(notes(&store), ["guest/a\0guest"]);

        // The next run knows when the next call comes.
        let mut after = warmth(zero);
        load(&store, &mut after, zero, day).unwrap();
        let due = after.next_tick().expect("a call is expected") - zero;
        assert!(HOUR - Duration::from_secs(5) < due && due < HOUR, "{due:?}");

        // Deleted while no daemon runs.
        let revision = store.entity("guest/a").unwrap().unwrap().revision;
        block_on(store.delete_entity("guest/a", revision)).unwrap();
        let mut after = warmth(zero);
        load(&store, &mut after, zero, day).unwrap();
        assert_eq!(after.next_tick(), None);
        block_on(store.write_all(Vec::new())).unwrap();
        assert_eq!(notes(&store), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_read_goes() {
        let (_dir, store) = with_actions(&["guest/a"]);
        let damaged = Change::Note {
            key: key("guest/a\0guest"),
            text: b"?".to_vec().into(),
        };
        block_on(store.write_all(vec![damaged])).unwrap();
        let now = Instant::now();
        load(&store, &mut warmth(now), now, EARLIEST).unwrap();
        block_on(store.write_all(Vec::new())).unwrap();
        assert_eq!(notes(&store), Vec::<String>::new());
    }
}
