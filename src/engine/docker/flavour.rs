//! Docker and Podman: one API, but for what is gathered here.
//!
//! Differences that need no asking, since both ways are taken from either: Podman's event for the
//! end of a container is `died`; the head of a stream comes with its first item; a request that
//! does not fit a container's state is answered with 500 where Docker has 409; images have a host
//! in their names.

use std::fmt;

use miniserde::Deserialize;

use crate::http::percent::encode;

/// Exit code of a process that was killed (128 + SIGKILL).
const KILLED: i64 = 137;

/// Whose API it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// Docker's own, or one that is taken for it.
    #[default]
    Docker,
    /// Podman's compatible one (`podman system service`).
    Podman,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flavour::Docker => "Docker",
            Flavour::Podman => "Podman",
        })
    }
}

/// A part of an engine, in `GET /version`.
#[derive(Deserialize)]
pub(super) struct Component {
    #[serde(rename = "Name")]
    pub(super) name: Option<String>,
}

impl Flavour {
    /// Tells by the parts that an engine says it has.
    pub(super) fn of(components: Option<&[Component]>) -> Flavour {
        let mut names = components.iter().copied().flatten();
        match names.any(|part| part.name.as_deref() == Some("Podman Engine")) {
            true => Flavour::Podman,
            false => Flavour::Docker,
        }
    }

    /// The name under which containers say that they are in the network of this name. Podman takes
    /// Docker's name of the default network for its own, but does not give it back.
    pub(super) fn network_name(self, name: &str) -> &str {
        match self {
            Flavour::Podman if name == "bridge" => "podman",
            _ => name,
        }
    }

    /// The query of an import that names the image. Podman takes no notice of `tag`.
    pub(super) fn import_query(self, repository: &str, tag: &str) -> String {
        match self {
            Flavour::Docker => format!("repo={}&tag={}", encode(repository), encode(tag)),
            Flavour::Podman => format!("repo={}", encode(&format!("{repository}:{tag}"))),
        }
    }

    /// Whether a container that ended with this code, and was sent no signal through the engine,
    /// was killed for its memory. Docker says so itself; Podman does not see it with version 1 of
    /// the cgroups.
    pub(super) fn is_memory_kill(self, code: Option<i64>) -> bool {
        self == Flavour::Podman && code == Some(KILLED)
    }

    /// What this engine cannot do of what OWL would use: what it is, and what to do about it.
    pub fn shortcomings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Flavour::Docker => &[],
            Flavour::Podman => &[(
                "Podman has no swarm mode: containers run on this machine only",
                "use a Docker Engine where actions are to be spread over several machines",
            )],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Flavour {
        let component = |name: &&str| Component {
            name: Some((*name).to_owned()),
        };
        let components: Vec<_> = names.iter().map(component).collect();
        Flavour::of(Some(&components))
    }

    #[test]
    fn engines_are_told_apart() {
        let podman = ["Podman Engine", "Conmon", "OCI Runtime (crun)"];
        assert_eq!(of(&podman), Flavour::Podman);
        assert_eq!(of(&["Engine", "containerd", "runc"]), Flavour::Docker);
        assert_eq!(Flavour::of(None), Flavour::Docker);
    }

    #[test]
    fn who_was_killed_for_memory() {
        assert!(Flavour::Podman.is_memory_kill(Some(137)));
        assert!(!Flavour::Podman.is_memory_kill(Some(1)));
        assert!(!Flavour::Podman.is_memory_kill(None));
        assert!(!Flavour::Docker.is_memory_kill(Some(137)));
    }

    #[test]
    fn what_they_are_asked() {
        assert_eq!(Flavour::Docker.network_name("bridge"), "bridge");
        assert_eq!(Flavour::Podman.network_name("bridge"), "podman");
        assert_eq!(Flavour::Podman.network_name("mine"), "mine");
        let query = |flavour: Flavour| flavour.import_query("r:1/a", "t");
        assert_eq!(query(Flavour::Docker), "repo=r%3A1%2Fa&tag=t");
        assert_eq!(query(Flavour::Podman), "repo=r%3A1%2Fa%3At");
    }
}
