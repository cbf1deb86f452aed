//! Triggers and rules: several changes at once, and what is half there or cannot be read.

use std::sync::Arc;

use super::*;
use crate::catalog::Manifest;
use crate::entity::{ActionRanges, NewAction};
use crate::store::{Options, Store};

struct World {
    _dir: tempfile::TempDir,
    catalog: Catalog,
    guest: Arc<Identity>,
}

/// The guest with an action `a` and a trigger `t`.
fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let guest = store.key_of_namespace("guest").unwrap().unwrap();
    let catalog = Catalog::new(store);
    let body = br#"{"exec":{"kind":"quickjs:1","code":"x"}}"#;
    let action = NewAction::parse(body, &Manifest::built_in().kinds(false))
        .unwrap()
        .create("guest", "a", &ActionRanges::default(), 1)
        .unwrap();
    let code = CodeChange::Set("x".into());
    smol::block_on(catalog.create_action(action, code)).unwrap();
    let new = NewTrigger::parse(b"{}").unwrap();
    smol::block_on(catalog.put_trigger("guest", "t", &new, false)).unwrap();
    World {
        _dir: dir,
        catalog,
        guest,
    }
}

fn rule() -> NewRule {
    NewRule::parse(br#"{"trigger":"/_/t","action":"/_/a"}"#, "guest").unwrap()
}

#[test]
fn many_rules_at_the_same_time() {
    let world = world();
    let (catalog, guest) = (&world.catalog, &world.guest);
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let create = |i: usize| async move {
            let name = format!("r{i}");
            let (_, status) = catalog
                .put_rule(guest, &name, &rule(), false)
                .await
                .unwrap();
            assert_eq!(status, RuleStatus::Active);
            if i.is_multiple_of(2) {
                let path = format!("guest/{name}");
                catalog
                    .set_rule_status(&path, RuleStatus::Inactive)
                    .await
                    .unwrap();
            }
        };
        let tasks: Vec<_> = (0..100).map(|i| executor.spawn(create(i))).collect();
        // Somebody updates the trigger meanwhile.
        let new = NewTrigger::parse(b"{}").unwrap();
        for _ in 0..10 {
            let updated = catalog.put_trigger("guest", "t", &new, true).await;
            assert_eq!(updated.unwrap().namespace, "guest");
        }
        for task in tasks {
            task.await;
        }
    }));
    let trigger: Trigger = catalog.get("guest/t").unwrap();
    assert_eq!(trigger.version, "0.0.11");
    let rules = trigger.rules.unwrap();
    assert_eq!(rules.len(), 100);
    let active = rules.values().filter(|r| r.status == RuleStatus::Active);
    assert_eq!(active.count(), 50);
    assert_eq!(catalog.count::<Rule>("guest").unwrap(), 100);
}

#[test]
fn a_write_without_a_turn_is_not_overwritten() {
    let world = world();
    let catalog = &world.catalog;
    let interfering = std::cell::Cell::new(2);
    let decided = std::cell::Cell::new(0);
    let transact = |times: u32| {
        interfering.set(times);
        decided.set(0);
        catalog.transact(|| {
            let mut trigger = catalog.get::<Trigger>("guest/t")?;
            decided.set(decided.get() + 1);
            if interfering.get() > 0 {
                interfering.set(interfering.get() - 1);
                let mut other = trigger.clone();
                other.publish = !other.publish;
                smol::block_on(catalog.update(other)).unwrap();
            }
            trigger.version = "7.0.0".into();
            Ok((vec![changed(&trigger)], ()))
        })
    };
    smol::block_on(transact(2)).unwrap();
    assert_eq!(decided.get(), 3);
    let trigger: Trigger = catalog.get("guest/t").unwrap();
    assert_eq!(trigger.version, "7.0.0");
    assert!(!trigger.publish, "both changes of the other are there");
    // There is an end to it.
    let refused = smol::block_on(transact(u32::MAX)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Concurrent modification to resource detected."
    );
}

#[test]
fn all_or_nothing() {
    let world = world();
    let catalog = &world.catalog;
    // The rule cannot be written: the trigger must not learn of it.
    let rule = rule().create("guest", "a", 1).unwrap();
    let refused = smol::block_on(catalog.transact(|| {
        let trigger = catalog.attached(&world.guest, &rule, RuleStatus::Active)?;
        Ok((vec![changed(&trigger), created(&rule)], ()))
    }));
    assert!(refused.is_err());
    let trigger: Trigger = catalog.get("guest/t").unwrap();
    assert_eq!(trigger.rules, None);
}

#[test]
fn what_a_rule_refers_to_may_be_unreadable() {
    let name: FullName = "guest/t".parse().unwrap();
    for (error, text) in [
        (CatalogError::Missing, "trigger /guest/t does not exist"),
        (
            CatalogError::OtherCollection,
            "trigger /guest/t does not exist",
        ),
        (CatalogError::Corrupt, "trigger /guest/t is corrupted"),
    ] {
        assert_eq!(unusable("trigger", &name, error).to_string(), text);
    }
}
