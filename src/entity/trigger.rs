//! Triggers as they are kept and shown (reference section 2.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{FullName, Parameters, RuleStatus, json};

/// A trigger, with the rules that it fires. Its JSON is what is stored and what clients get.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trigger {
    /// Namespace.
    pub namespace: String,
    /// Bare name.
    pub name: String,
    /// Parameters that the actions of its rules get.
    pub parameters: Parameters,
    /// Always `{}`.
    pub limits: TriggerLimits,
    /// `major.minor.patch`.
    pub version: String,
    /// Of no effect on triggers.
    pub publish: bool,
    /// Annotations.
    pub annotations: Parameters,
    /// Its rules by their full names; none until the first one is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<BTreeMap<String, ReducedRule>>,
    /// Last change, in milliseconds since 1970.
    pub updated: u64,
    /// Revision in the store.
    #[serde(skip)]
    pub revision: u64,
}

/// Limits of a trigger: OpenWhisk has a place for them and none to put there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TriggerLimits {}

/// What a trigger knows of a rule. Its status is kept here and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReducedRule {
    /// The action that it invokes, as the rule names it.
    pub action: FullName,
    /// Whether it does.
    pub status: RuleStatus,
}

impl Trigger {
    /// `ns/name`: its key in the store.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Reads a stored document; none if it is not one.
    pub fn from_document(document: &[u8], revision: u64) -> Option<Self> {
        let read: Trigger = json::stored(document)?;
        Some(Trigger { revision, ..read })
    }

    /// The document: what is stored, and what clients get.
    pub fn document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always valid JSON")
    }

    /// One row of a list.
    pub fn list_element(&self) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Element<'a> {
            namespace: &'a str,
            name: &'a str,
            version: &'a str,
            publish: bool,
            annotations: &'a Parameters,
            updated: u64,
        }
        let row = Element {
            namespace: &self.namespace,
            name: &self.name,
            version: &self.version,
            publish: self.publish,
            annotations: &self.annotations,
            updated: self.updated,
        };
        to_raw_value(&row).expect("texts and numbers are always valid JSON")
    }

    /// The status of a rule of this full name; one that is not attached is inactive.
    pub fn status_of(&self, rule: &str) -> RuleStatus {
        let attached = self.rules.as_ref().and_then(|rules| rules.get(rule));
        attached.map_or(RuleStatus::Inactive, |attached| attached.status)
    }

    /// Attaches a rule, or changes what is known of it. `now` is in milliseconds since 1970.
    pub fn attach(&mut self, rule: String, reduced: ReducedRule, now: u64) {
        self.rules.get_or_insert_default().insert(rule, reduced);
        self.touch(now);
    }

    /// Detaches a rule; gives whether it was attached. `now` is in milliseconds since 1970.
    pub fn detach(&mut self, rule: &str, now: u64) -> bool {
        let rules = self.rules.as_mut();
        let attached = rules.is_some_and(|rules| rules.remove(rule).is_some());
        if attached {
            self.touch(now);
        }
        attached
    }

    /// Whether firing it does anything.
    pub fn has_active_rule(&self) -> bool {
        let mut rules = self.rules.iter().flat_map(BTreeMap::values);
        rules.any(|rule| rule.status == RuleStatus::Active)
    }

    fn touch(&mut self, now: u64) {
        // Two changes within a millisecond still have an order.
        self.updated = now.max(self.updated + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger() -> Trigger {
        Trigger {
            namespace: "ns".into(),
            name: "t".into(),
            parameters: Parameters::default(),
            limits: TriggerLimits {},
            version: "0.0.1".into(),
            publish: false,
            annotations: Parameters::default(),
            rules: None,
            updated: 7,
            revision: 3,
        }
    }

    fn to(status: RuleStatus) -> ReducedRule {
        ReducedRule {
            action: "ns/p/a".parse().unwrap(),
            status,
        }
    }

    fn text(trigger: &Trigger) -> String {
        String::from_utf8(trigger.document()).unwrap()
    }

    const HEAD: &str = concat!(
        r#"{"namespace":"ns","name":"t","parameters":[],"limits":{},"version":"0.0.1","#,
        r#""publish":false,"annotations":[],"#
    );

    #[test]
    fn stored_and_read() {
        let mut trigger = trigger();
        assert_eq!(text(&trigger), format!(r#"{HEAD}"updated":7}}"#));
        trigger.attach("ns/r".into(), to(RuleStatus::Active), 9);
        let with_rule = format!(
            r#"{HEAD}"rules":{{"ns/r":{{"action":{{"path":"ns/p","name":"a"}},"status":"active"}}}},"updated":9}}"#
        );
        assert_eq!(text(&trigger), with_rule);
        let read = Trigger::from_document(with_rule.as_bytes(), 4).unwrap();
        assert_eq!((text(&read), read.revision), (with_rule, 4));
        assert_eq!(read.path(), "ns/t");
        assert!(Trigger::from_document(b"{}", 1).is_none());
    }

    #[test]
    fn rules_come_and_go() {
        let mut trigger = trigger();
        assert!(!trigger.has_active_rule() && !trigger.detach("ns/r", 8));
        assert_eq!(trigger.updated, 7);
        trigger.attach("ns/r".into(), to(RuleStatus::Inactive), 8);
        assert!(!trigger.has_active_rule());
        trigger.attach("ns/s".into(), to(RuleStatus::Active), 8);
        assert_eq!(trigger.updated, 9);
        assert!(trigger.has_active_rule());
        assert_eq!(trigger.status_of("ns/s"), RuleStatus::Active);
        assert_eq!(trigger.status_of("ns/r"), RuleStatus::Inactive);
        assert_eq!(trigger.status_of("ns/none"), RuleStatus::Inactive);
        assert!(trigger.detach("ns/s", 20) && trigger.detach("ns/r", 20));
        assert!(text(&trigger).contains(r#""rules":{},"#));
    }
}
