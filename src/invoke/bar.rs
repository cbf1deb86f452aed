//! What keeps an activation from being run that was accepted (reference sections 2.2.2 and 4.6):
//! much may have changed while it waited.

use std::time::{Duration, Instant};

use super::ended::ended;
use super::execute::Finished;
use super::record::Reached;
use super::{Call, Inner};
use crate::entity::{ActionLimits, ActionRanges, Exec, NamespaceLimits, Response, Status};

/// How long a caller whose key was just checked counts as checked. Only those who wait longer, or
/// for whom nobody waits, cost another look into the store.
const FRESH: Duration = Duration::from_secs(1);

/// Why an activation is not run.
#[derive(Debug, PartialEq, Eq)]
enum Bar {
    /// The namespace has been blocked.
    Blocked,
    /// The limits of the action are not within those of today: OpenWhisk's text.
    Limits(String),
}

impl Inner {
    /// How an activation ends that must not be run any more; none if it may be.
    pub(super) fn bar(&self, call: &Call, received: Instant) -> Option<Finished> {
        let mut limits = call.identity.limits.clone();
        let mut blocked = false;
        if call.wait.is_none() || received.elapsed() > FRESH {
            match self.store.key_entry(&call.identity.namespace) {
                Ok(Some(entry)) => {
                    blocked = entry.blocked;
                    limits = entry.identity.limits.clone();
                }
                // A namespace without a key goes on with what it had.
                Ok(None) => {}
                Err(error) => log::error!(
                    "the limits of {} cannot be checked: {error}",
                    call.identity.namespace
                ),
            }
        }
        // What is built in needs no sandbox: its limits are not a wish of anybody.
        let action = match call.action.exec {
            Exec::Builtin => None,
            _ => Some(&call.action.limits),
        };
        let system = ActionRanges {
            instances: self.throttles.rates().concurrent_invocations,
            ..self.settings.actions
        };
        let bar = decide(blocked, &limits, &system, action)?;
        let (reached, text) = match bar {
            Bar::Blocked => (
                Reached::Blocked,
                "The action was not invoked due to a blacklisted namespace.".to_string(),
            ),
            Bar::Limits(text) => (Reached::Nothing, text),
        };
        let response = Response::error(Status::ApplicationError, &text);
        Some(ended(reached, response))
    }
}

fn decide(
    blocked: bool,
    namespace: &NamespaceLimits,
    system: &ActionRanges,
    action: Option<&ActionLimits>,
) -> Option<Bar> {
    if blocked {
        return Some(Bar::Blocked);
    }
    // The cap of sandboxes is only checked when it is set.
    let ranges = namespace.actions(system, system.instances);
    let checked = ranges.check(action?);
    checked.err().map(|error| Bar::Limits(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_run() {
        let system = ActionRanges::default();
        let action = system.defaults();
        let mut namespace = NamespaceLimits::default();
        assert_eq!(decide(false, &namespace, &system, Some(&action)), None);
        assert_eq!(
            decide(true, &namespace, &system, Some(&action)),
            Some(Bar::Blocked)
        );
        namespace.max_action_memory = Some(128);
        let text = "memory size 256 MB exceeds allowed threshold of 128 MB";
        assert_eq!(
            decide(false, &namespace, &system, Some(&action)),
            Some(Bar::Limits(text.into()))
        );
        assert_eq!(
            decide(true, &namespace, &system, Some(&action)),
            Some(Bar::Blocked)
        );
        assert_eq!(decide(false, &namespace, &system, None), None);
        assert_eq!(decide(true, &namespace, &system, None), Some(Bar::Blocked));
    }
}
