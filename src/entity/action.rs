//! Actions (reference section 2.2).

use std::sync::Arc;

use super::Parameters;

/// What an action runs (reference section 2.2.1).
#[derive(Clone, Debug)]
pub enum Exec {
    /// Code of a kind in the runtimes manifest.
    Code {
        /// Concrete kind.
        kind: String,
        /// Source text, or base64 when `binary`.
        code: Arc<str>,
        /// Whether `code` is base64.
        binary: bool,
        /// Entry point, if given.
        main: Option<String>,
    },
    /// A user's image.
    Blackbox {
        /// The image as given.
        image: String,
        /// Code for it, if any.
        code: Option<Arc<str>>,
        /// Whether `code` is base64.
        binary: bool,
        /// Entry point, if given.
        main: Option<String>,
    },
}

/// Limits of an action (reference section 2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionLimits {
    /// Milliseconds, separately for init and for each run.
    pub timeout: u64,
    /// MB of memory of the sandbox.
    pub memory: u32,
    /// MB of log kept per activation; 0 collects none.
    pub logs: u32,
    /// Concurrent activations in one sandbox.
    pub concurrency: u32,
    /// Cap of sandboxes, if set.
    pub instances: Option<u32>,
}

/// An action, with its own parameters already merged over those of its package and binding.
#[derive(Clone, Debug)]
pub struct Action {
    /// `ns` or `ns/package`.
    pub namespace: String,
    /// Bare name.
    pub name: String,
    /// What it runs.
    pub exec: Exec,
    /// Default parameters.
    pub parameters: Parameters,
    /// Limits.
    pub limits: ActionLimits,
    /// `major.minor.patch`.
    pub version: String,
    /// Public or not; of no effect on actions.
    pub publish: bool,
    /// Annotations.
    pub annotations: Parameters,
    /// Last change, in milliseconds since 1970.
    pub updated: u64,
}
