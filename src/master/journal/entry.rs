//! One write that the master has not got yet, or that came to nothing there.

use std::fmt;

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::stamp::Stamp;
use crate::entity::names;
use crate::master::{resource, whose};
use crate::store::Collection;

/// What a write does to its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Creates or changes it.
    Put,
    /// Deletes it.
    Delete,
    /// Enables or disables it: a rule.
    Status,
}

impl Operation {
    /// The method of its request.
    pub const fn method(self) -> Method {
        match self {
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Status => Method::POST,
        }
    }
}

/// What a write was made on: if the master has anything else when it is replayed, the master has
/// moved on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// There was nothing.
    Absent,
    /// The master's entity in this state.
    At(Stamp),
    /// What the entry before it for the same entity makes of it.
    Before,
    /// Whatever there is: somebody has decided that it is to be replaced.
    Any,
}

/// How far a write has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not sent.
    Pending,
    /// Sent, perhaps; whether the master has done it must be looked at.
    Sending,
    /// The master has moved on: its version is here, too.
    Superseded(End),
    /// The master does not do it.
    Failed(End),
}

/// How a write came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Superseded(_) => "superseded",
            Self::Failed(_) => "failed",
        })
    }
}

/// An entry of the journal. The body of its request is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: entries are replayed in the order of their numbers.
    #[serde(skip)]
    pub number: u64,
    /// URL of the master that it is for; empty: of whichever there is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub master: String,
    /// Whose write it is: uuid of the key that it is sent with.
    pub uuid: String,
    /// The entity's collection.
    pub collection: Collection,
    /// The entity: `ns/[package/]name`.
    pub path: String,
    /// What it does.
    pub operation: Operation,
    /// Deletes a package with what is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Deletes a binding.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binding: bool,
    /// Triggers, `ns/name`, whose documents change along: those of a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// When it was answered here, in milliseconds since 1970.
    pub written: u64,
    /// What it was made on.
    pub base: Base,
    /// How far it is.
    pub state: State,
    /// The entity, `ns/[package/]name`, that keeps what became of the write here, after the
    /// master's version has taken its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl Entry {
    /// Whether it is still to be replayed.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Pending | State::Sending)
    }

    /// Whether it is for a master.
    pub fn is_for(&self, master: &str) -> bool {
        whose::is_for(&self.master, master)
    }

    /// The namespace that it is in.
    pub fn namespace(&self) -> &str {
        names::segments(&self.path).next().unwrap_or_default()
    }

    /// The paths that hold what only this gateway has while the entry is open: nothing of the
    /// master's is copied there.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let triggers = self.triggers.iter().map(String::as_str);
        std::iter::once(self.path.as_str()).chain(triggers)
    }

    /// The target of its request. What was made where there was nothing replaces nothing, and what
    /// was made on something replaces that: whatever the client allowed itself.
    pub fn target(&self) -> String {
        let mut target = resource::target(self.collection, &self.path);
        match self.operation {
            Operation::Put if self.base != Base::Absent => target.push_str("?overwrite=true"),
            Operation::Delete if self.force => target.push_str("?force=true"),
            _ => {}
        }
        target
    }

    /// The target of the request that shows what the master has, with or without code.
    pub fn shown_at(&self, with_code: bool) -> String {
        let mut target = resource::target(self.collection, &self.path);
        if self.collection == Collection::Actions && !with_code {
            target.push_str("?code=false");
        }
        target
    }

    /// Whether its documents have parts, code, that are shown only when they are asked for.
    pub fn has_code(&self) -> bool {
        self.collection == Collection::Actions
    }

    /// Whether its entity may be at the master though it is not shown: a binding whose package is
    /// gone, or is not its owner's to see any more. It can be deleted all the same (reference
    /// section 3.4.4).
    pub fn may_hide(&self) -> bool {
        self.binding
    }

    /// Reads an entry.
    pub(super) fn read(number: u64, text: &[u8]) -> Option<Self> {
        let entry: Entry = crate::entity::json::stored(text)?;
        Some(Entry { number, ..entry })
    }

    /// What is stored of it.
    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always valid JSON")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The put of an action of the namespace `ns`.
    pub(in crate::master::journal) fn entry(number: u64) -> Entry {
        Entry {
            number,
            master: String::new(),
            uuid: "u".into(),
            collection: Collection::Actions,
            path: "ns/a".into(),
            operation: Operation::Put,
            force: false,
            binding: false,
            triggers: Vec::new(),
            written: 7,
            base: Base::Absent,
            state: State::Pending,
            kept: None,
        }
    }

    #[test]
    fn stored_and_read() {
        let stamp = Stamp::of(Collection::Actions, br#"{"version":"0.0.1","updated":1}"#).unwrap();
        let end = End {
            reason: "why".into(),
            at: 9,
        };
        for (base, state) in [
            (Base::Absent, State::Pending),
            (Base::At(stamp), State::Sending),
            (Base::Before, State::Superseded(end.clone())),
            (Base::Any, State::Failed(end)),
        ] {
            let entry = Entry {
                base,
                state,
                master: "http://m".into(),
                triggers: vec!["ns/t".into()],
                kept: Some("ns/k".into()),
                ..entry(5)
            };
            assert_eq!(Entry::read(5, &entry.text()).unwrap(), entry);
        }
        assert!(Entry::read(5, b"{}").is_none());
    }

    #[test]
    fn requests() {
        let mut entry = entry(1);
        assert_eq!(entry.target(), "/api/v1/namespaces/ns/actions/a");
        entry.base = Base::Any;
        assert_eq!(
            entry.target(),
            "/api/v1/namespaces/ns/actions/a?overwrite=true"
        );
        assert!(entry.shown_at(false).ends_with("/actions/a?code=false"));
        assert!(entry.shown_at(true).ends_with("/actions/a"));
        entry.operation = Operation::Delete;
        assert!(entry.target().ends_with("/actions/a"));
        entry.collection = Collection::Packages;
        entry.force = true;
        assert!(entry.target().ends_with("/packages/a?force=true"));
        entry.triggers = vec!["ns/t".into()];
        assert!(entry.places().eq(["ns/a", "ns/t"]));
        assert_eq!(entry.namespace(), "ns");
    }
}
