//! What stem cells were initialised with. Their labels cannot say it, so the store does, for the
//! next process of the daemon. Nothing waits for that: a note that is lost costs a cold start.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::engine::{Purpose, Sandbox};
use crate::store::{Change, NoteKey, NoteKind, Store, StoreError};

/// Notes that are kept; the oldest are written over. Far more than there are sandboxes.
const MOST: u64 = 256;

/// Where notes go.
#[derive(Debug, Default)]
pub(super) struct StemNotes {
    written: AtomicU64,
}

/// One note.
#[derive(Serialize, Deserialize)]
struct Note<'a> {
    /// [`Sandbox::id`] of the sandbox.
    sandbox: &'a str,
    namespace: &'a str,
    action: &'a str,
    version: &'a str,
    revision: u64,
}

impl StemNotes {
    /// Notes what a stem cell was initialised with, if a later process may find it.
    pub(super) fn note(&self, store: &Store, sandbox: &dyn Sandbox, purpose: &Purpose) {
        if sandbox.outlives() {
            let change = self.change(sandbox.id(), purpose);
            drop(store.write_all(vec![change]));
        }
    }

    fn change(&self, sandbox: &str, purpose: &Purpose) -> Change {
        let number = self.written.fetch_add(1, Ordering::Relaxed) % MOST;
        let note = Note {
            sandbox,
            namespace: &purpose.namespace,
            action: &purpose.action,
            version: &purpose.version,
            revision: purpose.revision,
        };
        let text = serde_json::to_vec(&note).expect("texts and a number are JSON");
        Change::Note {
            key: NoteKey::numbered(NoteKind::Stem, number),
            text: text.into(),
        }
    }

    /// What an earlier process has noted, by the ids of the sandboxes.
    pub(super) fn read(store: &Store) -> Result<HashMap<String, Purpose>, StoreError> {
        let mut notes = HashMap::new();
        store.visit_notes(NoteKind::Stem, &[], None, &mut |_, text| {
            // What another version has written is as good as lost.
            if let Ok(note) = serde_json::from_slice::<Note>(text) {
                let purpose = Purpose {
                    namespace: note.namespace.to_owned(),
                    action: note.action.to_owned(),
                    version: note.version.to_owned(),
                    revision: note.revision,
                };
                notes.insert(note.sandbox.to_owned(), purpose);
            }
            ControlFlow::Continue(())
        })?;
        Ok(notes)
    }

    /// Only these notes are kept of those of an earlier process.
    pub(super) fn keep_only(&self, store: &Store, kept: &[(String, Purpose)]) {
        let all = (0..MOST).map(|number| Change::Unnote {
            key: NoteKey::numbered(NoteKind::Stem, number),
        });
        let kept = kept.iter();
        let kept = kept.map(|(sandbox, purpose)| self.change(sandbox, purpose));
        drop(store.write_all(all.chain(kept).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    fn purpose(action: &str) -> Purpose {
        Purpose {
            namespace: "guest".into(),
            action: format!("guest/{action}"),
            version: "0.0.1".into(),
            revision: 7,
        }
    }

    #[test]
    fn the_newest_are_kept_and_those_of_what_is_gone_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::with_map_size(1 << 24)).unwrap();
        let notes = StemNotes::default();
        for number in 0..MOST + 3 {
            let change = notes.change(&number.to_string(), &purpose("a"));
            smol::block_on(store.write_all(vec![change])).unwrap();
        }
        let read = StemNotes::read(&store).unwrap();
        assert_eq!(read.len() as u64, MOST);
        assert!(!read.contains_key("2") && read.contains_key("3"));
        assert_eq!(read["3"], purpose("a"));

        let later = StemNotes::default();
        later.keep_only(&store, &[("5".into(), read["5"].clone())]);
        // Behind what is being written.
        smol::block_on(store.write_all(Vec::new())).unwrap();
        let read = StemNotes::read(&store).unwrap();
        assert_eq!(read.into_keys().collect::<Vec<_>>(), ["5"]);
    }
}
