//! What tells one state of the master's entity from another.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entity::json;
use crate::store::Collection;

/// A state of an entity, as far as it is told by its document without code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    version: String,
    /// Not of triggers: it changes with their rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated: Option<u64>,
    /// Of triggers: a hash of what clients set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl Stamp {
    /// The state that a document shows; none if it is no entity's.
    pub fn of(collection: Collection, document: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            version: String,
            updated: Option<u64>,
            #[serde(default)]
            parameters: Value,
            #[serde(default)]
            annotations: Value,
            #[serde(default)]
            publish: bool,
        }
        let read: Document = json::stored(document)?;
        let is_trigger = collection == Collection::Triggers;
        let content = is_trigger.then(|| {
            let set = Value::from(vec![
                read.parameters,
                read.annotations,
                Value::from(read.publish),
            ]);
            let hash = digest(&SHA256, set.to_string().as_bytes());
            let half = hash.as_ref().iter().take(16);
            half.map(|byte| format!("{byte:02x}")).collect()
        });
        Some(Stamp {
            version: read.version,
            updated: read.updated.filter(|_| !is_trigger),
            content,
        })
    }

    /// The version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether both are of the same state. Old OpenWhisks do not tell when it was updated: then the
    /// version has to do.
    pub fn is(&self, other: &Stamp) -> bool {
        let same_time = match (self.updated, other.updated) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.version == other.version && same_time && self.content == other.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(collection: Collection, document: &str) -> Stamp {
        Stamp::of(collection, document.as_bytes()).unwrap()
    }

    #[test]
    fn states_of_entities() {
        let of = |document| stamp(Collection::Actions, document);
        let one = of(r#"{"version":"0.0.1","updated":5,"parameters":[]}"#);
        assert!(one.is(&of(r#"{"version":"0.0.1","updated":5,"name":"x"}"#)));
        assert!(!one.is(&of(r#"{"version":"0.0.1","updated":6}"#)));
        assert!(!one.is(&of(r#"{"version":"0.0.2","updated":5}"#)));
        assert!(one.is(&of(r#"{"version":"0.0.1"}"#)));
        assert!(Stamp::of(Collection::Actions, b"OK").is_none());
    }

    #[test]
    fn triggers_do_not_change_with_their_rules() {
        let of = |document| stamp(Collection::Triggers, document);
        let one = of(r#"{"version":"0.0.1","updated":5,"parameters":[{"key":"a","value":1}]}"#);
        let with_rules = r#"{"parameters":[{"value":1,"key":"a"}],"version":"0.0.1","updated":9,
            "rules":{"ns/r":{}}}"#;
        assert!(one.is(&of(with_rules)));
        let other = r#"{"version":"0.0.1","updated":5,"parameters":[{"key":"a","value":2}]}"#;
        assert!(!one.is(&of(other)));
    }
}
