//! The bodies of `PUT` and `POST .../rules/{name}`: how they make or change a rule (reference
//! sections 2.5, 3.5.2 and 3.5.3).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{EntityError, FullName, Parameters, Rule, RuleStatus, SizeLimits, Version, json};

/// What a client wants a rule to be; what it leaves out is `None`.
#[derive(Debug)]
pub struct NewRule {
    /// Its trigger.
    pub trigger: Option<FullName>,
    /// Its action.
    pub action: Option<FullName>,
    annotations: Option<Parameters>,
    version: Option<Version>,
    publish: Option<bool>,
}

impl NewRule {
    /// Parses a body, with OpenWhisk's messages. `namespace` is what `_` stands for. Fields that a
    /// client may not set are ignored; a status is among them.
    pub fn parse(body: &[u8], namespace: &str) -> Result<Self, EntityError> {
        #[derive(Deserialize)]
        struct Sent<'a> {
            #[serde(borrow)]
            trigger: Option<&'a RawValue>,
            #[serde(borrow)]
            action: Option<&'a RawValue>,
            #[serde(borrow)]
            annotations: Option<&'a RawValue>,
            version: Option<String>,
            publish: Option<bool>,
        }
        let sent: Sent = json::document(body)?;
        let name = |sent: &RawValue| Ok(FullName::parse(sent)?.resolved(namespace));
        Ok(NewRule {
            trigger: sent.trigger.map(name).transpose()?,
            action: sent.action.map(name).transpose()?,
            annotations: sent.annotations.map(Parameters::parse).transpose()?,
            version: sent.version.map(|version| version.parse()).transpose()?,
            publish: sent.publish,
        })
    }

    /// Checks the sizes of the parts that were sent.
    pub fn check_sizes(&self, limits: &SizeLimits) -> Result<(), EntityError> {
        limits.check(None, self.annotations.as_ref())
    }

    /// The rule that this makes where there is none. `now` is in milliseconds since 1970.
    pub fn create(&self, namespace: &str, name: &str, now: u64) -> Result<Rule, EntityError> {
        let (Some(trigger), Some(action)) = (&self.trigger, &self.action) else {
            return Err(EntityError::Invalid(
                "rule requires a valid trigger and a valid action".into(),
            ));
        };
        Ok(Rule {
            namespace: namespace.into(),
            name: name.into(),
            trigger: trigger.clone(),
            action: action.clone(),
            version: self.version.unwrap_or(Version::FIRST).to_string(),
            publish: self.publish.unwrap_or(false),
            annotations: self.annotations.clone().unwrap_or_default(),
            updated: now,
            revision: 0,
        })
    }

    /// The rule that this makes of an existing one.
    #[must_use]
    pub fn update(&self, old: Rule, now: u64) -> Rule {
        let next = || old.version.parse().map_or(Version::FIRST, Version::next);
        Rule {
            version: self.version.unwrap_or_else(next).to_string(),
            trigger: self.trigger.clone().unwrap_or(old.trigger),
            action: self.action.clone().unwrap_or(old.action),
            publish: self.publish.unwrap_or(old.publish),
            annotations: self.annotations.clone().unwrap_or(old.annotations),
            updated: now.max(old.updated + 1),
            ..old
        }
    }
}

/// The status that the body of a `POST` asks for.
///
/// # Errors
/// It is missing, or no status.
pub fn wanted_status(body: &[u8]) -> Result<RuleStatus, EntityError> {
    #[derive(Deserialize)]
    struct Sent {
        status: String,
    }
    json::document::<Sent>(body)?.status.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(body: &str) -> NewRule {
        NewRule::parse(body.as_bytes(), "guest").unwrap()
    }

    #[test]
    fn created() {
        // 11.6-143
        let rule = new(r#"{"name":"r","status":"","trigger":"_/t","action":"/_/p/a"}"#)
            .create("guest", "r", 7)
            .unwrap();
        assert_eq!(
            String::from_utf8(rule.document()).unwrap(),
            concat!(
                r#"{"namespace":"guest","name":"r","trigger":{"path":"guest","name":"t"},"#,
                r#""action":{"path":"guest/p","name":"a"},"version":"0.0.1","publish":false,"#,
                r#""annotations":[],"updated":7}"#
            )
        );
        // 11.6-145
        for half in ["{}", r#"{"trigger":"_/t"}"#, r#"{"action":"_/a"}"#] {
            assert_eq!(
                new(half).create("guest", "r", 7).unwrap_err(),
                EntityError::Invalid("rule requires a valid trigger and a valid action".into())
            );
        }
    }

    #[test]
    fn updated() {
        let old = new(r#"{"trigger":"_/t","action":"_/a","annotations":[{"key":"x","value":1}]}"#)
            .create("guest", "r", 7)
            .unwrap();
        // 11.6-150
        let same = new("{}").update(old.clone(), 9);
        assert_eq!((&same.trigger, &same.action), (&old.trigger, &old.action));
        assert_eq!((same.version.as_str(), same.updated), ("0.0.2", 9));
        assert_eq!(same.annotations.0.len(), 1);
        let other = new(
            r#"{"trigger":"_/u","action":"_/b","annotations":[],"version":"1","publish":true}"#,
        )
        .update(old, 1);
        assert_eq!(other.trigger.to_string(), "guest/u");
        assert_eq!(other.action.to_string(), "guest/b");
        assert_eq!((other.version.as_str(), other.updated), ("1.0.0", 8));
        assert!(other.publish && other.annotations.0.is_empty());
    }

    #[test]
    fn malformed() {
        // 11.6-144
        for body in [r#"{"trigger":"t","action":"_/a"}"#, r#"{"action":"a"}"#] {
            assert_eq!(
                NewRule::parse(body.as_bytes(), "guest")
                    .unwrap_err()
                    .to_string(),
                "The request content was malformed:\nrequirement failed: The fully qualified name \
                 of the entity must contain at least the namespace and the name of the entity.",
                "{body}"
            );
        }
        for body in ["", "1", r#"{"trigger":1}"#, r#"{"annotations":1}"#] {
            let error = NewRule::parse(body.as_bytes(), "guest").unwrap_err();
            assert!(matches!(error, EntityError::Malformed(_)), "{body}");
        }
    }

    #[test]
    fn statuses() {
        let body = br#"{"status":"inactive","trigger":null,"action":null}"#;
        assert_eq!(wanted_status(body), Ok(RuleStatus::Inactive));
        // 11.6-156
        for body in ["", "{}", r#"{"status":null}"#, r#"{"status":"xxx"}"#] {
            let error = wanted_status(body.as_bytes()).unwrap_err();
            assert!(matches!(error, EntityError::Malformed(_)), "{body}");
        }
    }
}
