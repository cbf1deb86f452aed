//! The entries in the store: a note for what is known of each, and one for the body of its
//! request, which never changes and may be large.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::entry::Entry;
use super::error::JournalError;
use crate::store::{Change, NoteKey, NoteKind, Store};

/// What the names of notes begin with.
const HEAD: u8 = b'e';
const BODY: u8 = b'b';

/// Bytes that an entry counts for beside its body: about what its notes take.
pub const PLACE: u64 = 1024;

fn key(of: u8, number: u64) -> NoteKey {
    let mut name = [of; 9];
    name[1..].copy_from_slice(&number.to_be_bytes());
    NoteKey::named(NoteKind::Journal, &name)
}

fn number(key: &NoteKey) -> Option<u64> {
    let number = key.name().get(1..)?;
    number.try_into().ok().map(u64::from_be_bytes)
}

/// The entries of a store.
#[derive(Clone)]
pub struct Book {
    store: Store,
}

impl Book {
    /// The entries of a store.
    pub fn new(store: Store) -> Self {
        Book { store }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Shows every entry, with the bytes of its body, in the order of their numbers, until `visit`
    /// breaks. Entries that cannot be read are passed over.
    pub fn visit(
        &self,
        visit: &mut dyn FnMut(Entry, u64) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        let mut sizes = std::collections::HashMap::new();
        let mut size = |key: NoteKey, body: &[u8]| {
            if let Some(number) = number(&key) {
                sizes.insert(number, body.len() as u64);
            }
            ControlFlow::Continue(())
        };
        let kind = NoteKind::Journal;
        self.store.visit_notes(kind, &[BODY], None, &mut size)?;
        let mut head = |key: NoteKey, text: &[u8]| {
            let Some(number) = number(&key) else {
                return ControlFlow::Continue(());
            };
            let Some(entry) = Entry::read(number, text) else {
                log::error!("{}", JournalError::Damaged(number));
                return ControlFlow::Continue(());
            };
            visit(entry, sizes.get(&number).copied().unwrap_or(0))
        };
        Ok(self.store.visit_notes(kind, &[HEAD], None, &mut head)?)
    }

    /// An entry, if it is there.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if it cannot be read.
    pub fn entry(&self, number: u64) -> Result<Option<Entry>, JournalError> {
        let text = self.store.note(&key(HEAD, number))?;
        let entry = text.map(|text| Entry::read(number, &text));
        entry
            .map(|entry| entry.ok_or(JournalError::Damaged(number)))
            .transpose()
    }

    /// What makes the entries that do not say which master they are for be for this one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn claim(&self, master: &str) -> Result<Vec<Change>, JournalError> {
        let mut changes = Vec::new();
        self.visit(&mut |entry, _| {
            if entry.is_open() && entry.master.is_empty() {
                let claimed = Entry {
                    master: master.to_owned(),
                    ..entry.clone()
                };
                changes.extend(change(&entry, &claimed));
            }
            ControlFlow::Continue(())
        })?;
        Ok(changes)
    }

    /// Whether an entry other than those of these numbers has what is kept of it at a path.
    pub fn keeps(&self, path: &str, except: &[u64]) -> Result<bool, JournalError> {
        let mut keeps = false;
        self.visit(&mut |entry, _| {
            keeps = !except.contains(&entry.number) && entry.kept.as_deref() == Some(path);
            if keeps {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(keeps)
    }

    /// The body of an entry's request; empty if it has none.
    pub fn body(&self, number: u64) -> Result<Vec<u8>, JournalError> {
        Ok(self.store.note(&key(BODY, number))?.unwrap_or_default())
    }
}

/// What makes an entry.
pub fn creation(entry: &Entry, body: &Bytes) -> Vec<Change> {
    let mut changes = vec![
        Change::Noted {
            key: key(HEAD, entry.number),
            text: None,
        },
        Change::Note {
            key: key(HEAD, entry.number),
            text: entry.text().into(),
        },
    ];
    if !body.is_empty() {
        changes.push(Change::Note {
            key: key(BODY, entry.number),
            text: body.clone(),
        });
    }
    changes
}

/// What lets other changes be made only if an entry is as it is known.
pub fn unchanged(known: &Entry) -> Change {
    Change::Noted {
        key: key(HEAD, known.number),
        text: Some(known.text()),
    }
}

/// What changes an entry that is as it is known.
pub fn change(known: &Entry, changed: &Entry) -> [Change; 2] {
    let note = Change::Note {
        key: key(HEAD, known.number),
        text: changed.text().into(),
    };
    [unchanged(known), note]
}

/// What removes an entry that is as it is known.
pub fn removal(known: &Entry) -> [Change; 3] {
    let [head, body] = unread_removal(known.number);
    [unchanged(known), head, body]
}

/// What removes an entry, whatever it is: one that cannot be read.
pub fn unread_removal(number: u64) -> [Change; 2] {
    [HEAD, BODY].map(|of| Change::Unnote {
        key: key(of, number),
    })
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::super::entry::{Base, State};
    use super::*;
    use crate::store::{Options, StoreError};
    use smol::block_on;

    fn numbers(book: &Book) -> Vec<(u64, u64)> {
        let mut numbers = Vec::new();
        let visit = &mut |entry: Entry, size| {
            numbers.push((entry.number, size));
            ControlFlow::Continue(())
        };
        book.visit(visit).unwrap();
        numbers
    }

    #[test]
    fn made_changed_and_removed_only_as_they_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::new(Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap());
        let write = |changes: Vec<Change>| block_on(book.store().write_all(changes));
        for number in [256, 2] {
            write(creation(&entry(number), &"body".into())).unwrap();
        }
        write(creation(&entry(3), &Bytes::new())).unwrap();
        assert_eq!(numbers(&book), [(2, 4), (3, 0), (256, 4)]);
        assert!(write(creation(&entry(2), &Bytes::new())).is_err());
        assert_eq!(book.body(2).unwrap(), b"body");
        assert_eq!(book.body(3).unwrap(), b"");

        let sending = Entry {
            state: State::Sending,
            base: Base::Any,
            ..entry(2)
        };
        write(change(&entry(2), &sending).into()).unwrap();
        assert_eq!(book.entry(2).unwrap().unwrap(), sending);
        let late = write(removal(&entry(2)).into());
        assert!(matches!(late, Err(StoreError::Changed)));
        write(removal(&sending).into()).unwrap();
        assert_eq!(numbers(&book), [(3, 0), (256, 4)]);
        assert!(book.entry(2).unwrap().is_none() && book.body(2).unwrap().is_empty());
    }
}
