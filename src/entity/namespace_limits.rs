//! What was set for one namespace (reference sections 1.9, 1.13 and 3.2).

use serde::{Deserialize, Serialize};

/// Limits of a namespace; what is `None` is as for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespaceLimits {
    /// Invocations in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocations_per_minute: Option<u32>,
    /// Invocations in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_invocations: Option<u32>,
    /// Trigger fires in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fires_per_minute: Option<u32>,
}
