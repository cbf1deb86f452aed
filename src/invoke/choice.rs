//! Which engine runs an action, and in what kind of sandbox.

use std::sync::Arc;

use super::{Call, Inner};
use crate::catalog::EngineKind;
use crate::engine::process::interpreter;
use crate::engine::{Engine, SandboxSpec};
use crate::entity::{Action, Exec};

impl Inner {
    /// Which engine runs a call's action, and in what.
    pub(super) fn choose(
        &self,
        call: &Call,
        action: &Action,
    ) -> Result<(Arc<dyn Engine>, SandboxSpec), String> {
        let kind = action.exec.kind();
        let (image, blackbox) = match &action.exec {
            Exec::Blackbox { image, .. } => (
                Some(image.clone()),
                !self.manifest.is_native_blackbox(image),
            ),
            Exec::Sequence { .. } | Exec::Builtin => {
                return Err(format!("Actions of kind '{kind}' do not run in a sandbox."));
            }
            Exec::Code { kind, .. } => {
                let runtime = self.manifest.kind(kind).ok_or_else(|| {
                    format!("The kind '{kind}' is not in this gateway's runtimes manifest.")
                })?;
                match runtime.engine {
                    EngineKind::Process => (None, false),
                    EngineKind::Docker => (runtime.image.clone(), false),
                }
            }
        };
        let memory = action.limits.memory;
        let mut spec = SandboxSpec {
            kind: kind.to_string(),
            pull: if blackbox {
                self.settings.auto_pull
            } else {
                true
            },
            blackbox,
            namespace: call.identity.namespace.clone(),
            action: action.path(),
            version: action.version.clone(),
            memory,
            cpu_shares: (1024 / (self.settings.pool_memory / memory.max(1)).max(1)).max(2),
            env: Vec::new(),
            image,
        };
        if spec.image.is_none() {
            let language = interpreter::language(kind).map_err(|_| {
                format!(
                    "The kind '{kind}' needs an image in this gateway's runtimes manifest: only \
                     quickjs, nodejs and python kinds run as processes."
                )
            })?;
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
