//! How entries end, one by one.

use smol::block_on;

use super::cloud::{Cloud, Fault};
use super::gateway::{Gateway, mark};
use super::polled;
use crate::master::journal::{Entry, JournalError, Operation, State};
use crate::store::Collection;
use crate::sync::lock;

const ACTIONS: Collection = Collection::Actions;

/// A gateway whose master is out of reach.
fn gateway() -> (tempfile::TempDir, Cloud, Gateway) {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::open(dir.path());
    (dir, Cloud::default(), gateway)
}

fn put(gateway: &Gateway, path: &str, token: &str) -> u64 {
    let write = gateway.write(Operation::Put, ACTIONS, path, token);
    block_on(write).unwrap().expect("the write is done")
}

/// Everything that can be replayed is.
fn replay(gateway: &Gateway, cloud: &Cloud) {
    let entries = gateway.entries().into_iter().filter(Entry::is_open);
    let mut replayer = gateway.replayer(cloud);
    for entry in entries {
        block_on(replayer.replay(entry.number)).unwrap();
    }
}

fn ended(gateway: &Gateway) -> Vec<(String, String, Option<String>)> {
    let entries = gateway.entries().into_iter();
    let end = entries.map(|entry| match &entry.state {
        State::Superseded(end) | State::Failed(end) => {
            (entry.state.to_string(), end.reason.clone(), entry.kept)
        }
        _ => panic!("entry {} is open", entry.number),
    });
    end.collect()
}

#[test]
fn applied_one_after_another() {
    let (_dir, cloud, gateway) = gateway();
    cloud.put(ACTIONS, "ns/a", "theirs");
    block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
    put(&gateway, "ns/a", "one");
    put(&gateway, "ns/a", "two");
    put(&gateway, "ns/b", "new");
    let deletion = gateway.write(Operation::Delete, ACTIONS, "ns/b", "");
    assert_eq!(block_on(deletion).unwrap(), Some(4));
    assert_eq!(gateway.journal.waiting(), 4);
    assert!(gateway.journal.has_of("ns") && !gateway.journal.has_of("n"));
    replay(&gateway, &cloud);
    assert!(gateway.entries().is_empty() && gateway.journal.waiting() == 0);
    let there = cloud.thing(ACTIONS, "ns/a");
    assert_eq!(
        (there.clone().unwrap().patch, &*there.clone().unwrap().token),
        (3, "two")
    );
    assert_eq!(gateway.thing("ns/a"), there);
    assert_eq!(
        (cloud.thing(ACTIONS, "ns/b"), gateway.thing("ns/b")),
        (None, None)
    );
    assert!(lock(&gateway.copies.held).is_empty());
}

#[test]
fn the_masters_version_wins_and_ours_is_kept() {
    let (_dir, cloud, gateway) = gateway();
    cloud.put(ACTIONS, "ns/a", "base");
    block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
    put(&gateway, "ns/a", "ours");
    put(&gateway, "ns/a", "ours too");
    cloud.put(ACTIONS, "ns/a", "theirs");
    replay(&gateway, &cloud);
    let ended = ended(&gateway);
    let kept = ended[0].2.clone().unwrap();
    assert!(kept.starts_with("ns/a.kept-"), "{kept}");
    assert_eq!(
        (&*ended[0].0, &*ended[0].1),
        ("superseded", "it has been changed at the master meanwhile")
    );
    assert_eq!(
        (&*ended[1].1, &ended[1].2),
        (
            "it was made on entry 1, which came to nothing",
            &Some(kept.clone())
        )
    );
    assert_eq!(gateway.thing(&kept).unwrap().token, "ours too");
    assert_eq!(gateway.thing("ns/a"), cloud.thing(ACTIONS, "ns/a"));
    let store = gateway.catalog.store();
    assert_eq!(store.note(&mark(&kept)).unwrap().unwrap(), b"kept");
    assert_eq!(cloud.with(|model| model.effects.clone()), []);
    assert_eq!((gateway.journal.waiting(), gateway.journal.ended()), (0, 2));
}

#[test]
fn deleted_at_the_master_meanwhile() {
    let (_dir, cloud, gateway) = gateway();
    cloud.put(ACTIONS, "ns/a", "base");
    block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
    put(&gateway, "ns/a", "ours");
    cloud.delete(ACTIONS, "ns/a");
    replay(&gateway, &cloud);
    let ended = ended(&gateway);
    assert_eq!(ended[0].1, "it has been deleted at the master meanwhile");
    assert_eq!(gateway.thing("ns/a"), None);
    assert_eq!(
        gateway.thing(ended[0].2.as_ref().unwrap()).unwrap().token,
        "ours"
    );
}

#[test]
fn what_the_master_refuses_has_failed() {
    let (_dir, cloud, gateway) = gateway();
    cloud.put(ACTIONS, "ns/a", "base");
    block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
    put(&gateway, "ns/a", "refused");
    replay(&gateway, &cloud);
    let failed = ended(&gateway);
    assert_eq!(failed[0].0, "failed");
    assert_eq!(
        failed[0].1,
        "the master answered 400 Bad Request: not such a token"
    );
    assert_eq!(gateway.thing("ns/a").unwrap().token, "base");
    assert_eq!(
        gateway.thing(failed[0].2.as_ref().unwrap()).unwrap().token,
        "refused"
    );
}

#[test]
fn a_key_that_is_refused_meanwhile() {
    let (_dir, cloud, mut gateway) = gateway();
    put(&gateway, "ns/a", "ours");
    cloud.fail([Fault::Status(401)]);
    replay(&gateway, &cloud);
    // It may be somebody on the way who has said that: the master is asked about the key.
    assert_eq!(gateway.journal.waiting(), 1);
    assert_eq!(*lock(&gateway.keys.0), ["u"]);
    let mut replayer = gateway.replayer(&cloud);
    for _ in 0..8 {
        cloud.fail([Fault::Status(401)]);
        block_on(replayer.replay(1)).unwrap();
    }
    assert_eq!(gateway.journal.counts().read()[2], ("failed", 1));
    gateway.uuid = "gone";
    put(&gateway, "ns/b", "ours");
    replay(&gateway, &cloud);
    let failed = ended(&gateway);
    assert_eq!(failed[0].1, "the master answered 401 Unauthorized: trouble");
    assert_eq!(
        failed[1].1,
        "the key that it was made with is not good any more"
    );
    for (place, failed) in ["ns/a", "ns/b"].into_iter().zip(&failed) {
        assert_eq!((&*failed.0, gateway.thing(place)), ("failed", None));
        assert_eq!(
            gateway.thing(failed.2.as_ref().unwrap()).unwrap().token,
            "ours"
        );
    }
}

#[test]
fn a_master_that_fails_again_and_again_has_answered() {
    let (_dir, cloud, gateway) = gateway();
    put(&gateway, "ns/a", "ours");
    let number = gateway.entries()[0].number;
    let mut replayer = gateway.replayer(&cloud);
    let mut tries = 0;
    while gateway.entries()[0].is_open() {
        // Another way there each time: the circuit is not what is looked at here.
        replayer.reach(cloud.upstream());
        cloud.fail([Fault::None, Fault::Status(500)]);
        block_on(replayer.replay(number)).unwrap();
        tries += 1;
    }
    assert_eq!(tries, 8);
    assert_eq!(
        ended(&gateway)[0].1,
        "the master answered 500 Internal Server Error: trouble"
    );
}

#[test]
fn something_between_that_is_no_openwhisk_changes_nothing() {
    let (_dir, cloud, gateway) = gateway();
    cloud.put(ACTIONS, "ns/a", "base");
    block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
    put(&gateway, "ns/a", "ours");
    for status in [404, 200, 302, 401, 403, 405] {
        cloud.with(|model| model.is_somebody_else = true);
        cloud.fail([Fault::Status(status)]);
        replay(&gateway, &cloud);
        assert!(gateway.entries()[0].is_open(), "{status}");
    }
    cloud.with(|model| model.is_somebody_else = false);
    replay(&gateway, &cloud);
    assert_eq!(cloud.thing(ACTIONS, "ns/a").unwrap().token, "ours");
}

#[test]
fn a_full_journal_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (cloud, gateway) = (Cloud::default(), Gateway::with_limit(dir.path(), 3000));
    put(&gateway, "ns/a", "one");
    put(&gateway, "ns/b", "two");
    let third = block_on(gateway.write(Operation::Put, ACTIONS, "ns/c", "three"));
    assert!(matches!(third, Err(JournalError::Full(3000))));
    assert_eq!(
        (gateway.thing("ns/c"), gateway.journal.waiting()),
        (None, 2)
    );
    assert_eq!(lock(&gateway.copies.held).len(), 2);
    // What is at the master makes room.
    replay(&gateway, &cloud);
    put(&gateway, "ns/c", "three");
    assert_eq!(gateway.journal.waiting(), 1);
}

#[test]
fn what_is_refused_here_leaves_no_entry() {
    let (_dir, _cloud, gateway) = gateway();
    let deletion = gateway.write(Operation::Delete, ACTIONS, "ns/a", "");
    assert_eq!(block_on(deletion).unwrap(), None);
    assert!(gateway.entries().is_empty() && gateway.journal.waiting() == 0);
    assert!(lock(&gateway.copies.held).is_empty());
}

#[test]
fn a_client_who_does_not_wait_leaves_a_whole_entry_or_none() {
    for polls in 1..12 {
        let (_dir, cloud, gateway) = gateway();
        let write = gateway.write(Operation::Put, ACTIONS, "ns/a", "ours");
        block_on(polled(polls, write));
        // The next write finds out what came of it.
        put(&gateway, "ns/b", "other");
        let known = gateway.thing("ns/a").map(|thing| thing.token);
        let entries = gateway.entries();
        let of_it = entries.iter().filter(|entry| entry.path == "ns/a").count();
        assert_eq!(of_it, usize::from(known.is_some()));
        assert_eq!(gateway.journal.waiting(), entries.len() as u64);
        assert_eq!(lock(&gateway.copies.held).len(), entries.len());
        replay(&gateway, &cloud);
        assert_eq!(gateway.thing("ns/a"), cloud.thing(ACTIONS, "ns/a"));
        assert!(lock(&gateway.copies.held).is_empty());
    }
}

/// Documents of something else.
const OTHERS: [&str; 3] = [
    r#"{"namespace":"ns","name":"other","version":"0.0.1","updated":1}"#,
    r#"{"namespace":"other","name":"a","version":"0.0.1","updated":1}"#,
    r#"{"version":"0.0.9"}"#,
];

#[test]
fn documents_of_something_else_are_no_answer() {
    for other in OTHERS {
        let (_dir, cloud, gateway) = gateway();
        cloud.put(ACTIONS, "ns/a", "base");
        block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
        put(&gateway, "ns/a", "ours");
        // To the write; to the look, too, if it could be of anything.
        for looked in [Fault::None, Fault::Instead(OTHERS[2])] {
            cloud.fail([looked, Fault::Instead(other)]);
            replay(&gateway, &cloud);
            assert!(gateway.entries()[0].is_open(), "{other}");
            assert_eq!(gateway.thing("ns/a").unwrap().token, "ours");
        }
        cloud.fail([]);
        replay(&gateway, &cloud);
        assert!(gateway.entries().is_empty());
        assert_eq!(cloud.with(|model| model.effects.len()), 1);
    }
}

#[test]
fn a_deletion_that_somebody_else_has_answered_is_looked_at_again() {
    let (_dir, cloud, gateway) = gateway();
    cloud.put(ACTIONS, "ns/a", "base");
    block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
    block_on(gateway.write(Operation::Delete, ACTIONS, "ns/a", "")).unwrap();
    cloud.with(|model| model.is_somebody_else = true);
    cloud.fail([Fault::None, Fault::Status(200)]);
    replay(&gateway, &cloud);
    assert!(gateway.entries()[0].is_open());
    replay(&gateway, &cloud);
    assert!(gateway.entries().is_empty());
    assert_eq!(cloud.thing(ACTIONS, "ns/a"), None);
}

#[test]
fn a_document_that_is_no_copy_holds_nothing_up() {
    const UNREADABLE: &str = r#"{"namespace":"ns","name":"a","version":"0.0.2","updated":1,
        "exec":7,"parameters":[{"key":"token","value":"ours"}]}"#;
    let (_dir, cloud, gateway) = gateway();
    cloud.put(ACTIONS, "ns/a", "base");
    block_on(gateway.copy(&cloud, ACTIONS, "ns/a"));
    put(&gateway, "ns/a", "ours");
    put(&gateway, "ns/b", "next");
    cloud.fail([Fault::None, Fault::Instead(UNREADABLE)]);
    replay(&gateway, &cloud);
    assert!(gateway.entries().is_empty());
    // It is asked for again by whoever wants it.
    let store = gateway.catalog.store();
    assert_eq!(store.note(&mark("ns/a")).unwrap(), None);
    assert_eq!(cloud.thing(ACTIONS, "ns/b").unwrap().token, "next");
}
