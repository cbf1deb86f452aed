//! How a sandbox becomes a container: its settings, and what failures mean (reference section
//! 7.8). No I/O.

use crate::engine::{ImageNeed, SandboxSpec, StartError};

use super::containers::{CreateContainer, HostConfig, LogConfig, Ulimit};
use super::error::DockerError;
use super::images::name_and_tag;
use super::labels;

/// What a user's image may do besides nothing: start as root, take hold of its files, and go on
/// as another user. Docker's own set without devices, raw sockets, other roots and the audit log.
const USER_IMAGE_CAPABILITIES: [&str; 8] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
];

/// Letters of the namespace and of the action in the name of a container.
const NAME_PART: usize = 40;

/// The name of a container: `owl_<daemon>_<counter>_<namespace>_<action>`, of which only letters,
/// digits and `_` are left; for a stem cell `owl_<daemon>_<counter>_stem_<kind>`.
pub(super) fn container_name(daemon: &str, counter: u64, spec: &SandboxSpec) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .take(NAME_PART)
            .collect()
    };
    let (whose, what) = match &spec.purpose {
        Some(purpose) => {
            let action = purpose.action.rsplit('/').next().unwrap_or_default();
            (clean(&purpose.namespace), clean(action))
        }
        None => ("stem".to_owned(), clean(&spec.kind)),
    };
    format!("owl_{}_{counter}_{whose}_{what}", clean(daemon))
}

/// The container for a sandbox of a daemon, whose process began then, with OpenWhisk's restrictions
/// and more.
pub(super) fn container(
    daemon: &str,
    process: u64,
    network: &str,
    image: &str,
    spec: &SandboxSpec,
) -> CreateContainer {
    let memory = u64::from(spec.memory) << 20;
    CreateContainer {
        image: image.to_owned(),
        env: spec.env.iter().map(|(k, v)| format!("{k}={v}")).collect(),
        labels: labels::of(daemon, process, spec),
        host_config: HostConfig {
            network_mode: network.to_owned(),
            memory,
            // Memory and swap together: there is no swap.
            memory_swap: memory,
            cpu_shares: spec.cpu_shares,
            pids_limit: 1024,
            ulimits: vec![Ulimit {
                name: "nofile",
                soft: 1024,
                hard: 1024,
            }],
            // OpenWhisk drops NET_RAW and NET_ADMIN. Runtimes need none at all: they stay the
            // user that they start as.
            cap_drop: vec!["ALL"],
            cap_add: if spec.blackbox {
                USER_IMAGE_CAPABILITIES.to_vec()
            } else {
                Vec::new()
            },
            security_opt: vec!["no-new-privileges"],
            // Logs come over the attached stream: nothing is written to flash.
            log_config: LogConfig { r#type: "none" },
        },
    }
}

impl ImageNeed {
    /// The image of a sandbox, if that has one.
    pub(super) fn of(spec: &SandboxSpec) -> Option<Self> {
        Some(ImageNeed {
            name: spec.image.clone()?,
            blackbox: spec.blackbox,
            pull: spec.pull,
        })
    }

    /// Whether it is pulled even if the engine has it: a user's `latest` may have changed.
    pub(super) fn pulls_first(&self) -> bool {
        self.pull && self.blackbox && name_and_tag(&self.name).1 == "latest"
    }
}

/// A pull that failed.
pub(super) fn pull_failed(need: &ImageNeed, error: &DockerError) -> StartError {
    if error.is_unavailable() {
        StartError::Unavailable(error.to_string())
    } else {
        image_missing(need, error.to_string())
    }
}

/// The engine has no such image, and there will be none.
pub(super) fn image_missing(need: &ImageNeed, reason: String) -> StartError {
    if need.blackbox {
        StartError::Pull {
            image: need.name.clone(),
            reason,
        }
    } else {
        StartError::Missing(reason)
    }
}

/// Anything but a missing image, while a container was made or started.
pub(super) fn start_failed(image: &str, error: &DockerError) -> StartError {
    match error {
        DockerError::TimedOut { .. } => StartError::Unavailable(error.to_string()),
        error if error.is_unavailable() => StartError::Unavailable(error.to_string()),
        DockerError::Refused { message, .. } if lacks_command(message) => {
            StartError::NotExecutable {
                image: image.to_owned(),
            }
        }
        error => StartError::Failed(error.to_string()),
    }
}

/// Whether `docker run` would end with 127: the command is not in the image, or there is none.
fn lacks_command(message: &str) -> bool {
    [
        "executable file not found",
        "no such file or directory",
        "No command specified",
        "no command specified",
        // Podman's.
        "no command or entrypoint provided",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// Whether a pull failed because no registry could be reached, rather than because one said no.
/// An image that is there is then good enough: a gateway goes on working without the cloud.
pub(super) fn is_registry_away(error: &DockerError) -> bool {
    let DockerError::Refused { message, .. } = error else {
        return matches!(error, DockerError::TimedOut { .. });
    };
    [
        "dial tcp",
        "no such host",
        "i/o timeout",
        "connection refused",
        "connection reset",
        "network is unreachable",
        "no route to host",
        "handshake timeout",
        "Client.Timeout",
        "request canceled",
        "context deadline exceeded",
        "server misbehaving",
        "Temporary failure in name resolution",
    ]
    .iter()
    .any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Purpose;

    fn spec(blackbox: bool) -> SandboxSpec {
        SandboxSpec {
            kind: "nodejs:20".into(),
            image: Some("me/image".into()),
            blackbox,
            pull: true,
            purpose: Some(Purpose {
                namespace: "gu-est".into(),
                action: "guest/pkg/he llo@1".into(),
                version: "0.0.3".into(),
                revision: 4,
            }),
            memory: 256,
            cpu_shares: 128,
            env: vec![("__OW_API_HOST".into(), "http://172.17.0.1:3000".into())],
        }
    }

    fn refused(message: &str) -> DockerError {
        DockerError::Refused {
            what: "do it".into(),
            status: 500,
            message: message.into(),
        }
    }

    #[test]
    fn names_have_only_letters_digits_and_underscores() {
        assert_eq!(
            container_name("a-1", 7, &spec(false)),
            "owl_a1_7_guest_hello1"
        );
        let mut long = spec(false);
        let purpose = long.purpose.as_mut().expect("it has one");
        purpose.action = format!("guest/{}", "\u{e9}x".repeat(200));
        assert_eq!(
            container_name("a", 1, &long),
            format!("owl_a_1_guest_{}", "x".repeat(40))
        );
        long.purpose = None;
        assert_eq!(container_name("a", 2, &long), "owl_a_2_stem_nodejs20");
    }

    #[test]
    fn restrictions_are_those_of_openwhisk_and_more() {
        let json = |blackbox| {
            let container = container("d", 7, "bridge", "i", &spec(blackbox));
            serde_json::to_value(container).expect("is JSON")
        };
        let managed = json(false);
        let host = &managed["HostConfig"];
        assert_eq!(host["Memory"], 256 << 20);
        assert_eq!(host["MemorySwap"], host["Memory"]);
        assert_eq!(host["CpuShares"], 128);
        assert_eq!(host["PidsLimit"], 1024);
        assert_eq!(
            host["Ulimits"][0],
            serde_json::json!({"Name":"nofile","Soft":1024,"Hard":1024})
        );
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
        assert_eq!(host["CapAdd"], serde_json::json!([]));
        assert_eq!(
            host["SecurityOpt"],
            serde_json::json!(["no-new-privileges"])
        );
        assert_eq!(host["LogConfig"], serde_json::json!({"Type":"none"}));
        assert_eq!(managed["Env"][0], "__OW_API_HOST=http://172.17.0.1:3000");
        assert_eq!(managed["Labels"]["owl.action"], "guest/pkg/he llo@1");

        let added = json(true)["HostConfig"]["CapAdd"].to_string();
        assert!(added.contains("SETUID"));
        assert!(!added.contains("NET_RAW") && !added.contains("NET_ADMIN"));
    }

    #[test]
    fn only_a_users_latest_is_pulled_first() {
        let pulls_first = |blackbox, pull, name: &str| {
            let name = name.to_owned();
            let need = ImageNeed {
                name,
                blackbox,
                pull,
            };
            need.pulls_first()
        };
        assert!(pulls_first(true, true, "me/image"));
        assert!(pulls_first(true, true, "me/image:latest"));
        assert!(!pulls_first(true, true, "me/image:1.0"));
        assert!(!pulls_first(false, true, "me/image"));
        assert!(!pulls_first(true, false, "me/image"));
    }

    #[test]
    fn what_failures_mean() {
        let away = DockerError::Broken {
            what: "pull".into(),
            reason: "x".into(),
        };
        let denied = refused("pull access denied for me/image");
        let need = |blackbox| ImageNeed::of(&spec(blackbox)).expect("has an image");
        assert!(matches!(
            pull_failed(&need(true), &denied),
            StartError::Pull { .. }
        ));
        assert!(matches!(
            pull_failed(&need(false), &denied),
            StartError::Missing(_)
        ));
        assert!(matches!(
            pull_failed(&need(true), &away),
            StartError::Unavailable(_)
        ));
        for message in [
            "OCI runtime create failed: exec: \"x\": executable file not found in $PATH: unknown",
            "exec: \"/x\": stat /x: no such file or directory: unknown",
            "No command specified",
            "container create: no command or entrypoint provided, and no CMD or ENTRYPOINT from image",
        ] {
            let error = start_failed("me/image", &refused(message));
            let text = error.to_string();
            assert_eq!(
                text, "executable file not found in image me/image",
                "{message}"
            );
        }
        let full = start_failed("i", &refused("no space left on device"));
        assert!(matches!(full, StartError::Failed(_)));
        assert!(matches!(
            start_failed("i", &away),
            StartError::Unavailable(_)
        ));
    }

    #[test]
    fn registries_that_are_away_and_those_that_say_no() {
        let lookup = "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host";
        assert!(is_registry_away(&refused(lookup)));
        assert!(!is_registry_away(&refused(
            "manifest for me/image:latest not found"
        )));
        assert!(!is_registry_away(&refused(
            "pull access denied, repository does not exist"
        )));
    }
}
