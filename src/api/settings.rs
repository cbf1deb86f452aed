//! Limits of the API.

use std::time::Duration;

use crate::entity::{ActionRanges, SizeLimits};
use crate::invoke::Rates;

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
    pub rates: Rates,
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
            rates: Rates::default(),
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
            rates,
            ..Settings::default()
        }
    }
}
