//! The first run in a sandbox: it is started, unless it is a stem cell, and initialised.

use std::sync::Arc;
use std::time::Instant;

use super::burst::Reason;
use super::ended::{Unable, start_failed, unfetched};
use super::execute::{Attempt, Run, Started, foreign};
use super::{Inner, arguments};
use crate::catalog::CatalogError;
use crate::clock::now;
use crate::engine::proxy::{Proxy, RunResult};
use crate::entity::{Action, Status};
use crate::pool::{Lease, Warm};

impl Inner {
    /// Runs an activation in a place of the pool, in a stem cell if there is one in it.
    pub(super) async fn initialise(
        &self,
        run: Run<'_>,
        lease: Lease,
        stem: Option<Warm>,
    ) -> Attempt {
        let call = run.call;
        let (action, code) = match self.with_code(&call.action) {
            Ok(found) => found,
            Err(attempt) => {
                lease.discard(stem);
                return attempt;
            }
        };
        let mut was_stem = false;
        let mut warm = match stem {
            Some(warm) if warm.sandbox.has_exited() => {
                lease.discard(Some(warm));
                return Attempt::Again;
            }
            Some(warm) if action.exec.kind() == call.action.exec.kind() => {
                was_stem = true;
                warm
            }
            other => {
                // A stem cell of the kind that the action had makes way for one of its new kind.
                if let Some(warm) = other {
                    warm.sandbox.remove().await;
                    drop(warm);
                    lease.emptied().await;
                }
                match self.start_for(run.call, &action, &lease).await {
                    Ok(warm) => warm,
                    Err(attempt) => return attempt,
                }
            }
        };
        lease.started();
        let logs = run.begin_logs(&mut warm);
        let wait = run.received.elapsed();
        let start = now();
        let clock = Instant::now();
        let body = arguments::Run {
            action: &action,
            ..run.body
        };
        let init = body.init_body(code.as_deref(), start + run.timeout.as_millis() as u64);
        let boot = self.live().boot_timeout;
        let init = warm.proxy.init(init.into(), boot, run.timeout).await;
        let timing = Started {
            start,
            clock,
            wait,
            init: Some(clock.elapsed()),
        };
        if let Err(failure) = init {
            if let Some(unable) = foreign(&*warm.sandbox).await {
                lease.discard(Some(warm));
                return Attempt::Unable(unable);
            }
            let result = RunResult {
                response: failure.response,
                timed_out: failure.timed_out,
                keep: false,
                retry: failure.retry,
                log_is_empty: false,
            };
            return self.ran(&run, result, timing, logs, lease, warm);
        }
        lease.initialised(&warm);
        if was_stem {
            self.note_stem(call, &action, &*warm.sandbox);
        }
        let body = body.run_body(now() + run.timeout.as_millis() as u64);
        let result = warm.proxy.run(body.into(), run.timeout, run.bounds).await;
        self.ran(&run, result, timing, logs, lease, warm)
    }

    /// Starts a sandbox for an action in a place of the pool.
    async fn start_for(
        &self,
        call: &super::Call,
        action: &Action,
        lease: &Lease,
    ) -> Result<Warm, Attempt> {
        let chosen = self.choose(call, action);
        let (engine, spec) =
            chosen.map_err(|message| Attempt::Unable(Unable::unprovided(Reason::Kind, message)))?;
        let started = engine.start_in(&spec, lease.hold()).await;
        let sandbox = started.map_err(|error| start_failed(&call.action.path(), error))?;
        let sandbox = Arc::from(sandbox);
        let proxy = Proxy::new(self.executor.clone(), Arc::clone(&sandbox));
        Ok(Warm::new(sandbox, proxy))
    }

    /// The action with its code, which only a cold start needs. One that was changed after it was
    /// accepted runs in its newest form (reference section 4.6).
    pub(super) fn with_code(
        &self,
        action: &Arc<Action>,
    ) -> Result<(Arc<Action>, Option<String>), Attempt> {
        let found = match self.catalog.code(action) {
            Ok(code) => Ok((action.clone(), code)),
            Err(CatalogError::Changed) => {
                let newest = self.catalog.action_with_code(&action.path());
                newest.map(|(action, code)| (Arc::new(action), code))
            }
            Err(error) => Err(error),
        };
        found.map_err(|error| match error {
            CatalogError::Missing => unfetched(
                Status::ApplicationError,
                "Action could not be found or may have been deleted.",
            ),
            CatalogError::Corrupt | CatalogError::OtherCollection => unfetched(
                Status::InternalError,
                "Action version is not compatible and cannot be invoked.",
            ),
            error => {
                log::error!("cannot read the code of {}: {error}", action.path());
                unfetched(Status::InternalError, "Action could not be fetched.")
            }
        })
    }
}
