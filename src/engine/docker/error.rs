//! Why something asked of the Docker Engine did not work.

use std::fmt;
use std::io;

/// Each names what was tried, on what, and where it helps what to do.
#[derive(Debug)]
pub enum DockerError {
    /// No address was given and no socket was found at the usual places.
    NoEngine {
        /// The places.
        tried: Vec<String>,
    },
    /// The address cannot be used.
    Host {
        /// As given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing answers at the address.
    Connect {
        /// The address.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The engine speaks none of our API versions.
    Version {
        /// What it speaks, as `from to`.
        engine: String,
    },
    /// The engine refused.
    Refused {
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// What the engine said.
        message: String,
    },
    /// The connection broke, or the answer was not HTTP.
    Broken {
        /// What was asked.
        what: String,
        /// How it broke.
        reason: String,
    },
    /// The engine took too long.
    TimedOut {
        /// What was asked.
        what: String,
        /// The limit.
        seconds: u64,
    },
    /// The answer is not what the Engine API promises.
    Unreadable {
        /// What was asked.
        what: String,
        /// The start of the answer.
        start: String,
    },
    /// An image cannot be packed from this binary.
    Pack {
        /// What was being packed.
        what: String,
        /// Why it could not be.
        reason: String,
    },
}

impl DockerError {
    /// Whether the engine cannot be spoken to at all, rather than refusing one thing.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::NoEngine { .. } | Self::Connect { .. } | Self::Broken { .. }
        )
    }

    /// Whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether a container is not created because there is one of that name. Podman says so in words
    /// alone.
    pub fn is_name_taken(&self) -> bool {
        match self {
            Self::Refused {
                status: 500,
                message,
                ..
            } => message.contains("name") && message.contains("already in use"),
            error => error.is_conflict(),
        }
    }

    /// Whether what was asked for is in the way of something else, or being done already.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }
}

impl fmt::Display for DockerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEngine { tried } => write!(
                f,
                "no Docker Engine found at {}: start one, or set DOCKER_HOST",
                tried.join(", ")
            ),
            Self::Host { value, reason } => write!(
                f,
                "cannot use {value} as DOCKER_HOST: {reason} (unix:///path and tcp://host:port are possible)"
            ),
            Self::Connect { host, source } => {
                write!(f, "cannot connect to the Docker Engine at {host}: {source}")?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied => {
                        f.write_str(" (join the group of the socket, usually docker)")
                    }
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                        f.write_str(" (is it running?)")
                    }
                    _ => Ok(()),
                }
            }
            Self::Version { engine } => write!(
                f,
                "the Docker Engine speaks API versions {engine}, owl {} to {}: use Docker 20.10 or later",
                super::version::OLDEST,
                super::version::NEWEST
            ),
            Self::Refused {
                what,
                status,
                message,
            } => write!(f, "cannot {what}: {message} (status {status})"),
            Self::Broken { what, reason } => {
                write!(
                    f,
                    "cannot {what}: the connection to the engine broke: {reason}"
                )
            }
            Self::TimedOut { what, seconds } => {
                write!(
                    f,
                    "cannot {what}: no answer of the engine within {seconds} s"
                )
            }
            Self::Unreadable { what, start } => {
                write!(f, "cannot {what}: unexpected answer of the engine: {start}")
            }
            Self::Pack { what, reason } => write!(f, "cannot pack {what}: {reason}"),
        }
    }
}

impl std::error::Error for DockerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } => Some(source),
            _ => None,
        }
    }
}
