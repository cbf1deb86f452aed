//! The body of `PUT .../triggers/{name}`: how it makes or changes a trigger (reference section
//! 2.4).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::trigger::TriggerLimits;
use super::{EntityError, Parameters, SizeLimits, Trigger, Version, json, names};

/// What a client wants a trigger to be; what it leaves out is `None`.
#[derive(Debug)]
pub struct NewTrigger {
    parameters: Option<Parameters>,
    annotations: Option<Parameters>,
    version: Option<Version>,
    publish: Option<bool>,
}

impl NewTrigger {
    /// Parses a body, with OpenWhisk's messages. Fields that a client may not set are ignored, and
    /// so are `limits`: there are none.
    pub fn parse(body: &[u8]) -> Result<Self, EntityError> {
        #[derive(Deserialize)]
        struct Sent<'a> {
            #[serde(borrow)]
            parameters: Option<&'a RawValue>,
            #[serde(borrow)]
            annotations: Option<&'a RawValue>,
            version: Option<String>,
            publish: Option<bool>,
        }
        let sent: Sent = json::document(body)?;
        Ok(NewTrigger {
            parameters: sent.parameters.map(Parameters::parse).transpose()?,
            annotations: sent.annotations.map(Parameters::parse).transpose()?,
            version: sent.version.map(|version| version.parse()).transpose()?,
            publish: sent.publish,
        })
    }

    /// Checks the sizes of the parts that were sent.
    pub fn check_sizes(&self, limits: &SizeLimits) -> Result<(), EntityError> {
        limits.check(self.parameters.as_ref(), self.annotations.as_ref())
    }

    /// The trigger that this makes where there is none. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// The annotation `feed` is not the name of a feed. Clients may set it to anything later: a
    /// server without feed logic has no more use for it.
    pub fn create(&self, namespace: &str, name: &str, now: u64) -> Result<Trigger, EntityError> {
        let annotations = self.annotations.clone().unwrap_or_default();
        if annotations.get("feed").is_some_and(|feed| !is_feed(feed)) {
            return Err(EntityError::Invalid("Feed name is not valid".into()));
        }
        Ok(Trigger {
            namespace: namespace.into(),
            name: name.into(),
            parameters: self.parameters.clone().unwrap_or_default(),
            limits: TriggerLimits {},
            version: self.version.unwrap_or(Version::FIRST).to_string(),
            publish: self.publish.unwrap_or(false),
            annotations,
            rules: None,
            updated: now,
            revision: 0,
        })
    }

    /// The trigger that this makes of an existing one, which keeps its rules.
    #[must_use]
    pub fn update(&self, old: Trigger, now: u64) -> Trigger {
        let next = || old.version.parse().map_or(Version::FIRST, Version::next);
        Trigger {
            version: self.version.unwrap_or_else(next).to_string(),
            parameters: self.parameters.clone().unwrap_or(old.parameters),
            publish: self.publish.unwrap_or(old.publish),
            annotations: self.annotations.clone().unwrap_or(old.annotations),
            updated: now.max(old.updated + 1),
            ..old
        }
    }
}

/// Whether a value is the path of an entity: names with slashes between them.
fn is_feed(value: &RawValue) -> bool {
    serde_json::from_str::<String>(value.get()).is_ok_and(|path| {
        let mut segments = names::segments(&path).peekable();
        segments.peek().is_some() && segments.all(names::is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(body: &str) -> NewTrigger {
        NewTrigger::parse(body.as_bytes()).unwrap()
    }

    fn create(body: &str) -> Result<Trigger, EntityError> {
        new(body).create("guest", "t", 7)
    }

    fn text(trigger: &Trigger) -> String {
        String::from_utf8(trigger.document()).unwrap()
    }

    #[test]
    fn created() {
        // 11.5-124
        for body in ["{}", r#"{"name":"x","limits":{},"rules":{"guest/r":1}}"#] {
            assert_eq!(
                text(&create(body).unwrap()),
                concat!(
                    r#"{"namespace":"guest","name":"t","parameters":[],"limits":{},"#,
                    r#""version":"0.0.1","publish":false,"annotations":[],"updated":7}"#
                )
            );
        }
    }

    #[test]
    fn feeds() {
        let with = |feed: &str| {
            create(&format!(
                r#"{{"annotations":[{{"key":"feed","value":{feed}}}]}}"#
            ))
        };
        // 11.5-125
        for good in [r#""xyz""#, r#""/ns/p/f""#, r#""_/f""#] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in [r#""""#, r#""/""#, r#""a,b""#, "1", "null", "{}"] {
            assert_eq!(
                with(bad).unwrap_err(),
                EntityError::Invalid("Feed name is not valid".into()),
                "{bad}"
            );
        }
    }

    #[test]
    fn updated() {
        let old = create(
            r#"{"parameters":[{"key":"a","value":1}],"annotations":[{"key":"x","value":1}]}"#,
        )
        .unwrap();
        // 11.5-126
        let changed = new(r#"{"annotations":[{"key":"feed","value":"a,b"}],"publish":true}"#)
            .update(old.clone(), 9);
        assert_eq!(
            text(&changed),
            concat!(
                r#"{"namespace":"guest","name":"t","parameters":[{"key":"a","value":1}],"#,
                r#""limits":{},"version":"0.0.2","publish":true,"#,
                r#""annotations":[{"key":"feed","value":"a,b"}],"updated":9}"#
            )
        );
        let changed = new(r#"{"version":"2","parameters":[]}"#).update(old, 1);
        assert_eq!(
            (changed.version.as_str(), changed.updated),
            ("2.0.0", 8),
            "time goes on"
        );
        assert!(changed.parameters.0.is_empty());
        assert_eq!(changed.annotations.0.len(), 1);
    }

    #[test]
    fn malformed() {
        for body in ["", "[]", "{", r#"{"version":"x"}"#, r#"{"parameters":{}}"#] {
            let error = NewTrigger::parse(body.as_bytes()).unwrap_err();
            assert!(matches!(error, EntityError::Malformed(_)), "{body}");
        }
    }
}
