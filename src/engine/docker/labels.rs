//! What the labels of a container say: whose it is, and all that is needed to use it again.

use std::collections::{BTreeMap, HashMap};

use crate::engine::{Purpose, SandboxSpec};

/// Label that names the daemon which a container belongs to.
pub const DAEMON_LABEL: &str = "owl.daemon";

/// Label that tells the processes of a daemon apart: when each began, in nanoseconds since the machine
/// was started.
pub(super) const PROCESS_LABEL: &str = "owl.process";

const NAMESPACE: &str = "owl.namespace";
const ACTION: &str = "owl.action";
const VERSION: &str = "owl.version";
const REVISION: &str = "owl.revision";
const KIND: &str = "owl.kind";
const IMAGE: &str = "owl.image";
const MEMORY: &str = "owl.memory";
const DIGEST: &str = "owl.digest";

/// What a container was made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) purpose: Option<Purpose>,
    pub(super) image: String,
    pub(super) digest: String,
}

/// The labels of a container for a sandbox of a daemon, whose process began then.
pub(super) fn of(daemon: &str, process: u64, spec: &SandboxSpec) -> BTreeMap<&'static str, String> {
    let mut labels = BTreeMap::from([
        (DAEMON_LABEL, daemon.to_owned()),
        (PROCESS_LABEL, process.to_string()),
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

/// What the labels of a container of this daemon say; none if they do not say all, as those of
/// other versions may.
pub(super) fn read(labels: &HashMap<String, String>) -> Option<Made> {
    let text = |name| labels.get(name).cloned();
    let purpose = match labels.contains_key(ACTION) {
        true => Some(Purpose {
            namespace: text(NAMESPACE)?,
            action: text(ACTION)?,
            version: text(VERSION)?,
            revision: text(REVISION)?.parse().ok()?,
        }),
        false => None,
    };
    Some(Made {
        purpose,
        image: text(IMAGE)?,
        digest: text(DIGEST)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(purpose: Option<Purpose>) -> SandboxSpec {
        SandboxSpec {
            kind: "nodejs:20".into(),
            image: Some("me/image".into()),
            blackbox: false,
            pull: true,
            purpose,
            memory: 256,
            cpu_shares: 128,
            env: Vec::new(),
        }
    }

    fn written(spec: &SandboxSpec) -> HashMap<String, String> {
        let labels = of("d1", 7, spec).into_iter();
        labels
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let purpose = Purpose {
            namespace: "guest".into(),
            action: "guest/pkg/he llo".into(),
            version: "0.0.3".into(),
            revision: u64::MAX,
        };
        for purpose in [Some(purpose), None] {
            let spec = spec(purpose.clone());
            let labels = written(&spec);
            assert_eq!(labels["owl.daemon"], "d1");
            assert_eq!(labels["owl.memory"], "256");
            assert_eq!(labels["owl.process"], "7");
            let made = Made {
                purpose,
                image: "me/image".into(),
                digest: spec.digest(),
            };
            assert_eq!(read(&labels), Some(made));
        }
    }

    #[test]
    fn labels_that_do_not_say_all() {
        let purpose = Purpose {
            namespace: "guest".into(),
            action: "guest/hello".into(),
            version: "0.0.3".into(),
            revision: 1,
        };
        let labels = written(&spec(Some(purpose)));
        for name in [NAMESPACE, VERSION, REVISION, IMAGE, DIGEST] {
            let mut fewer = labels.clone();
            fewer.remove(name);
            assert_eq!(read(&fewer), None, "{name}");
        }
        let mut wrong = labels;
        wrong.insert(REVISION.into(), "x".into());
        assert_eq!(read(&wrong), None);
    }
}
