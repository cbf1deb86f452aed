//! `owl key list`: the keys that were made here, and those that a master has accepted.

use std::time::{Duration, SystemTime};

use crate::clock;
use crate::store::{KeyEntry, LearnedKey, Store, StoreError};

/// A line for each, with the keys themselves if they are to be shown. One that was made here and
/// that a master has accepted, as a rule that of `guest`, is there once.
pub(super) fn list(store: &Store, show: bool) -> Result<String, StoreError> {
    let learned = store.learned_keys()?;
    let mut text = String::new();
    for (namespace, uuid, blocked) in store.keys()? {
        let known = learned
            .iter()
            .find(|known| (&known.identity.namespace, &known.identity.uuid) == (&namespace, &uuid));
        let mut secret = String::new();
        // Only where it is needed: it may be that it cannot be opened.
        if show || known.is_some() {
            // None if it was deleted since the list was read.
            let Some(KeyEntry { identity, .. }) = store.key_entry(&namespace)? else {
                continue;
            };
            let key = identity.key.expose();
            if known.is_some_and(|known| known.identity.key.expose() == key) {
                continue;
            }
            if show {
                secret = format!(":{key}");
            }
        }
        let note = if blocked { " blocked" } else { "" };
        text.push_str(&format!("{namespace} {uuid}{secret}{note}\n"));
    }
    text.extend(learned.iter().map(|known| line(known, show)));
    Ok(text)
}

/// The line of one that a master has accepted.
fn line(known: &LearnedKey, show: bool) -> String {
    let identity = &*known.identity;
    let (namespace, uuid) = (&identity.namespace, &identity.uuid);
    let secret = match show {
        true => format!(":{}", identity.key.expose()),
        false => String::new(),
    };
    let note = if known.blocked { " blocked" } else { "" };
    let accepted = SystemTime::UNIX_EPOCH + Duration::from_millis(known.accepted_at);
    let accepted = clock::iso_milliseconds(accepted);
    format!("{namespace} {uuid}{secret}{note} accepted by the master {accepted}\n")
}
