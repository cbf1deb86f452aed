//! Sandboxes that are children of the daemon: `owl runtime` for `quickjs:1`, locked in by itself.
//!
//! No image and no engine are needed, and a cold start takes milliseconds. What the child takes
//! from itself is in [`crate::runtime::sandbox`]; what of that this machine does not give is told
//! by [`probe`], and logged once when the first sandbox starts.

mod child;
mod probe;
mod sandbox;
mod socket;
mod spawner;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::blocking::unblock;
use crate::engine::{Engine, Sandbox, SandboxSpec, StartError};
use crate::runtime::kind::Language;
use crate::runtime::listen::Listen;
use crate::{BoxFuture, Executor};

pub use crate::runtime::sandbox::Feature;
pub use probe::probe;
use sandbox::ProcessSandbox;
use spawner::Spawner;

/// How the engine starts its children.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// The `owl` binary. `/proc/self/exe` stays right when the file is replaced by an upgrade.
    pub executable: PathBuf,
    /// Where a private directory can be made for a moment, at each start.
    pub directory: PathBuf,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        ProcessOptions {
            executable: "/proc/self/exe".into(),
            directory: std::env::temp_dir(),
        }
    }
}

/// Starts sandboxes as children of the daemon.
pub struct ProcessEngine {
    executor: Executor,
    executable: PathBuf,
    directory: PathBuf,
    /// Dropping it ends every sandbox that is left.
    spawner: Spawner,
    probed: AtomicBool,
}

impl ProcessEngine {
    /// An engine without sandboxes. Fails if no thread can be started.
    pub fn new(executor: Executor, options: ProcessOptions) -> Result<Arc<Self>, StartError> {
        let spawner = Spawner::new().map_err(|error| {
            StartError::Unavailable(format!("cannot start a thread for children: {error}"))
        })?;
        Ok(Arc::new(ProcessEngine {
            executor,
            executable: options.executable,
            directory: options.directory,
            spawner,
            probed: AtomicBool::new(false),
        }))
    }

    async fn start_sandbox(&self, spec: &SandboxSpec) -> Result<ProcessSandbox, StartError> {
        // Interpreters of the host would run without most of what confines QuickJS: that takes a
        // word of the operator in the manifest, and an entry that this engine does not know yet.
        if Language::of_kind(&spec.kind) != Ok(Language::QuickJs) {
            return Err(StartError::Failed(format!(
                "the process engine runs quickjs kinds only, not {}: give it an image",
                spec.kind
            )));
        }
        self.log_what_is_missing();
        let failed = |error: std::io::Error| StartError::Failed(error.to_string());
        let (listener, address) = socket::make(&self.directory).map_err(|error| {
            let directory = self.directory.display();
            StartError::Failed(format!("cannot make a socket in {directory}: {error}"))
        })?;
        let mut command = Command::new(&self.executable);
        command
            .args(["runtime", "--kind", "quickjs", "--sandbox", "outer"])
            .args(["--listen", &Listen::Inherited.to_string()])
            .args(["--memory", &spec.memory.to_string()])
            .env_clear()
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let process = self.spawner.spawn(command).await.map_err(|error| {
            let executable = self.executable.display();
            StartError::Failed(format!("{executable} does not start: {error}"))
        })?;
        ProcessSandbox::new(&self.executor, process, address).map_err(failed)
    }

    /// Finds out what of the sandbox this machine gives, next to the first start.
    fn log_what_is_missing(&self) {
        if self.probed.swap(true, Ordering::Relaxed) {
            return;
        }
        let executable = self.executable.clone();
        let log = async move {
            let features = unblock(move || probe(&executable)).await;
            for feature in features
                .iter()
                .flatten()
                .filter(|feature| feature.result.is_err())
            {
                log::warn!("sandbox of quickjs actions: {feature}");
            }
        };
        self.executor.spawn(log).detach();
    }
}

impl Engine for ProcessEngine {
    fn name(&self) -> &'static str {
        "process"
    }

    fn start<'a>(
        &'a self,
        spec: &'a SandboxSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        Box::pin(async move {
            let sandbox = self.start_sandbox(spec).await?;
            Ok(Box::new(sandbox) as Box<dyn Sandbox>)
        })
    }
}
