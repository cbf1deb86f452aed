//! Keys that a master has accepted, beside those made here.

use smol::block_on;

use super::no_key;
use crate::store::{Store, StoreError};

/// Removes the key of a namespace, and forgets those that a master has accepted for it; or, by its
/// uuid, forgets one of these. Says what was done.
pub(super) fn delete(store: &Store, name: &str) -> Result<String, String> {
    let known = store.learned_keys().map_err(text)?;
    let of_namespace = known.iter().filter(|key| key.identity.namespace == name);
    let made_here = match block_on(store.delete_key(name)) {
        Ok(()) => true,
        Err(StoreError::Changed) => false,
        Err(error) => return Err(text(error)),
    };
    let mut gone: Vec<_> = of_namespace.collect();
    if gone.is_empty() && !made_here {
        gone = known
            .iter()
            .filter(|key| key.identity.uuid == name)
            .collect();
    }
    if gone.is_empty() && !made_here {
        return Err(no_key(name));
    }
    let mut done = match made_here {
        true => format!("deleted the key of {name}\n"),
        false => String::new(),
    };
    for key in gone {
        let (namespace, uuid) = (&key.identity.namespace, &key.identity.uuid);
        block_on(store.forget_key(uuid)).map_err(text)?;
        done += &format!("forgot the key {uuid} of {namespace}, which the master had accepted\n");
    }
    Ok(done)
}

fn text(error: StoreError) -> String {
    error.to_string()
}
