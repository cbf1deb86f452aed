//! What the labels of a container say: whose it is, and all that is needed to use it again.

use std::collections::BTreeMap;

use crate::engine::SandboxSpec;

/// Label that names the daemon which a container belongs to.
pub const DAEMON_LABEL: &str = "owl.daemon";

const NAMESPACE: &str = "owl.namespace";
const ACTION: &str = "owl.action";
const VERSION: &str = "owl.version";
const REVISION: &str = "owl.revision";
const KIND: &str = "owl.kind";
const IMAGE: &str = "owl.image";
const MEMORY: &str = "owl.memory";
const DIGEST: &str = "owl.digest";

/// The labels of a container for a sandbox.
pub(super) fn of(daemon: &str, spec: &SandboxSpec) -> BTreeMap<&'static str, String> {
    let mut labels = BTreeMap::from([
        (DAEMON_LABEL, daemon.to_owned()),
        (KIND, spec.kind.clone()),
        (IMAGE, spec.image.clone().unwrap_or_default()),
        (MEMORY, spec.memory.to_string()),
        (DIGEST, spec.digest()),
    ]);
    if let Some(purpose) = &spec.purpose {
        labels.insert(NAMESPACE, purpose.namespace.clone());
        labels.insert(ACTION, purpose.action.clone());
        labels.insert(VERSION, purpose.version.clone());
        labels.insert(REVISION, purpose.revision.to_string());
    }
    labels
}
