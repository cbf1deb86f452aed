//! Why an engine or a sandbox did not do what it was asked for.

use std::fmt;

use super::Mismatch;

/// Why a sandbox could not be started. Section 7.8 of the reference maps these to records.
#[derive(Debug)]
pub enum StartError {
    /// A user's image could not be pulled.
    Pull {
        /// The image as the action names it.
        image: String,
        /// What the engine said.
        reason: String,
    },
    /// The image is made for machines of another architecture, and that is not emulated.
    Foreign {
        /// The image.
        image: String,
        /// What it is made for.
        mismatch: Mismatch,
    },
    /// The image's command does not exist in it (exit code 127).
    NotExecutable {
        /// The image as the action names it.
        image: String,
    },
    /// An image of the runtimes manifest is not there, and cannot be pulled: what the engine said.
    Missing(String),
    /// The engine does not answer.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull { image, reason } => write!(f, "cannot pull image {image}: {reason}"),
            Self::Foreign { image, mismatch } => f.write_str(&mismatch.text(image)),
            Self::NotExecutable { image } => {
                write!(f, "executable file not found in image {image}")
            }
            Self::Missing(reason) => write!(f, "there is no image: {reason}"),
            Self::Unavailable(reason) => write!(f, "the engine does not answer: {reason}"),
            Self::Failed(reason) => write!(f, "cannot start a sandbox: {reason}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Why a sandbox could not be frozen or thawed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FreezeError {
    /// It cannot be, or need not be, now and later: for this reason.
    Unsupported(&'static str),
    /// It was tried on this sandbox, and did not work. One that could not be frozen runs on; one
    /// that could not be thawed is of no use any more.
    Failed {
        /// Container id or process id.
        sandbox: String,
        /// What the system or the engine said.
        reason: String,
    },
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(reason) => write!(f, "sandboxes are not frozen: {reason}"),
            Self::Failed { sandbox, reason } => {
                write!(f, "cannot freeze or thaw sandbox {sandbox}: {reason}")
            }
        }
    }
}

impl std::error::Error for FreezeError {}
