//! What a sequence or composition adds up of its children, and the record that comes of it
//! (reference sections 5.2 and 5.3).

use serde::{Deserialize, Serialize};

use super::Call;
use super::record::{filter_name, json};
use crate::entity::{ActionLimits, Activation, ActivationId, Response, SEQUENCE};

/// What runs other actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// A sequence.
    Sequence,
    /// A conductor with the components that it names.
    Composition,
}

/// The sums of a sequence or composition, as far as it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    /// Start, in milliseconds since 1970.
    pub(super) start: u64,
    /// Milliseconds from the receipt of the request to the start.
    pub(super) wait: u64,
    /// The activations that it has started itself, in order.
    pub(super) children: Vec<ActivationId>,
    /// Milliseconds that they took.
    pub(super) duration: u64,
    /// Largest memory of one of them in MB; none before one has run.
    pub(super) memory: Option<u32>,
}

impl Account {
    /// Nothing has happened yet.
    pub(super) fn new(start: u64, wait: u64) -> Self {
        Account {
            start,
            wait,
            children: Vec::new(),
            duration: 0,
            memory: None,
        }
    }

    /// A child has its result.
    pub(super) fn add(&mut self, child: &Activation) {
        self.duration += child.duration.unwrap_or_default();
        self.memory = self.memory.max(memory(child));
    }

    /// The record. The activation ends at `end`, in milliseconds since 1970, with a response;
    /// `cause` is what it is itself part of.
    pub(super) fn record(
        &self,
        form: Form,
        call: &Call,
        (id, cause): (ActivationId, Option<ActivationId>),
        end: u64,
        response: Response,
    ) -> Activation {
        let action = &*call.action;
        let path = action.path();
        let mut annotations = vec![
            ("topmost", json(cause.is_none())),
            ("path", json(&path)),
            ("kind", json(SEQUENCE)),
        ];
        if form == Form::Composition {
            annotations.push(("conductor", json(true)));
        }
        if cause.is_some() {
            annotations.push(("causedBy", json(SEQUENCE)));
        }
        annotations.push(("waitTime", json(self.wait)));
        if let Some(binding) = &call.binding {
            annotations.push(("binding", json(binding)));
        }
        let memory = match form {
            Form::Sequence => self.memory,
            Form::Composition => self.memory.max(Some(action.limits.memory)),
        };
        if let Some(memory) = memory {
            let limits = ActionLimits {
                memory,
                concurrency: 1,
                instances: None,
                ..action.limits
            };
            annotations.push(("limits", json(limits)));
        }
        Activation {
            id,
            namespace: call.identity.namespace.clone(),
            name: action.name.clone(),
            filter_name: filter_name(call.binding.as_deref(), &path),
            subject: call.identity.subject.clone(),
            version: action.version.clone(),
            cause,
            start: self.start,
            // The clock of the day may have been set back meanwhile.
            end: Some(end.max(self.start)),
            duration: Some(self.duration),
            response,
            logs: self.children.iter().map(ActivationId::to_string).collect(),
            annotations,
        }
    }
}

/// The memory that an activation was given, or the largest of those inside it, in MB.
fn memory(activation: &Activation) -> Option<u32> {
    #[derive(Deserialize)]
    struct Limits {
        memory: u32,
    }
    let (_, limits) = activation
        .annotations
        .iter()
        .find(|(name, _)| *name == "limits")?;
    let limits: Limits = serde_json::from_str(limits.get()).ok()?;
    Some(limits.memory)
}
