//! Where sandboxes come from: Docker containers, or locked-down children of the daemon.

pub mod docker;
pub mod logs;
pub mod process;
pub mod proxy;

use std::fmt;
use std::io;

use crate::BoxFuture;
use crate::http::client::Wire;
use logs::LogSink;

/// What a sandbox is to be.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// Concrete kind, such as `nodejs:20`, `quickjs:1` or `blackbox`.
    pub kind: String,
    /// Image to run; none for the process engine.
    pub image: Option<String>,
    /// Whether the image is a user's, rather than one of the runtimes manifest: section 7.8 of
    /// the reference tells what a failed pull means for each.
    pub blackbox: bool,
    /// Whether the image may be pulled: always for a user's `latest`, else when it is missing.
    pub pull: bool,
    /// Invoking namespace.
    pub namespace: String,
    /// `ns/[pkg/]name` of the action.
    pub action: String,
    /// Version of the action.
    pub version: String,
    /// Memory limit in MB.
    pub memory: u32,
    /// Value of `cpu-shares`: `max(2, 1024 / (pool memory div memory))`.
    pub cpu_shares: u32,
    /// Environment of the container, such as `__OW_API_HOST`.
    pub env: Vec<(String, String)>,
}

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

/// A source of sandboxes.
pub trait Engine: Send + Sync {
    /// `docker` or `process`, for logs and metrics.
    fn name(&self) -> &'static str;

    /// Starts a sandbox. It may still be booting when this returns: `/init` is retried.
    fn start<'a>(
        &'a self,
        spec: &'a SandboxSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>>;
}

/// One running sandbox: a proxy that answers `/init` and `/run`.
pub trait Sandbox: Send + Sync {
    /// Container id or process id, for logs.
    fn id(&self) -> &str;

    /// A fresh connection to the proxy. `ConnectionRefused` and the like mean: still booting.
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>>;

    /// What it printed.
    fn logs(&self) -> &LogSink;

    /// Whether it is known to have ended (exit, kill, engine gone).
    fn has_exited(&self) -> bool;

    /// Whether it was killed for memory; asks the engine, waiting up to 2 s for the flag
    /// (reference section 7.5). Called after a broken connection only.
    fn killed_for_memory(&self) -> BoxFuture<'_, bool>;

    /// Whether it is made for machines of another architecture, as far as that is known. Asked of
    /// one that has ended before it took anything only: emulation may run others.
    fn is_foreign(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Kills and removes it. Errors are logged, never returned: there is nothing left to do.
    fn remove(&self) -> BoxFuture<'_, ()>;
}
