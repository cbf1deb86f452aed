//! What people decide about entries, beside a daemon that has the store.

use smol::block_on;

use super::cloud::Cloud;
use super::gateway::{Gateway, mark};
use crate::master::journal::{JournalError, Operation, discard, retry};
use crate::store::{Change, Collection};

const ACTIONS: Collection = Collection::Actions;

fn forget(path: &str) -> Change {
    Change::Unnote { key: mark(path) }
}

fn put(gateway: &Gateway, token: &str) {
    block_on(gateway.write(Operation::Put, ACTIONS, "ns/a", token)).unwrap();
}

fn replay_all(gateway: &Gateway, cloud: &Cloud) {
    block_on(gateway.journal.refresh()).unwrap();
    let mut replayer = gateway.replayer(cloud);
    for entry in gateway.entries().iter().filter(|entry| entry.is_open()) {
        block_on(replayer.replay(entry.number)).unwrap();
    }
}

/// A gateway two of whose writes were superseded: entries 1 and 2 of one action.
fn conflict() -> (tempfile::TempDir, Cloud, Gateway) {
    let dir = tempfile::tempdir().unwrap();
    let (cloud, gateway) = (Cloud::default(), Gateway::open(dir.path()));
    put(&gateway, "ours");
    put(&gateway, "ours too");
    cloud.put(ACTIONS, "ns/a", "theirs");
    replay_all(&gateway, &cloud);
    assert_eq!(gateway.journal.ended(), 2);
    (dir, cloud, gateway)
}

#[test]
fn tried_again_ours_wins() {
    let (_dir, cloud, gateway) = conflict();
    let kept = gateway.entries()[0].kept.clone().unwrap();
    let book = gateway.book();
    retry(&book, 1).unwrap();
    retry(&book, 2).unwrap();
    assert!(matches!(retry(&book, 2), Err(JournalError::Refused(_))));
    assert!(matches!(retry(&book, 3), Err(JournalError::NoEntry(3))));
    replay_all(&gateway, &cloud);
    let there = cloud.thing(ACTIONS, "ns/a");
    assert_eq!(there.as_ref().unwrap().token, "ours too");
    assert_eq!(gateway.thing("ns/a"), there);
    assert_eq!(gateway.thing(&kept), None);
    assert!(gateway.entries().is_empty());
}

#[test]
fn what_is_kept_stays_for_as_long_as_an_entry_has_it() {
    let (_dir, cloud, gateway) = conflict();
    let kept = gateway.entries()[0].kept.clone().unwrap();
    retry(&gateway.book(), 1).unwrap();
    replay_all(&gateway, &cloud);
    assert_eq!(gateway.thing("ns/a").unwrap().token, "ours");
    assert_eq!(gateway.thing(&kept).unwrap().token, "ours too");
    assert_eq!(discard(&gateway.book(), 2, &forget).unwrap(), [2]);
    assert_eq!(gateway.thing(&kept), None);
}

#[test]
fn dropped_theirs_wins() {
    let (_dir, _cloud, gateway) = conflict();
    let kept = gateway.entries()[0].kept.clone().unwrap();
    for number in [1, 2] {
        assert_eq!(discard(&gateway.book(), number, &forget).unwrap(), [number]);
    }
    assert_eq!(gateway.thing(&kept), None);
    assert_eq!(gateway.thing("ns/a").unwrap().token, "theirs");
    let gone = discard(&gateway.book(), 1, &forget);
    assert!(matches!(gone, Err(JournalError::NoEntry(1))));
}

#[test]
fn what_waits_again_can_be_dropped_with_what_is_kept_of_it() {
    let (_dir, _cloud, gateway) = conflict();
    let kept = gateway.entries()[0].kept.clone().unwrap();
    retry(&gateway.book(), 1).unwrap();
    retry(&gateway.book(), 2).unwrap();
    assert_eq!(discard(&gateway.book(), 1, &forget).unwrap(), [1, 2]);
    assert_eq!(gateway.thing(&kept), None);
    assert_eq!(gateway.thing("ns/a").unwrap().token, "theirs");
    assert!(gateway.entries().is_empty());
}

#[test]
fn what_waits_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (cloud, gateway) = (Cloud::default(), Gateway::open(dir.path()));
    put(&gateway, "one");
    put(&gateway, "two");
    put(&gateway, "three");
    let dropped = discard(&gateway.book(), 2, &forget).unwrap();
    assert_eq!(dropped, [2, 3], "what was made on it goes with it");
    // A daemon that does not know it yet neither sends it nor stumbles over it.
    put(&gateway, "four");
    replay_all(&gateway, &cloud);
    let tokens = cloud.with(|model| model.effects.clone());
    assert_eq!(tokens[0].1.as_deref(), Some("one"));
    assert!(
        !tokens
            .iter()
            .any(|(_, token)| token.as_deref() == Some("two"))
    );
    assert!(gateway.entries().iter().all(|entry| !entry.is_open()));
    let stale = crate::sync::lock(&gateway.copies.stale).clone();
    assert_eq!(
        stale,
        ["ns/a", "ns/a"],
        "what was given up is looked at again"
    );
}

#[test]
fn a_newer_write_stands_in_the_way_of_an_older_one() {
    let (_dir, _cloud, gateway) = conflict();
    put(&gateway, "newer");
    let refused = retry(&gateway.book(), 1);
    assert!(matches!(refused, Err(JournalError::Refused(_))));
}
