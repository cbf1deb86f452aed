//! Which engine runs an action, and in what kind of sandbox.

use std::sync::Arc;

use super::{Call, Inner};
use crate::catalog::EngineKind;
use crate::engine::process::interpreter;
use crate::engine::{Engine, Purpose, SandboxSpec};
use crate::entity::{Action, Exec};
use crate::pool::{Class, Needs};
use crate::runtime::kind::Language;

/// What an action runs in.
pub(super) enum Home<'a> {
    /// A process of this machine.
    Process(Language),
    /// A container.
    Image {
        /// Its image.
        name: &'a str,
        /// Whether that is a user's, rather than one of the runtimes manifest.
        blackbox: bool,
    },
}

impl<'a> Home<'a> {
    /// The image that it needs.
    pub(super) const fn image(&self) -> Option<&'a str> {
        match self {
            Home::Process(_) => None,
            Home::Image { name, .. } => Some(name),
        }
    }
}

impl Inner {
    /// What an action runs in, if that is to be had on this gateway.
    pub(super) fn home<'a>(&'a self, exec: &'a Exec) -> Result<Home<'a>, String> {
        let kind = exec.kind();
        let home = match exec {
            Exec::Blackbox { image, .. } => Home::Image {
                name: image,
                blackbox: !self.manifest.is_native_blackbox(image),
            },
            Exec::Sequence { .. } | Exec::Builtin => {
                return Err(format!("Actions of kind '{kind}' do not run in a sandbox."));
            }
            Exec::Code { kind, .. } => {
                let runtime = self.manifest.kind(kind).ok_or_else(|| {
                    format!("The kind '{kind}' is not in this gateway's runtimes manifest.")
                })?;
                match (runtime.engine, &runtime.image) {
                    (EngineKind::Docker, Some(image)) => Home::Image {
                        name: image,
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
                }
            }
        };
        if home.image().is_some() && !self.engines.has_docker() {
            return Err(format!(
                "The kind '{kind}' needs a Docker Engine, and none answers on this gateway."
            ));
        }
        Ok(home)
    }

    /// Which engine runs a call's action, and in what.
    pub(super) fn choose(
        &self,
        call: &Call,
        action: &Action,
    ) -> Result<(Arc<dyn Engine>, SandboxSpec), String> {
        let kind = action.exec.kind();
        let home = self.home(&action.exec)?;
        let blackbox = matches!(home, Home::Image { blackbox: true, .. });
        let memory = action.limits.memory;
        let mut spec = SandboxSpec {
            kind: kind.to_string(),
            pull: self.may_pull(blackbox),
            blackbox,
            purpose: Some(Purpose {
                namespace: call.identity.namespace.clone(),
                action: action.path(),
                version: action.version.clone(),
                revision: action.revision,
            }),
            memory,
            cpu_shares: (1024 / (self.settings.pool_memory / memory.max(1)).max(1)).max(2),
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
        Ok((engine, spec))
    }

    /// What the pool has to know of a call's action, if no sandbox is warm. What cannot run here at
    /// all is found out when it is tried.
    pub(super) fn needs(&self, call: &Call) -> Needs {
        let exec = &call.action.exec;
        let home = self.home(exec);
        let engine = match &home {
            Ok(Home::Process(_)) => Some(self.engines.process_engine()),
            Ok(Home::Image { .. }) => self.engines.docker_engine().map(|(engine, _)| engine),
            Err(_) => None,
        };
        Needs::new(Class {
            engine: engine.map_or("", |engine| engine.name()),
            kind: exec.kind().to_string(),
            image: home.ok().and_then(|home| home.image().map(Into::into)),
            memory: call.action.limits.memory,
        })
    }

    /// Whether an action's proxy prints sentinels (reference section 7.7).
    pub(super) fn has_sentinels(&self, exec: &Exec) -> bool {
        match exec {
            Exec::Blackbox { image, .. } => self.manifest.is_native_blackbox(image),
            Exec::Sequence { .. } | Exec::Builtin => false,
            Exec::Code { kind, .. } => self
                .manifest
                .kind(kind)
                .is_none_or(|runtime| runtime.sentinelled),
        }
    }
}
