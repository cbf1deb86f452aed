//! A tool opens the store of a running daemon, and the daemon sees what it does at once.

use std::path::Path;

use owl::entity::{ActivationId, Secret};
use owl::store::{Store, StoreError};
use smol::block_on;

use super::{open, row, second_part, second_process};

const KEYS: usize = 50;

fn secret(n: usize) -> Secret {
    Secret::new(format!("{n:064}"))
}

/// A tool: takes away the guest's key and gives many others.
fn change_keys(folder: &Path) {
    let store = Store::open_shared(folder).unwrap();
    block_on(store.delete_key("guest")).unwrap();
    for n in 0..KEYS {
        let (namespace, uuid) = (format!("namespace{n}"), format!("uuid{n}"));
        block_on(store.put_key(&namespace, &uuid, &secret(n))).unwrap();
    }
    let again = block_on(store.put_key("namespace0", "another", &secret(0)));
    assert!(matches!(again, Err(StoreError::Exists)));
    let same_uuid = block_on(store.put_key("another", "uuid0", &secret(0)));
    assert!(matches!(same_uuid, Err(StoreError::Exists)));
    let daemon = Store::open(folder, owl::store::Options::default());
    assert!(matches!(daemon, Err(StoreError::Locked(_))));
}

#[test]
fn keys_change_under_a_running_daemon() {
    if let Some(folder) = second_part() {
        return change_keys(&folder);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let guest = store.key_of_namespace("guest").unwrap().unwrap();
    let known = |uuid: &str, key: &str| store.authenticate(uuid, key).unwrap();
    assert_eq!(
        known(&guest.uuid, guest.key.expose()).unwrap().namespace,
        "guest"
    );
    assert!(known(&guest.uuid, &"1".repeat(64)).is_none());
    let mut tool = second_process("shared::keys_change_under_a_running_daemon", dir.path())
        .spawn()
        .unwrap();
    // Both write at the same time.
    let mut ids = Vec::new();
    while tool.try_wait().unwrap().is_none() {
        let id = ActivationId::random();
        block_on(store.put_activation(row(id, 100))).unwrap();
        ids.push(id);
    }
    assert!(tool.wait().unwrap().success());
    assert!(known(&guest.uuid, guest.key.expose()).is_none());
    for n in 0..KEYS {
        let identity = known(&format!("uuid{n}"), secret(n).expose()).unwrap();
        assert_eq!(identity.namespace, format!("namespace{n}"));
    }
    assert_eq!(store.keys().unwrap().len(), KEYS);
    for id in ids {
        assert!(store.activation("guest", id).unwrap().is_some());
    }
    // A replaced key counts at once, though the old one was opened before.
    block_on(store.delete_key("namespace1")).unwrap();
    block_on(store.put_key("namespace1", "uuid1", &secret(1000))).unwrap();
    assert!(known("uuid1", secret(1).expose()).is_none());
    assert!(known("uuid1", secret(1000).expose()).is_some());
    drop(store);
    // A deleted guest does not come back.
    assert!(
        open(dir.path())
            .key_of_namespace("guest")
            .unwrap()
            .is_none()
    );
}
