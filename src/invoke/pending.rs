//! What is stored about activations that have no record yet: enough to run them, or to close them,
//! after a restart.
//!
//! A promised invocation is kept with its payload until it has started. A sequence or composition
//! that runs is never run again, so its document is small: it is written anew when each child
//! starts, and says what has been added up so far. Nobody waits for these writes; they share a
//! commit with the records of the children.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Call;
use super::account::{Account, Form};
use super::fired::Fired;
use crate::entity::{ActivationId, Whereabouts};

/// A stored document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Document<'a> {
    /// An invocation that was promised.
    #[serde(borrow)]
    Invocation(Invocation<'a>),
    /// A sequence or composition that has started.
    #[serde(borrow)]
    Composite(Underway<'a>),
    /// A trigger that was fired.
    Fired(Cow<'a, Fired>),
}

/// What was invoked, and by whom.
#[derive(Serialize, Deserialize)]
pub(super) struct Invocation<'a> {
    /// Namespace of the invoker.
    pub(super) namespace: &'a str,
    /// `ns/[package/]name` of the action.
    pub(super) action: String,
    /// The binding that it was reached through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) binding: Option<String>,
    /// The payload; none for what will not be run again.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub(super) payload: Option<&'a RawValue>,
    /// Transaction id of the request.
    pub(super) transaction_id: &'a str,
    /// The sequence or composition that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<ActivationId>,
    /// The tier that it was sent to, and its id there, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub(super) tier: Option<Whereabouts<'a>>,
    /// The OWLs that the request has come through.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub(super) via: Option<Cow<'a, str>>,
}

/// A sequence or composition as far as it has come.
#[derive(Serialize, Deserialize)]
pub(super) struct Underway<'a> {
    /// What it is.
    pub(super) form: Form,
    /// Its own invocation.
    #[serde(borrow)]
    pub(super) invocation: Invocation<'a>,
    /// What has been added up.
    pub(super) account: Account,
    /// Its children that may have neither a record nor a document of their own.
    pub(super) open: Vec<Open>,
}

/// A child that may have no record yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    /// Its id.
    pub(super) id: ActivationId,
    /// `ns/[package/]name` of its action.
    pub(super) action: String,
    /// The binding that it was reached through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) binding: Option<String>,
}

impl Open {
    /// A child that was started by a call.
    pub(super) fn new(id: ActivationId, call: &Call) -> Self {
        Open {
            id,
            action: call.action.path(),
            binding: call.binding.clone(),
        }
    }
}

impl<'a> Document<'a> {
    /// Reads a stored document.
    pub(super) fn read(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts are always valid JSON")
    }
}

/// The document of a promised invocation, whose action may run again if it has not started.
pub(super) fn invocation(call: &Call, cause: Option<ActivationId>) -> Vec<u8> {
    Document::Invocation(Invocation {
        payload: call.payload.as_deref(),
        ..of(call, cause)
    })
    .write()
}

/// The document of an invocation that has started: it is only ever closed, so its payload, which
/// may hold secrets, is left out.
pub fn running(call: &Call, cause: Option<ActivationId>) -> Vec<u8> {
    Document::Invocation(of(call, cause)).write()
}

/// The document of a fired trigger.
pub(super) fn fired(fired: &Fired) -> Vec<u8> {
    Document::Fired(Cow::Borrowed(fired)).write()
}

/// The document of a sequence or composition that has started.
pub(super) fn composite(
    call: &Call,
    cause: Option<ActivationId>,
    form: Form,
    account: &Account,
    open: Vec<Open>,
) -> Vec<u8> {
    Document::Composite(Underway {
        form,
        invocation: of(call, cause),
        account: account.clone(),
        open,
    })
    .write()
}

fn of(call: &Call, cause: Option<ActivationId>) -> Invocation<'_> {
    Invocation {
        namespace: &call.identity.namespace,
        action: call.action.path(),
        binding: call.binding.clone(),
        payload: None,
        transaction_id: &call.transaction_id,
        cause,
        tier: call.sent.place(),
        via: call.via.as_deref().map(Cow::Borrowed),
    }
}
