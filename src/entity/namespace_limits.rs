//! What was set for one namespace, and what comes of it (reference sections 1.9, 1.13, 2.2.2 and
//! 3.2).

use serde::{Deserialize, Serialize};

use super::{ActionRanges, EntityError, Range, SizeLimits};

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
    /// Least memory of an action in MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_memory: Option<u32>,
    /// Most memory of an action in MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_memory: Option<u32>,
    /// Least log of an activation in MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_logs: Option<u32>,
    /// Most log of an activation in MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_logs: Option<u32>,
    /// Shortest time limit of an action in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_timeout: Option<u32>,
    /// Longest time limit of an action in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_timeout: Option<u32>,
    /// Least concurrent activations in one sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_concurrency: Option<u32>,
    /// Most concurrent activations in one sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_concurrency: Option<u32>,
    /// Bytes of parameters, and of annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parameter_size: Option<u64>,
    /// Bytes of the body of an invocation, and of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload_size: Option<u64>,
    /// Bytes that are told of a result that is too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_size: Option<u64>,
    /// Kinds that actions may be of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_kinds: Option<Vec<String>>,
    /// Whether records of activations are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_activations: Option<bool>,
}

impl NamespaceLimits {
    /// Checks that an action can be within the limits, on a system with these.
    ///
    /// # Errors
    /// [`EntityError::Invalid`] names a smallest value above the largest.
    pub fn check(&self, system: &ActionRanges) -> Result<(), EntityError> {
        for (what, range, min, max) in [
            (
                "ActionMemory",
                system.memory,
                self.min_action_memory,
                self.max_action_memory,
            ),
            (
                "ActionLogs",
                system.logs,
                self.min_action_logs,
                self.max_action_logs,
            ),
            (
                "ActionTimeout",
                system.timeout,
                self.min_action_timeout,
                self.max_action_timeout,
            ),
            (
                "ActionConcurrency",
                system.concurrency,
                self.min_action_concurrency,
                self.max_action_concurrency,
            ),
        ] {
            let least = min.map_or(range.min, |min| min.max(range.min));
            let most = max.map_or(range.max, |max| max.min(range.max));
            if least > most {
                return Err(EntityError::Invalid(format!(
                    "min{what} {least} is above max{what} {most}: no action could be created"
                )));
            }
        }
        Ok(())
    }

    /// What the limits of actions may be: what was set, within what the system allows. `instances`
    /// is the number of invocations that the namespace may have in flight.
    pub fn actions(&self, system: &ActionRanges, instances: u32) -> ActionRanges {
        ActionRanges {
            timeout: within(
                system.timeout,
                self.min_action_timeout,
                self.max_action_timeout,
            ),
            memory: within(
                system.memory,
                self.min_action_memory,
                self.max_action_memory,
            ),
            logs: within(system.logs, self.min_action_logs, self.max_action_logs),
            concurrency: within(
                system.concurrency,
                self.min_action_concurrency,
                self.max_action_concurrency,
            ),
            instances,
        }
    }

    /// The largest parts of documents.
    pub fn sizes(&self, system: SizeLimits) -> SizeLimits {
        SizeLimits {
            parameters: lower(system.parameters, self.max_parameter_size),
            ..system
        }
    }

    /// Bytes of the body of an invocation, and of a result.
    pub fn payload(&self, system: u64) -> u64 {
        lower(system, self.max_payload_size)
    }

    /// Bytes that are told of a result that is too large.
    pub fn truncation(&self, system: u64) -> u64 {
        lower(system, self.truncation_size)
    }

    /// Whether actions may be of a kind.
    pub fn allows_kind(&self, kind: &str) -> bool {
        let allowed = self.allowed_kinds.as_ref();
        allowed.is_none_or(|allowed| allowed.iter().any(|allowed| allowed == kind))
    }

    /// Whether records of activations are kept.
    pub fn stores_activations(&self) -> bool {
        self.store_activations.unwrap_or(true)
    }
}

fn lower(system: u64, set: Option<u64>) -> u64 {
    set.map_or(system, |set| set.min(system))
}

/// A range of the system, narrowed. The default moves with it: an action that does not say what
/// it needs must not be one that is refused when it runs.
fn within(system: Range, min: Option<u32>, max: Option<u32>) -> Range {
    let max = max.map_or(system.max, |max| max.clamp(system.min, system.max));
    let min = min.map_or(system.min, |min| min.clamp(system.min, max));
    let default = system.default.clamp(min, max);
    Range { min, max, default }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: &str) -> NamespaceLimits {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn stored_and_read() {
        assert_eq!(
            serde_json::to_string(&NamespaceLimits::default()).unwrap(),
            "{}"
        );
        let text = concat!(
            r#"{"firesPerMinute":0,"maxActionMemory":256,"maxPayloadSize":7,"#,
            r#""allowedKinds":["quickjs:1"],"storeActivations":false}"#
        );
        assert_eq!(serde_json::to_string(&limits(text)).unwrap(), text);
    }

    #[test]
    fn least_and_most_must_leave_something() {
        let system = ActionRanges::default();
        let refused = |json| limits(json).check(&system).unwrap_err().to_string();
        assert_eq!(
            refused(r#"{"minActionMemory":300,"maxActionMemory":256}"#),
            "minActionMemory 300 is above maxActionMemory 256: no action could be created"
        );
        assert!(refused(r#"{"maxActionTimeout":99}"#).contains("maxActionTimeout 99"));
        assert!(refused(r#"{"minActionConcurrency":2}"#).contains("maxActionConcurrency 1"));
        assert!(limits("{}").check(&system).is_ok());
        // More than the system allows is as much as it allows.
        assert!(limits(r#"{"maxActionMemory":9999}"#).check(&system).is_ok());
    }

    #[test]
    fn never_more_than_the_system_allows() {
        let system = ActionRanges::default();
        assert_eq!(limits("{}").actions(&system, 30), system);
        let set = limits(
            r#"{"minActionMemory":64,"maxActionMemory":200,"maxActionTimeout":999999,"maxActionLogs":0}"#,
        );
        let ranges = set.actions(&system, 5);
        assert_eq!((ranges.memory.min, ranges.memory.max), (128, 200));
        assert_eq!(ranges.memory.default, 200);
        assert_eq!(ranges.timeout, system.timeout);
        assert_eq!((ranges.logs.max, ranges.logs.default), (0, 0));
        assert_eq!(ranges.instances, 5);
        // What cannot be met is what the system allows, never a range that ends before it begins.
        let above = limits(r#"{"minActionMemory":9999}"#).actions(&system, 30);
        assert_eq!((above.memory.min, above.memory.max), (512, 512));
    }

    #[test]
    fn sizes_and_kinds() {
        let system = SizeLimits {
            exec: 100,
            parameters: 50,
        };
        let set = limits(
            r#"{"maxParameterSize":10,"maxPayloadSize":70,"allowedKinds":["quickjs:1","nodejs:20"]}"#,
        );
        assert_eq!(set.sizes(system).parameters, 10);
        assert_eq!(set.sizes(system).exec, 100);
        assert_eq!((set.payload(60), set.payload(80)), (60, 70));
        assert!(set.allows_kind("nodejs:20") && !set.allows_kind("python:3"));
        assert!(limits("{}").allows_kind("python:3"));
        assert!(limits("{}").stores_activations());
    }
}
