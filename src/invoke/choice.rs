//! Which engine runs an action, and in what kind of sandbox.

use std::sync::Arc;

use super::{Call, Inner};
use crate::catalog::EngineKind;
use crate::engine::process::interpreter;
use crate::engine::{Engine, Purpose, Sandbox, SandboxSpec};
use crate::entity::{Action, Exec};
use crate::pool::{Class, Needs};
use crate::runtime::kind::Language;

/// What an action runs in.
pub(super) enum Home {
    /// A process of this machine.
    Process(Language),
    /// A container.
    Image {
        /// Its image.
        name: String,
        /// Whether that is a user's, rather than one of the runtimes manifest.
        blackbox: bool,
    },
}

impl Home {
    /// The image that it needs.
    pub(super) fn image(&self) -> Option<&str> {
        match self {
            Home::Process(_) => None,
            Home::Image { name, .. } => Some(name),
        }
    }
}

impl Inner {
    /// What an action runs in, if that is to be had on this gateway.
    pub(super) fn home(&self, exec: &Exec) -> Result<Home, String> {
        let kind = exec.kind();
        let home = match exec {
            Exec::Blackbox { image, .. } => Home::Image {
                name: image.clone(),
                blackbox: !self.manifest.get().is_native_blackbox(image),
            },
            Exec::Sequence { .. } | Exec::Builtin => {
                return Err(format!("Actions of kind '{kind}' do not run in a sandbox."));
            }
            Exec::Code { kind, .. } => return self.home_of(kind),
        };
        self.reachable(kind, home)
    }

    /// What the actions of a kind of the manifest run in, if that is to be had.
    pub(super) fn home_of(&self, kind: &str) -> Result<Home, String> {
        let manifest = self.manifest.get();
        let runtime = manifest.kind(kind).ok_or_else(|| {
            format!("The kind '{kind}' is not in this gateway's runtimes manifest.")
        })?;
        let home = match (runtime.engine, &runtime.image) {
            (EngineKind::Docker, Some(image)) => Home::Image {
                name: image.clone(),
                blackbox: false,
            },
            (EngineKind::Process, _) | (EngineKind::Docker, None) => {
                Home::Process(interpreter::language(kind).map_err(|_| {
                    format!(
                        "The kind '{kind}' needs an image in this gateway's runtimes \
                         manifest: only quickjs, nodejs and python kinds run as processes."
                    )
                })?)
            }
        };
        self.reachable(kind, home)
    }

    fn reachable(&self, kind: &str, home: Home) -> Result<Home, String> {
        if home.image().is_some() && !self.engines.has_docker() {
            return Err(format!(
                "The kind '{kind}' needs a Docker Engine, and none answers on this gateway."
            ));
        }
        Ok(home)
    }

    /// Which engine runs a call's action, and in what. The memory is that of what was accepted, as
    /// the pool counts it, also if the action was changed since.
    pub(super) fn choose(
        &self,
        call: &Call,
        action: &Action,
    ) -> Result<(Arc<dyn Engine>, SandboxSpec), String> {
        let home = self.home(&action.exec)?;
        let memory = call.action.limits.memory;
        let purpose = Self::purpose(call, action);
        self.sandbox(action.exec.kind(), &home, memory, Some(purpose))
    }

    /// What a sandbox is for that runs a call's action.
    pub(super) fn purpose(call: &Call, action: &Action) -> Purpose {
        Purpose {
            namespace: call.identity.namespace.clone(),
            action: action.path(),
            version: action.version.clone(),
            revision: action.revision,
        }
    }

    /// A stem cell has been initialised for a call: that is noted for a later process.
    pub(super) fn note_stem(&self, call: &Call, action: &Action, sandbox: &dyn Sandbox) {
        let purpose = Self::purpose(call, action);
        self.stem_notes.note(&self.store, sandbox, &purpose);
    }

    /// Which engine runs actions of a kind, and what a sandbox for them has to be.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn sandbox(
        &self,
        kind: &str,
        home: &Home,
        memory: u32,
        purpose: Option<Purpose>,
    ) -> Result<(Arc<dyn Engine>, SandboxSpec), String> {
        let blackbox = matches!(home, Home::Image { blackbox: true, .. });
        let mut spec = SandboxSpec {
            kind: kind.to_string(),
            // Nobody waits for a stem cell: it is not worth a download.
            pull: purpose.is_some() && self.may_pull(blackbox),
            blackbox,
            purpose,
            memory,
            cpu_shares: (1024 / (self.live().pool_memory / memory.max(1)).max(1)).max(2),
            env: Vec::new(),
            image: home.image().map(ToOwned::to_owned),
        };
        if let Home::Process(language) = home {
            if language.interpreter().is_some() {
                let host = self.engines.host_api().to_string();
                spec.env.push(("__OW_API_HOST".to_string(), host));
            }
            return Ok((self.engines.process_engine(), spec));
        }
        let Some((engine, api_host)) = self.engines.docker_engine() else {
            return Err(format!(
                "The kind '{kind}' needs a Docker Engine, and none answers on this gateway."
            ));
        };
        spec.env.push(("__OW_API_HOST".to_string(), api_host));
        if self.settings.actions.concurrency.max > 1 && self.is_concurrent(kind, home) {
            // Apache's proxy refuses a run beside another without this.
            let allow = ("__OW_ALLOW_CONCURRENT".to_string(), "true".to_string());
            spec.env.push(allow);
        }
        Ok((engine, spec))
    }

    /// What the pool has to know of a call's action, if no sandbox is warm. What cannot run here at
    /// all is found out when it is tried.
    pub(super) fn needs(&self, call: &Call) -> Needs {
        let exec = &call.action.exec;
        let (kind, memory) = (exec.kind(), call.action.limits.memory);
        let class = match self.home(exec) {
            Ok(home) => self.class(kind, &home, memory),
            Err(_) => Class {
                engine: "",
                kind: kind.to_string(),
                image: None,
                memory,
            },
        };
        Needs::new(class).with_concurrency(self.concurrency(&call.action))
    }

    /// Runs of an action that a sandbox may have at the same time: its limit, where the proxy takes
    /// more than one (reference section 8.4).
    pub(super) fn concurrency(&self, action: &Action) -> u32 {
        let most = self.settings.actions.concurrency.max;
        let wanted = action.limits.concurrency.min(most);
        if wanted <= 1 {
            return 1;
        }
        match self.home(&action.exec) {
            Ok(home) if self.is_concurrent(action.exec.kind(), &home) => wanted,
            _ => 1,
        }
    }

    /// Whether the proxy of a kind takes a run while others are under way. Of a user's image its
    /// user knows that, and says so by the action's limit.
    fn is_concurrent(&self, kind: &str, home: &Home) -> bool {
        match home {
            Home::Process(_) => false,
            Home::Image { blackbox: true, .. } => true,
            Home::Image { .. } => self
                .manifest
                .get()
                .kind(kind)
                .is_some_and(|kind| kind.concurrent),
        }
    }

    /// What sandboxes of a kind have in common.
    pub(super) fn class(&self, kind: &str, home: &Home, memory: u32) -> Class {
        let engine = match home {
            Home::Process(_) => Some(self.engines.process_engine()),
            Home::Image { .. } => self.engines.docker_engine().map(|(engine, _)| engine),
        };
        Class {
            engine: engine.map_or("", |engine| engine.name()),
            kind: kind.to_string(),
            image: home.image().map(Into::into),
            memory,
        }
    }

    /// Whether an action's proxy prints sentinels (reference section 7.7).
    pub(super) fn has_sentinels(&self, exec: &Exec) -> bool {
        match exec {
            Exec::Blackbox { image, .. } => self.manifest.get().is_native_blackbox(image),
            Exec::Sequence { .. } | Exec::Builtin => false,
            Exec::Code { kind, .. } => self
                .manifest
                .get()
                .kind(kind)
                .is_none_or(|runtime| runtime.sentinelled),
        }
    }
}
