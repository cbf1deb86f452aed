//! Which master what is kept in the store is of, so that nothing of one is taken for another's.
//!
//! A master is known by its URL. When another one is set, copies go and keys are laid aside until
//! theirs is set again; what waits for the old one waits on (`journal`, `fires`).

use std::ops::ControlFlow;

use ring::digest::{SHA256, digest};
use smol::block_on;

use super::{copies, fires, journal};
use crate::store::{Change, NoteKey, NoteKind, Store, StoreError};

/// Bytes by which a master is told from others in the names of keys that were laid aside.
const TAG: usize = 16;

/// Whether something that is kept for a master, by its URL, is for this one. What an earlier version
/// has kept does not say: it is for whichever there is.
pub fn is_for(kept_for: &str, master: &str) -> bool {
    kept_for.is_empty() || master.is_empty() || kept_for == master
}

/// The master that what is kept is of; none if there was none yet.
///
/// # Errors
/// The store cannot be read.
pub fn of(store: &Store) -> Result<Option<String>, StoreError> {
    let text = store.note(&note())?;
    Ok(text.and_then(|text| String::from_utf8(text).ok()))
}

/// Makes the store that of a master, before anything of it is read, in one commit. Waits for the
/// disk.
///
/// # Errors
/// The store failed; nothing has changed then.
pub fn settle(store: &Store, url: &str) -> Result<(), StoreError> {
    let mut changes = match of(store)? {
        Some(before) if before == url => return Ok(()),
        Some(before) => {
            log::warn!(
                "the master is {url} now, and was {before}: keys and copies of that one do not \
                 count any more"
            );
            change_of_master(store, &before, url)?
        }
        None => Vec::new(),
    };
    changes.push(Change::Note {
        key: note(),
        text: url.to_owned().into(),
    });
    block_on(store.write_all(changes)).map(drop)
}

fn note() -> NoteKey {
    NoteKey::named(NoteKind::Master, b"")
}

fn change_of_master(store: &Store, before: &str, url: &str) -> Result<Vec<Change>, StoreError> {
    let mut waiting = Vec::new();
    let entries = journal::Book::new(store.clone());
    let failed = |error: journal::JournalError| StoreError::Failed(error.to_string());
    let waits = entries.visit(&mut |entry, _| {
        if entry.is_open() {
            waiting.extend(entry.places().map(str::to_owned));
        }
        ControlFlow::Continue(())
    });
    waits.map_err(failed)?;
    let mut changes = copies::leave(store, &|path| waiting.iter().any(|place| place == path))?;
    // What an earlier version has kept was for that one, whichever is set from now on.
    changes.extend(entries.claim(before).map_err(failed)?);
    changes.extend(fires::Book::new(store.clone()).claim(before)?);
    let (old, new) = (tag(before), tag(url));
    store.visit_notes(NoteKind::Key, &[], None, &mut |key, text| {
        let aside = [&old, key.name()].concat();
        changes.push(moved(NoteKey::named(NoteKind::Aside, &aside), text));
        changes.push(Change::Unnote { key });
        ControlFlow::Continue(())
    })?;
    store.visit_notes(NoteKind::Aside, &new, None, &mut |key, text| {
        let name = key.name().get(TAG..).unwrap_or_default();
        changes.push(moved(NoteKey::named(NoteKind::Key, name), text));
        changes.push(Change::Unnote { key });
        ControlFlow::Continue(())
    })?;
    Ok(changes)
}

fn moved(key: NoteKey, text: &[u8]) -> Change {
    let text = text.to_vec().into();
    Change::Note { key, text }
}

fn tag(url: &str) -> Vec<u8> {
    let hash = digest(&SHA256, url.as_bytes());
    hash.as_ref().iter().take(TAG).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Secret;
    use crate::store::Options;

    fn key(store: &Store, uuid: &str) -> Option<String> {
        let known = store.learned_key(uuid).unwrap();
        known.map(|known| known.identity.key.expose().to_owned())
    }

    #[test]
    fn keys_are_those_of_the_master_that_is_set() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            keys_of_master: true,
            ..Options::with_map_size(1 << 20)
        };
        let store = Store::open(dir.path(), options).unwrap();
        let learn = |uuid: &str, key: &str| {
            let key = Secret::new(key.to_owned());
            block_on(store.learn_key("ns", uuid, &key, 7)).unwrap();
        };
        assert_eq!(of(&store).unwrap(), None);
        settle(&store, "http://one").unwrap();
        learn("u", "first");
        settle(&store, "http://one").unwrap();
        assert_eq!(key(&store, "u").unwrap(), "first");

        settle(&store, "http://other").unwrap();
        assert_eq!(of(&store).unwrap().unwrap(), "http://other");
        assert!(key(&store, "u").is_none());
        assert!(store.learned_key_of("ns").unwrap().is_none());
        learn("u", "second");

        settle(&store, "http://one").unwrap();
        assert_eq!(key(&store, "u").unwrap(), "first");
        assert!(store.learned_key_of("ns").unwrap().is_some());
        settle(&store, "http://other").unwrap();
        assert_eq!(key(&store, "u").unwrap(), "second");
    }
}
