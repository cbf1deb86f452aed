//! Entries of the log of a fired trigger (reference section 3.6.3): what came of it, with one rule
//! or, where another OpenWhisk follows its rules, there.

use serde::Serialize;

use super::{ActivationId, Status};

/// What has become of it: the id of an activation, if there is one; else how it failed, and why.
pub type Followed<'a> = Result<Option<&'a ActivationId>, (Status, &'a str)>;

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    master: Option<&'a str>,
    status_code: u8,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_id: Option<&'a ActivationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Entry<'_> {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are always valid JSON")
    }
}

/// The entry of a rule, `ns/name`, to an action, `ns/[package/]name`.
pub fn of_rule(rule: &str, action: &str, followed: Followed<'_>) -> String {
    let entry = Entry {
        rule: Some(rule),
        action: Some(action),
        ..of(followed)
    };
    entry.text()
}

/// The entry of the OpenWhisk, by its URL, that follows the rules.
pub fn of_master(url: &str, followed: Followed<'_>) -> String {
    let entry = Entry {
        master: Some(url),
        ..of(followed)
    };
    entry.text()
}

fn of(followed: Followed<'_>) -> Entry<'_> {
    match followed {
        Ok(activation_id) => Entry {
            status_code: Status::Success as u8,
            success: true,
            activation_id,
            ..Entry::default()
        },
        Err((status, error)) => Entry {
            status_code: status as u8,
            error: Some(error),
            ..Entry::default()
        },
    }
}
