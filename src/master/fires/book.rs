//! Fired triggers in the store: a note for each, one with the numbers of what has become of others,
//! and one that says whether people have decided something.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::fire::StoredFire;
use crate::entity::json;
use crate::store::{Change, NoteKey, NoteKind, Store, StoreError};

/// What the names of notes begin with.
const FIRE: u8 = b'f';
const COUNTS: u8 = b'c';
const DECIDED: u8 = b'd';

/// Bytes that one counts for beside its note: about what its places and its record take.
pub const PLACE: u64 = 1024;

fn key(number: u64) -> NoteKey {
    let mut name = [FIRE; 9];
    name[1..].copy_from_slice(&number.to_be_bytes());
    NoteKey::named(NoteKind::Fire, &name)
}

fn number(key: &NoteKey) -> Option<u64> {
    let number = key.name().get(1..)?;
    number.try_into().ok().map(u64::from_be_bytes)
}

/// What people have decided. Kept by those who decide, so that a daemon, which keeps the other
/// numbers, does not write over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// How often they have decided something.
    pub times: u64,
    /// How many were given up so.
    pub dropped: u64,
}

impl Decided {
    /// One decision more.
    pub(super) const fn next(self) -> Self {
        Decided {
            times: self.times + 1,
            ..self
        }
    }

    fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers are always valid JSON")
    }
}

/// The fired triggers of a store.
#[derive(Clone)]
pub struct Book(Store);

impl Book {
    /// The fired triggers of a store.
    pub fn new(store: Store) -> Self {
        Book(store)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0
    }

    /// Shows every fired trigger with its number and the bytes that it counts for, in the order of
    /// the numbers, until `visit` breaks. Those that cannot be read are passed over.
    pub fn visit(
        &self,
        visit: &mut dyn FnMut(u64, StoredFire, u64) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut each = |key: NoteKey, text: &[u8]| {
            let Some(number) = number(&key) else {
                return ControlFlow::Continue(());
            };
            let Some(fire) = StoredFire::read(text) else {
                log::error!("the fired trigger {number} for the master cannot be read");
                return ControlFlow::Continue(());
            };
            visit(number, fire, text.len() as u64 + PLACE)
        };
        self.0.visit_notes(NoteKind::Fire, &[FIRE], None, &mut each)
    }

    /// A fired trigger; none if it is not there, or cannot be read.
    pub fn fire(&self, number: u64) -> Result<Option<StoredFire>, StoreError> {
        Ok(self.text(number)?.as_deref().and_then(StoredFire::read))
    }

    /// What is stored of a fired trigger; none if it is not there.
    pub(super) fn text(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.note(&key(number))
    }

    /// What has become of others.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let text = self.0.note(&counts_key())?;
        let counts = text.map_or_else(Counts::default, |text| Counts::read(&text));
        let dropped = self.decided()?.dropped;
        Ok(Counts { dropped, ..counts })
    }

    /// What people have decided.
    pub fn decided(&self) -> Result<Decided, StoreError> {
        let text = self.0.note(&decided_key())?;
        let decided = text.as_deref().and_then(json::stored);
        Ok(decided.unwrap_or_default())
    }

    /// What makes those that do not say which master they are for be for this one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn claim(&self, master: &str) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        self.visit(&mut |number, fire, _| {
            if fire.master.is_empty() {
                let master = master.to_owned();
                changes.push(creation(number, StoredFire { master, ..fire }.text()));
            }
            ControlFlow::Continue(())
        })?;
        Ok(changes)
    }

    /// Makes changes; in a store that is full only the removals: what is told of them is not worth
    /// more than that.
    pub async fn write(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        match self.0.write_all(changes.clone()).await {
            Err(StoreError::Full) => {
                let only = |change: &Change| {
                    matches!(change, Change::Unnote { .. } | Change::Noted { .. })
                };
                let removals: Vec<Change> = changes.into_iter().filter(only).collect();
                let removes = |change: &Change| matches!(change, Change::Unnote { .. });
                if !removals.iter().any(removes) {
                    return Err(StoreError::Full);
                }
                self.0.write_all(removals).await.map(drop)
            }
            written => written.map(drop),
        }
    }
}

fn decided_key() -> NoteKey {
    NoteKey::named(NoteKind::Fire, &[DECIDED])
}

fn counts_key() -> NoteKey {
    NoteKey::named(NoteKind::Fire, &[COUNTS])
}

/// What stores a fired trigger, given as its text.
pub fn creation(number: u64, text: Vec<u8>) -> Change {
    Change::Note {
        key: key(number),
        text: text.into(),
    }
}

/// What lets other changes be made only if a fired trigger is as it is known: as this text.
pub fn unchanged(number: u64, known: Vec<u8>) -> Change {
    Change::Noted {
        key: key(number),
        text: Some(known),
    }
}

/// What notes a decision, if nothing was decided since what is known.
pub fn decision(known: &Decided, decided: &Decided) -> [Change; 2] {
    let text = (*known != Decided::default()).then(|| known.text());
    let noted = Change::Noted {
        key: decided_key(),
        text,
    };
    let note = Change::Note {
        key: decided_key(),
        text: decided.text().into(),
    };
    [noted, note]
}

/// What removes a fired trigger.
pub fn removal(number: u64) -> Change {
    Change::Unnote { key: key(number) }
}

/// What keeps the numbers.
pub fn counted(counts: &Counts) -> Change {
    Change::Note {
        key: counts_key(),
        text: counts.text().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fire::tests::fire;
    use super::*;
    use crate::store::Options;
    use smol::block_on;

    #[test]
    fn stored_shown_in_order_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::new(Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap());
        let write = |changes: Vec<Change>| block_on(book.store().write_all(changes)).unwrap();
        let counts = Counts {
            expired: 2,
            ..Counts::default()
        };
        write(vec![
            creation(256, fire().text()),
            creation(2, fire().text()),
            creation(3, b"?".to_vec()),
            counted(&counts),
        ]);
        let numbers = || {
            let mut numbers = Vec::new();
            let visit = &mut |number, fire: StoredFire, bytes| {
                assert_eq!(bytes, fire.text().len() as u64 + PLACE);
                numbers.push(number);
                ControlFlow::Continue(())
            };
            book.visit(visit).unwrap();
            numbers
        };
        assert_eq!(numbers(), [2, 256]);
        assert_eq!(book.fire(2).unwrap().unwrap().text(), fire().text());
        assert!(book.fire(3).unwrap().is_none());
        assert_eq!(book.counts().unwrap(), counts);
        write(vec![removal(2)]);
        assert_eq!(numbers(), [256]);
        let earlier = StoredFire {
            master: String::new(),
            ..fire()
        };
        write(vec![creation(7, earlier.text())]);
        write(book.claim("https://first").unwrap());
        for (number, master) in [(7, "https://first"), (256, "https://m")] {
            assert_eq!(book.fire(number).unwrap().unwrap().master, master);
        }
        assert!(book.claim("https://other").unwrap().is_empty());
    }
}
