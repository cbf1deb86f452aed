//! Starts sandboxes ahead of calls that are expected.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::execute::begin_logs;
use super::run::Runner;
use super::{Arguments, Call, Inner, Invoker, arguments};
use crate::clock::now;
use crate::engine::proxy::Proxy;
use crate::entity::{ActivationId, names};
use crate::pool::Warm;

/// What stands for the transaction id of a request, where there is none.
const TRANSACTION: &str = "ahead";

impl Invoker {
    /// Starts what the pool expects to be called, for ever.
    pub async fn prepare_expected(self) {
        let expected = self.inner.pool.expected();
        while let Ok(whose) = expected.recv().await {
            let inner = self.inner.clone();
            let prepare = async move {
                if let Err(reason) = inner.prepare(&whose).await {
                    let action = whose.split('\0').next().unwrap_or_default();
                    log::info!("no sandbox of {action} was started ahead of its call: {reason}");
                }
            };
            self.inner.executor.spawn(prepare).detach();
        }
    }
}

impl Inner {
    /// Starts and initialises a sandbox of an action for a namespace. Nothing is tried twice: the
    /// call itself will, and then somebody is told what is wrong.
    async fn prepare(&self, whose: &str) -> Result<(), String> {
        let Some(call) = self.expected_call(whose)? else {
            return Ok(());
        };
        let reserved = self.pool.reserve(&Self::key(&call), &self.needs(&call));
        let Some((lease, stem)) = reserved else {
            return Err("there is no room for it".into());
        };
        let found = self.with_code(&call.action).ok();
        let found = found.filter(|(action, _)| action.exec.kind() == call.action.exec.kind());
        let Some((action, code)) = found else {
            lease.discard(stem);
            return Err("its code cannot be read".into());
        };
        let was_stem = stem.is_some();
        let mut warm = match stem {
            Some(stem) => stem,
            None => {
                let (engine, spec) = self.choose(&call, &action)?;
                let sandbox = engine.start_in(&spec, lease.hold()).await;
                let sandbox = Arc::from(sandbox.map_err(|error| error.to_string())?);
                let proxy = Proxy::new(self.executor.clone(), Arc::clone(&sandbox));
                Warm::new(sandbox, proxy)
            }
        };
        lease.started();
        let concurrency = self.concurrency(&call.action);
        let printed = begin_logs(&warm, u64::from(action.limits.logs) << 20, concurrency);
        let arguments = Arguments::merge(&call.action.parameters, None);
        let run = arguments::Run {
            action: &action,
            identity: &call.identity,
            id: ActivationId::random(),
            transaction_id: &call.transaction_id,
            arguments: &arguments.map_err(|error| error.to_string())?,
        };
        let timeout = Duration::from_millis(action.limits.timeout);
        let body = run.init_body(code.as_deref(), now() + action.limits.timeout);
        let boot = self.live().boot_timeout;
        match warm.proxy.init(Bytes::from(body), boot, timeout).await {
            Ok(()) => {
                lease.initialised(&warm);
                if was_stem {
                    self.note_stem(&call, &action, &*warm.sandbox);
                }
                warm.printed = Some(printed);
                lease.keep(warm);
                Ok(())
            }
            Err(_) => {
                lease.discard(Some(warm));
                Err("it cannot be initialised".into())
            }
        }
    }

    /// The call that is expected, as far as a sandbox has to know it; none: nothing is to be
    /// started for it.
    fn expected_call(&self, whose: &str) -> Result<Option<Call>, String> {
        let (path, namespace) = whose.split_once('\0').unwrap_or((whose, ""));
        let entry = self.store.key_entry(namespace);
        let Some(entry) = entry.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let (place, name) = names::place_and_name(path);
        let (owner, package) = names::namespace_and_package(place);
        let resolved = self.catalog.resolve(&entry.identity, owner, package, name);
        let Ok(resolved) = resolved else {
            return Ok(None);
        };
        // What goes to the environment is known when it is called, not before.
        let is_open = resolved
            .action
            .parameters
            .0
            .iter()
            .any(|parameter| parameter.init);
        if is_open || Runner::plain(&resolved.action) != Runner::Sandbox {
            return Ok(None);
        }
        let call = Call::new(entry.identity, resolved, None, TRANSACTION.into(), None);
        let barred = self.bar(&call, Instant::now()).is_some();
        Ok((!barred).then_some(call))
    }
}
