//! Limits of the API.

use std::time::Duration;

use http_types::StatusCode;

use super::error::ApiError;
use crate::entity::{ActionRanges, Identity, SizeLimits};
use crate::invoke::Rates;
use crate::sync::Current;

/// Limits of the API; the defaults are those of OpenWhisk's standalone server (reference sections
/// 1.9, 1.13 and 2.2.2).
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the limits of actions may be.
    pub actions: ActionRanges,
    /// Largest parts of documents.
    pub sizes: SizeLimits,
    /// Bytes of the body of an invocation.
    pub max_payload: u64,
    /// Bytes of any other body.
    pub max_body: u64,
    /// What a namespace may do in a minute and at once.
    pub rates: Current<Rates>,
    /// Actions in a sequence.
    pub sequence_length: u32,
    /// Longest that a blocking caller waits, and how long one waits that does not say.
    pub longest_blocking: Duration,
    /// Kinds that actions may be of; none allows all.
    pub allowed_kinds: Option<Vec<String>>,
    /// `build` of the API's info document.
    pub build: String,
    /// `buildno` of the API's info document.
    pub build_number: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            actions: ActionRanges::default(),
            sizes: SizeLimits {
                exec: 48 << 20,
                parameters: 1 << 20,
            },
            max_payload: 1 << 20,
            max_body: 50 << 20,
            rates: Current::default(),
            sequence_length: 50,
            longest_blocking: Duration::from_secs(60),
            allowed_kinds: None,
            build: format!("owl {}", env!("CARGO_PKG_VERSION")),
            build_number: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

impl Settings {
    /// The defaults with other rates.
    pub fn with_rates(rates: Rates) -> Self {
        Settings {
            // A cap of sandboxes above the invocations in flight would never be reached.
            actions: ActionRanges {
                instances: rates.concurrent_invocations,
                ..ActionRanges::default()
            },
            rates: Current::new(rates),
            ..Settings::default()
        }
    }

    /// What a namespace may do in a minute and at once. What was set for it counts, be it more or
    /// less than for everybody.
    pub(super) fn rates_of(&self, identity: &Identity) -> Rates {
        self.rates.get().of(&identity.limits)
    }

    /// What the limits of a namespace's actions may be.
    pub(super) fn actions_of(&self, identity: &Identity) -> ActionRanges {
        let instances = self.rates_of(identity).concurrent_invocations;
        identity.limits.actions(&self.actions, instances)
    }

    /// Largest parts of a namespace's documents.
    pub(super) fn sizes_of(&self, identity: &Identity) -> SizeLimits {
        identity.limits.sizes(self.sizes)
    }

    /// Bytes of the body of a namespace's invocations.
    pub(super) fn max_payload_of(&self, identity: &Identity) -> u64 {
        identity.limits.payload(self.max_payload)
    }

    /// Checks that a namespace may have actions of a kind: those that are allowed to everybody
    /// and, where it has a list of its own, are on that, too.
    pub(super) fn check_kind(&self, identity: &Identity, kind: &str) -> Result<(), ApiError> {
        let everybody = self.allowed_kinds.as_ref();
        if everybody.is_none_or(|allowed| allowed.iter().any(|allowed| allowed == kind))
            && identity.limits.allows_kind(kind)
        {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::Forbidden,
            format!(
                "The supplied authentication is not authorized to access actions of kind '{kind}'."
            ),
        ))
    }
}
