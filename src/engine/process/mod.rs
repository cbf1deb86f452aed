//! Sandboxes that are children of the daemon: `owl runtime`, locked in by itself, for `quickjs:1`,
//! and for kinds that the runtimes manifest gives to the host's own node or python.
//!
//! No image and no engine are needed, and a cold start takes milliseconds. What the child takes
//! from itself is in [`crate::runtime::sandbox`]; what of that this machine does not give is told
//! by [`probe`], and logged once when the first sandbox of a profile starts.

mod child;
pub mod interpreter;
mod probe;
mod sandbox;
mod socket;
mod spawner;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use smol::lock::OnceCell;

use crate::blocking::unblock;
use crate::engine::{Engine, Hold, Listener, Sandbox, SandboxSpec, StartError};
use crate::runtime::kind::Language;
use crate::runtime::listen::Listen;
use crate::runtime::sandbox::{Profile, check_essential};
use crate::sync::Current;
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
    /// The kinds that run on this machine's own interpreters: none but those of the runtimes
    /// manifest that name this engine.
    pub interpreter_kinds: Vec<String>,
    /// What is told of the sandboxes as it happens.
    pub events: Listener,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        ProcessOptions {
            executable: "/proc/self/exe".into(),
            directory: std::env::temp_dir(),
            interpreter_kinds: Vec::new(),
            events: Listener::default(),
        }
    }
}

/// Starts sandboxes as children of the daemon.
pub struct ProcessEngine {
    executor: Executor,
    executable: PathBuf,
    directory: PathBuf,
    interpreter_kinds: Current<Arc<[String]>>,
    events: Listener,
    /// Dropping it ends every sandbox that is left.
    spawner: Spawner,
    quickjs: Probed,
    interpreters: Probed,
}

/// Set once a profile was tried out and may be used.
type Probed = Arc<OnceCell<()>>;

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
            interpreter_kinds: Current::new(options.interpreter_kinds.into()),
            events: options.events,
            spawner,
            quickjs: Probed::default(),
            interpreters: Probed::default(),
        }))
    }

    /// These kinds, and no others, run on interpreters of this machine from now on.
    pub fn set_interpreter_kinds(&self, kinds: Vec<String>) {
        self.interpreter_kinds.set(kinds.into());
    }

    async fn start_sandbox(
        &self,
        spec: &SandboxSpec,
        hold: Hold,
    ) -> Result<ProcessSandbox, StartError> {
        let language = interpreter::language(&spec.kind).map_err(StartError::Failed)?;
        if language.interpreter().is_some() && !self.interpreter_kinds.get().contains(&spec.kind) {
            return Err(StartError::Failed(format!(
                "{} does not run on this host's interpreters: the runtimes manifest does not say so",
                spec.kind
            )));
        }
        self.try_out(language).await.map_err(StartError::Failed)?;
        let failed = |error: std::io::Error| StartError::Failed(error.to_string());
        let (listener, address) = socket::make(&self.directory).map_err(|error| {
            let directory = self.directory.display();
            StartError::Failed(format!("cannot make a socket in {directory}: {error}"))
        })?;
        let mut command = Command::new(&self.executable);
        command
            .args(["runtime", "--kind", language.name()])
            .args(["--sandbox", "outer"])
            .args(["--listen", &Listen::Inherited.to_string()])
            .args(["--memory", &spec.memory.to_string()])
            .env_clear()
            .envs(interpreter::environment(language, spec.memory))
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let process = self.spawner.spawn(command, hold).await.map_err(|error| {
            let executable = self.executable.display();
            StartError::Failed(format!("{executable} does not start: {error}"))
        })?;
        ProcessSandbox::new(&self.executor, process, address, self.events.clone()).map_err(failed)
    }

    /// Finds out what of a profile this machine gives, next to its first start. Only an
    /// interpreter waits for the result, which may be that it must not be run.
    async fn try_out(&self, language: Language) -> Result<(), String> {
        let interpreted = language.interpreter().is_some();
        let probed = match interpreted {
            true => &self.interpreters,
            false => &self.quickjs,
        };
        if probed.is_initialized() {
            return Ok(());
        }
        let (probed, executable) = (probed.clone(), self.executable.clone());
        let result = self.executor.spawn(async move {
            let trial = || async move {
                let result = unblock(move || trial(&executable, language)).await;
                result.map_err(|error| format!("cannot try the sandbox out: {error}"))?
            };
            probed.get_or_try_init(trial).await.copied()
        });
        if interpreted {
            return result.await;
        }
        result.detach();
        Ok(())
    }
}

/// Tries a profile out, and logs what it lacks.
fn trial(executable: &Path, language: Language) -> Result<(), String> {
    let features = probe(executable, language);
    for feature in features.iter().filter(|feature| feature.result.is_err()) {
        log::warn!("sandbox of {} actions: {feature}", language.name());
    }
    let essential = Profile::of(language).map(|profile| check_essential(profile, &features));
    essential.unwrap_or(Ok(())).map_err(|reason| {
        format!(
            "{} is not run on this host without confinement ({reason}): run OWL as root or where \
             user namespaces are allowed, or give the kind an image",
            language.name()
        )
    })
}

impl Engine for ProcessEngine {
    fn name(&self) -> &'static str {
        "process"
    }

    fn start_in<'a>(
        &'a self,
        spec: &'a SandboxSpec,
        hold: Hold,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        Box::pin(async move {
            let sandbox = self.start_sandbox(spec, hold).await?;
            Ok(Box::new(sandbox) as Box<dyn Sandbox>)
        })
    }
}
