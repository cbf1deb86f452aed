//! Notes: what other rooms keep beside the entities, changed in the same commits.

use std::ops::{Bound, ControlFlow};

use super::Store;
use super::error::StoreError;
use super::types::{NoteKey, NoteKind};

impl Store {
    /// What a note says.
    pub fn note(&self, key: &NoteKey) -> Result<Option<Vec<u8>>, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let text = environment.notes.get(&txn, &key.0)?;
        environment.looked_at(1, text.map_or(0, <[u8]>::len));
        Ok(text.map(<[u8]>::to_vec))
    }

    /// Shows the notes of a kind whose names begin with `prefix` to `visit`, in the order of their
    /// keys, until it breaks. With `after`, only those behind it.
    pub fn visit_notes(
        &self,
        kind: NoteKind,
        prefix: &[u8],
        after: Option<&NoteKey>,
        visit: &mut dyn FnMut(NoteKey, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let beginning = [&[kind as u8], prefix].concat();
        let start = match after {
            Some(after) => Bound::Excluded(after.0.as_slice()),
            None => Bound::Included(beginning.as_slice()),
        };
        let range = (start, Bound::Unbounded);
        for entry in environment.notes.range(&txn, &range)? {
            let (key, text) = entry?;
            if !key.starts_with(&beginning) {
                break;
            }
            environment.looked_at(1, text.len());
            if visit(NoteKey(key.to_vec()), text).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Change, Options};
    use smol::block_on;

    fn note(key: &NoteKey, text: &str) -> Change {
        Change::Note {
            key: key.clone(),
            text: text.to_owned().into(),
        }
    }

    #[test]
    fn kept_shown_in_order_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap();
        let numbered = |number| NoteKey::numbered(NoteKind::Journal, number);
        let changes = [300, 2, 1].map(|number| note(&numbered(number), &number.to_string()));
        block_on(store.write_all(changes.into())).unwrap();
        let other = NoteKey::named(NoteKind::Copy, &[b'x'; 600]);
        block_on(store.write_all(vec![note(&other, "long")])).unwrap();
        let shown = |after: Option<&NoteKey>| {
            let mut shown = Vec::new();
            let visit = &mut |key: NoteKey, text: &[u8]| {
                assert_eq!(key.number().unwrap().to_string().as_bytes(), text);
                shown.push(key.number().unwrap());
                ControlFlow::Continue(())
            };
            store
                .visit_notes(NoteKind::Journal, &[], after, visit)
                .unwrap();
            shown
        };
        assert_eq!(shown(None), [1, 2, 300]);
        assert_eq!(shown(Some(&numbered(1))), [2, 300]);
        assert_eq!(store.note(&other).unwrap().unwrap(), b"long");
        let gone = vec![Change::Unnote { key: numbered(2) }];
        block_on(store.write_all(gone)).unwrap();
        assert_eq!(shown(None), [1, 300]);
        assert_eq!(store.note(&numbered(2)).unwrap(), None);
    }

    #[test]
    fn changes_that_go_by_what_a_note_says() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap();
        let key = NoteKey::numbered(NoteKind::Journal, 1);
        let change = |says: Option<&str>, to: &str| {
            let says = Change::Noted {
                key: key.clone(),
                text: says.map(Into::into),
            };
            block_on(store.write_all(vec![says, note(&key, to)]))
        };
        change(None, "a").unwrap();
        assert!(matches!(change(None, "b"), Err(StoreError::Changed)));
        assert!(matches!(change(Some("b"), "c"), Err(StoreError::Changed)));
        change(Some("a"), "b").unwrap();
        assert_eq!(store.note(&key).unwrap().unwrap(), b"b");
    }

    #[test]
    fn long_names_differ_to_their_end() {
        let (mut one, mut other) = (vec![b'x'; 600], vec![b'x'; 600]);
        one.push(b'1');
        other.push(b'2');
        let key = |name: &[u8]| NoteKey::named(NoteKind::Copy, name);
        assert!(key(&one) != key(&other) && key(&one).0.len() <= 511);
    }
}
