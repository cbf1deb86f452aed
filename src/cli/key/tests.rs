//! `owl key` as it is typed.

use super::*;
use crate::entity::{GUEST_KEY, GUEST_UUID};
use std::path::Path;

pub(super) const GIVEN: &str = "0badc0de-0000-4000-8000-00000000cafe:0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";

fn owl_key(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let folder = folder.to_str().unwrap();
    let arguments = [&["--data-dir", folder], arguments].concat();
    KeyCommand::from_args(&["owl", "key"], &arguments)
        .map_err(|exit| exit.output)?
        .execute()
}

#[test]
fn the_life_of_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| owl_key(dir.path(), arguments);
    let made = run(&["create", "plant 1"]).unwrap();
    credentials::parse(made.trim()).unwrap();
    assert_eq!(run(&["get", "plant 1"]), Ok(made.clone()));
    assert!(
        run(&["create", "plant 1"])
            .unwrap_err()
            .contains("has a key already")
    );
    let file = dir.path().join("given");
    std::fs::write(&file, format!("{GIVEN}\n")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        run(&["create", "other", "--key-file", file]),
        Ok(format!("{GIVEN}\n"))
    );
    let same = run(&["create", "third", "--key-file", file]).unwrap_err();
    assert!(same.contains("belongs to another namespace"), "{same}");
    let list = run(&["list"]).unwrap();
    let (uuid, key) = made.trim().split_once(':').unwrap();
    assert!(list.contains(&format!("plant 1 {uuid}\n")) && !list.contains(key));
    assert!(list.contains("guest 23bc46b1-71f6-4ed5-8c54-816aa4f8c502\n"));
    let shown = run(&["list", "--show"]).unwrap();
    assert!(shown.contains(&format!("other {GIVEN}\n")));
    run(&["delete", "other"]).unwrap();
    run(&["delete", "guest"]).unwrap();
    assert!(run(&["get", "other"]).unwrap_err().contains("has no key"));
    assert!(
        run(&["delete", "other"])
            .unwrap_err()
            .contains("has no key")
    );
    assert_eq!(run(&["list"]), Ok(format!("plant 1 {uuid}\n")));
}

#[test]
fn blocked_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| owl_key(dir.path(), arguments);
    let key = run(&["get", "guest"]).unwrap();
    assert_eq!(run(&["block", "guest"]), Ok("blocked guest\n".into()));
    assert_eq!(run(&["list"]), Ok(format!("guest {GUEST_UUID} blocked\n")));
    assert_eq!(run(&["get", "guest"]), Ok(key.clone()));
    let shown = format!("guest {} blocked\n", key.trim());
    assert_eq!(run(&["list", "--show"]), Ok(shown));
    run(&["unblock", "guest"]).unwrap();
    assert_eq!(run(&["list"]), Ok(format!("guest {GUEST_UUID}\n")));
    for action in ["block", "unblock"] {
        assert!(run(&[action, "nobody"]).unwrap_err().contains("has no key"));
    }
}

#[test]
fn keys_of_a_master() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| owl_key(dir.path(), arguments);
    let other_key_file = dir.path().join("key").display().to_string();
    let other_key = format!("{GUEST_UUID}:{}", "o".repeat(64));
    std::fs::write(&other_key_file, other_key).unwrap();
    run(&["delete", "guest"]).unwrap();
    let learn = |namespace: &str, uuid: &str, at: u64| {
        let store = Store::open_shared(dir.path()).unwrap();
        let key = crate::entity::Secret::new(format!("key of {uuid}"));
        block_on(store.learn_key(namespace, uuid, &key, at)).unwrap();
    };
    let first = 1_454_623_445_817;
    // The public key, which is made here, and which the master takes as well, is there once.
    let store = || Store::open_shared(dir.path()).unwrap();
    let (namespace, uuid) = ("guest", GUEST_UUID);
    let key = || crate::entity::Secret::new(GUEST_KEY.into());
    block_on(store().put_key(namespace, uuid, &key())).unwrap();
    block_on(store().learn_key(namespace, uuid, &key(), first)).unwrap();
    for arguments in [&["list"][..], &["list", "--show"]] {
        let list = run(arguments).unwrap();
        assert!(
            list.lines().count() == 1 && list.contains(" accepted by "),
            "{list}"
        );
    }
    run(&["delete", "guest"]).unwrap();
    // Another key under the same uuid opens nothing, but is there.
    block_on(store().learn_key(namespace, uuid, &key(), first)).unwrap();
    run(&["create", "guest", "--key-file", &other_key_file]).unwrap();
    assert_eq!(run(&["list"]).unwrap().lines().count(), 2);
    run(&["delete", "guest"]).unwrap();
    learn("plant", "uuid-1", first);
    learn("plant", "uuid-2", first + 1000);
    learn("other", "uuid-3", 0);
    let accepted = " accepted by the master 20";
    let list = run(&["list"]).unwrap();
    assert!(list.starts_with("other uuid-3 accepted by the master 1970-01-01T00:00:00.000Z\n"));
    let line = "plant uuid-1 accepted by the master 2016-02-04T22:04:05.817Z\n";
    assert!(list.contains(line) && !list.contains("key of"), "{list}");
    let shown = run(&["list", "--show"]).unwrap();
    assert!(shown.contains(&format!("plant uuid-1:key of uuid-1{accepted}")));
    assert_eq!(run(&["get", "plant"]), Ok("uuid-2:key of uuid-2\n".into()));
    assert!(run(&["block", "plant"]).is_err());
    run(&["create", "plant"]).unwrap();
    run(&["block", "plant"]).unwrap();
    let blocked = format!("plant uuid-1 blocked{accepted}");
    assert!(run(&["list"]).unwrap().contains(&blocked));

    let forgot = "forgot the key uuid-1 of plant, which the master had accepted\n";
    assert_eq!(run(&["delete", "uuid-1"]), Ok(forgot.into()));
    let both = "deleted the key of plant\n\
                forgot the key uuid-2 of plant, which the master had accepted\n";
    assert_eq!(run(&["delete", "plant"]), Ok(both.into()));
    assert!(run(&["delete", "plant"]).is_err());
    assert_eq!(run(&["list"]).unwrap().lines().count(), 1);
}

#[test]
fn the_life_of_limits() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| owl_key(dir.path(), &[&["limits"], arguments].concat());
    assert_eq!(run(&["get", "guest"]), Ok(String::new()));
    let both = "firesPerMinute=7\nallowedKinds=quickjs:1\n";
    let set = ["set", "guest", "allowedKinds=quickjs:1", "firesPerMinute=7"];
    assert_eq!(run(&set), Ok(both.into()));
    assert_eq!(run(&["get", "guest"]), Ok(both.into()));
    // What is refused changes nothing.
    let refused = run(&["set", "guest", "firesPerMinute=8", "maxActionMemory=1"]);
    assert!(refused.unwrap_err().contains("no action could be created"));
    assert_eq!(run(&["get", "guest"]), Ok(both.into()));
    assert_eq!(
        run(&["clear", "guest", "allowedKinds"]),
        Ok("firesPerMinute=7\n".into())
    );
    assert_eq!(run(&["clear", "guest"]), Ok(String::new()));
    for arguments in [
        &["get", "nobody"][..],
        &["set", "nobody", "firesPerMinute=7"],
        &["clear", "nobody"],
    ] {
        assert!(run(arguments).unwrap_err().contains("has no key"));
    }
}

#[test]
fn names_of_namespaces() {
    let dir = tempfile::tempdir().unwrap();
    for illegal in ["_", "", "a/b", "a ", &"n".repeat(257)] {
        let error = owl_key(dir.path(), &["create", illegal]).unwrap_err();
        assert!(error.contains("cannot be a namespace: "), "{error}");
    }
    owl_key(dir.path(), &["create", &"n".repeat(256)]).unwrap();
}
