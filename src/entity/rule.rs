//! Rules as they are kept and shown (reference section 2.5).

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{EntityError, FullName, Parameters, json};

/// A rule: when its trigger is fired, its action is invoked. Whether it is active is not its own
/// but its trigger's to know. Its JSON is what is stored and what lists show.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Namespace.
    pub namespace: String,
    /// Bare name.
    pub name: String,
    /// Its trigger.
    pub trigger: FullName,
    /// Its action as it was named: a binding is not resolved.
    pub action: FullName,
    /// `major.minor.patch`.
    pub version: String,
    /// Of no effect on rules.
    pub publish: bool,
    /// Annotations.
    pub annotations: Parameters,
    /// Last change, in milliseconds since 1970.
    pub updated: u64,
    /// Revision in the store.
    #[serde(skip)]
    pub revision: u64,
}

/// Whether a rule does anything when its trigger is fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleStatus {
    /// It invokes its action.
    Active,
    /// It does not.
    Inactive,
}

impl FromStr for RuleStatus {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        match text {
            "active" => Ok(Self::Active),
            "inactive" => Ok(Self::Inactive),
            _ => Err(EntityError::malformed(format!(
                "requirement failed: {text} is not a recognized rule state"
            ))),
        }
    }
}

impl Rule {
    /// `ns/name`: its key in the store, and its name in its trigger.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Reads a stored document; none if it is not one.
    pub fn from_document(document: &[u8], revision: u64) -> Option<Self> {
        let read: Rule = json::stored(document)?;
        Some(Rule { revision, ..read })
    }

    /// One row of a list: the document, since its status is its trigger's to know.
    pub fn list_element(&self) -> Box<RawValue> {
        to_raw_value(self).expect("texts and numbers are always valid JSON")
    }

    /// The document that is stored.
    pub fn document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always valid JSON")
    }

    /// What clients get who ask for this rule, or write it.
    pub fn with_status(&self, status: RuleStatus) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct View<'a> {
            #[serde(flatten)]
            rule: &'a Rule,
            status: RuleStatus,
        }
        View { rule: self, status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_read_and_shown() {
        let rule = Rule {
            namespace: "ns".into(),
            name: "r".into(),
            trigger: "ns/t".parse().unwrap(),
            action: "ns/p/a".parse().unwrap(),
            version: "0.0.1".into(),
            publish: false,
            annotations: Parameters::default(),
            updated: 7,
            revision: 3,
        };
        let text = String::from_utf8(rule.document()).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"namespace":"ns","name":"r","trigger":{"path":"ns","name":"t"},"#,
                r#""action":{"path":"ns/p","name":"a"},"version":"0.0.1","publish":false,"#,
                r#""annotations":[],"updated":7}"#
            )
        );
        let read = Rule::from_document(text.as_bytes(), 4).unwrap();
        assert_eq!((read.document(), read.revision), (text.clone().into(), 4));
        assert_eq!(read.path(), "ns/r");
        let shown = serde_json::to_string(&rule.with_status(RuleStatus::Active)).unwrap();
        assert_eq!(
            shown,
            text.replace(r#""updated":7"#, r#""updated":7,"status":"active""#)
        );
        assert!(Rule::from_document(b"{}", 1).is_none());
    }

    #[test]
    fn statuses() {
        assert_eq!("active".parse(), Ok(RuleStatus::Active));
        assert_eq!("inactive".parse(), Ok(RuleStatus::Inactive));
        // 11.6-156
        let refused = "Active".parse::<RuleStatus>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "The request content was malformed:\nrequirement failed: Active is not a recognized \
             rule state"
        );
    }
}
