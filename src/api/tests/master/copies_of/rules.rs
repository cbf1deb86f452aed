//! Triggers and rules.

use super::*;
use crate::entity::{RuleStatus, Trigger};

/// A trigger with two rules, one of them inactive, and their actions.
fn with_rules() -> World {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.trigger("t");
    for (rule, action) in [("on", "a"), ("off", "b")] {
        cloud.create(action);
        cloud.rule(rule, "t", action);
    }
    cloud.post(&rule("off"), json!({"status": "inactive"}));
    world
}

impl Gateway {
    fn rule(&self, who: &Arc<Identity>, name: &str) -> Result<RuleStatus, String> {
        let ensured = self.copies.ensure_rule(who, "guest", name, Need::Read);
        self.run(ensured).map_err(|error| error.to_string())?;
        let rule = self.catalog.rule(&format!("guest/{name}"));
        rule.map(|(_, status)| status).map_err(|e| e.to_string())
    }

    fn trigger(&self, who: &Arc<Identity>, need: Need) -> Result<Trigger, String> {
        let ensured = self.copies.ensure_trigger(who, "guest", "t", need);
        self.run(ensured).map_err(|error| error.to_string())?;
        self.catalog.get("guest/t").map_err(|e| e.to_string())
    }
}

#[test]
fn a_trigger_comes_with_its_rules_and_their_actions() {
    let world = with_rules();
    let gateway = world.gateway(FRESH);
    let trigger = gateway.trigger(&world.guest, Need::Read).unwrap();
    assert_eq!(world.cloud.asked(), ["guest/triggers/t"]);
    let shown = world.cloud.api.get(&trigger_path()).value();
    let copy: Value = serde_json::from_slice(&trigger.document()).unwrap();
    assert_eq!(copy, shown);
    gateway.trigger(&world.guest, Need::Run).unwrap();
    // An inactive rule invokes nothing.
    assert_eq!(world.cloud.asked(), ["guest/actions/a"]);
    world.cloud.set(Way::Cut);
    assert!(gateway.trigger(&world.guest, Need::Run).is_ok());
    let stranger = world.stranger("first", "11111111-0000-0000-0000-000000000000");
    world.cloud.asked();
    let other = gateway
        .copies
        .ensure_trigger(&stranger, "guest", "t", Need::Run);
    gateway.run(other).unwrap();
    assert!(world.cloud.asked().is_empty());
}

fn trigger_path() -> String {
    super::super::super::trigger("t")
}

#[test]
fn a_rule_has_the_status_that_the_master_tells() {
    let world = with_rules();
    let gateway = world.gateway(NEVER_FRESH);
    assert_eq!(gateway.rule(&world.guest, "on"), Ok(RuleStatus::Active));
    assert_eq!(gateway.rule(&world.guest, "off"), Ok(RuleStatus::Inactive));
    world
        .cloud
        .api
        .post(&rule("on"), json!({"status": "inactive"}));
    assert_eq!(gateway.rule(&world.guest, "on"), Ok(RuleStatus::Inactive));
    world.cloud.api.delete(&trigger_path());
    assert_eq!(gateway.rule(&world.guest, "on"), Ok(RuleStatus::Inactive));
    world.cloud.api.delete(&rule("on"));
    assert_eq!(gateway.rule(&world.guest, "on"), Err(MISSING.into()));
}

#[test]
fn a_status_that_has_changed_is_seen_through_a_fresh_trigger() {
    let world = with_rules();
    let gateway = world.gateway(FRESH);
    gateway.trigger(&world.guest, Need::Read).unwrap();
    world
        .cloud
        .api
        .post(&rule("on"), json!({"status": "inactive"}));
    // The trigger is fresh, but the rule is fetched, and says more.
    assert_eq!(gateway.rule(&world.guest, "on"), Ok(RuleStatus::Inactive));
}

#[test]
fn a_rule_that_is_written_through_is_attached_at_once() {
    let world = with_rules();
    let gateway = world.gateway(FRESH);
    gateway.trigger(&world.guest, Need::Read).unwrap();
    let status = |name: &str| {
        let trigger: Trigger = gateway.catalog.get("guest/t").unwrap();
        trigger.status_of(name)
    };
    let made = world.cloud.api.rule("new", "t", "b").to_string();
    let written = gateway.copies.adopt_answer(
        &world.guest,
        Shown::Own,
        Collection::Rules,
        "guest/new",
        made.as_bytes(),
    );
    gateway.run(written).unwrap();
    world.cloud.set(Way::Cut);
    assert_eq!(gateway.rule(&world.guest, "new"), Ok(RuleStatus::Active));
    assert_eq!(status("guest/new"), RuleStatus::Active);

    let inactive = gateway
        .copies
        .set_rule_status("guest/new", RuleStatus::Inactive);
    gateway.run(inactive).unwrap();
    assert_eq!(status("guest/new"), RuleStatus::Inactive);
    gateway.run(gateway.copies.gone("guest/new")).unwrap();
    let trigger: Trigger = gateway.catalog.get("guest/t").unwrap();
    assert!(!trigger.rules.unwrap().contains_key("guest/new"));
    assert!(
        gateway
            .catalog
            .get::<crate::entity::Rule>("guest/new")
            .is_err()
    );
}

#[test]
fn a_rule_that_moves_leaves_its_trigger() {
    let world = with_rules();
    world.cloud.api.trigger("u");
    let gateway = world.gateway(FRESH);
    gateway.rule(&world.guest, "on").unwrap();
    let path = format!("{}?overwrite=true", rule("on"));
    let moved = world.cloud.api.put(&path, json!({"trigger": "/_/u"})).body;
    let written = gateway.copies.adopt_answer(
        &world.guest,
        Shown::Own,
        Collection::Rules,
        "guest/on",
        moved.as_bytes(),
    );
    gateway.run(written).unwrap();
    let trigger: Trigger = gateway.catalog.get("guest/t").unwrap();
    assert!(!trigger.rules.unwrap().contains_key("guest/on"));
    assert_eq!(gateway.rule(&world.guest, "on"), Ok(RuleStatus::Active));
}
