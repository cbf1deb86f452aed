//! One attempt to run an activation in the sandbox that it was given.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::burst::{Elsewhere, Reason};
use super::ended::{Unable, bad_arguments, start_failed, unfetched};
use super::record::{Executed, Reached, Timing};
use super::{Arguments, Call, Inner, InvokeError, arguments};
use crate::catalog::CatalogError;
use crate::clock::now;
use crate::engine::Sandbox;
use crate::engine::logs::Section;
use crate::engine::proxy::{Proxy, RunResult};
use crate::entity::{Action, Activation, ActivationId, Status};
use crate::pool::{Grant, Lease, Warm};

/// How often an activation is moved to another sandbox before it is given up.
pub(super) const MOST_ATTEMPTS: usize = 3;

/// What came of an attempt.
pub(super) enum Attempt {
    /// It ran, or failed for good. The sandbox, if there is one, still holds its logs.
    Finished(Box<Finished>),
    /// It cannot be run here.
    Unable(Unable),
    /// The sandbox was dead or going down before it took the activation: try another.
    Again,
}

/// An activation that has its result.
pub(super) struct Finished {
    /// What happened.
    pub(super) executed: Executed,
    /// What it has printed.
    pub(super) printed: Printed,
    /// The annotation that says where it has run, if a choice was made.
    pub(super) place: Option<(&'static str, Box<RawValue>)>,
    /// Why it was not run, for a caller who waits.
    pub(super) refusal: Option<Box<InvokeError>>,
}

/// What an activation has printed.
pub(super) enum Printed {
    /// Nothing: nothing was run.
    Nothing,
    /// These lines, in the form of records.
    Lines(Vec<String>),
    /// What the sandbox that it used has or will get.
    Sandbox(Used),
    /// What the tier has that has run it.
    Elsewhere(Elsewhere),
}

/// The sandbox that ran an activation.
pub(super) struct Used {
    lease: Lease,
    warm: Warm,
    /// What it printed; none for actions without logs.
    logs: Section,
    /// Whether it may run further activations.
    keep: bool,
    /// Whether the proxy prints sentinels that are worth waiting for.
    sentinels: bool,
}

/// Activations of one sandbox whose logs may still be on their way when the next one begins. A
/// sandbox whose sentinels stay away is found out within seconds; this bounds what piles up.
const MOST_OPEN_LOGS: usize = 4;

impl Inner {
    /// Runs an activation: starts and initialises a sandbox if it was given a place only.
    pub(super) async fn attempt(
        &self,
        call: &Call,
        id: ActivationId,
        received: Instant,
        grant: Grant,
    ) -> Attempt {
        if let Some(finished) = self.bar(call, received) {
            grant.give_back();
            return Attempt::Finished(Box::new(finished));
        }
        let merged = Arguments::merge(&call.action.parameters, call.payload.as_deref());
        let merged = match merged {
            Ok(merged) => merged,
            Err(error) => return Attempt::Finished(Box::new(bad_arguments(&error))),
        };
        let run = arguments::Run {
            action: &call.action,
            identity: &call.identity,
            id,
            transaction_id: &call.transaction_id,
            arguments: &merged,
        };
        let timeout = Duration::from_millis(call.action.limits.timeout);
        let log_limit = u64::from(call.action.limits.logs) << 20;
        let bounds = self.bounds(&call.identity);
        match grant {
            Grant::Warm(lease, mut warm) => {
                let wait = received.elapsed();
                let start = now();
                let clock = Instant::now();
                let logs = warm.sandbox.logs().begin(log_limit);
                let body = run.run_body(start + call.action.limits.timeout);
                let result = warm.proxy.run(Bytes::from(body), timeout, bounds).await;
                let timing = Started {
                    start,
                    clock,
                    wait,
                    init: None,
                };
                self.ran(call, result, timing, logs, lease, warm)
            }
            Grant::Cold(lease) => {
                let (action, code) = match self.with_code(&call.action) {
                    Ok(found) => found,
                    Err(attempt) => return attempt,
                };
                let run = arguments::Run {
                    action: &action,
                    ..run
                };
                let (engine, spec) = match self.choose(call, &action) {
                    Ok(chosen) => chosen,
                    Err(message) => {
                        return Attempt::Unable(Unable::unprovided(Reason::Kind, message));
                    }
                };
                let sandbox = match engine.start(&spec).await {
                    Ok(sandbox) => Arc::from(sandbox),
                    Err(error) => return start_failed(&call.action.path(), error),
                };
                lease.started();
                let mut warm = Warm {
                    proxy: Proxy::new(self.executor.clone(), Arc::clone(&sandbox)),
                    sandbox,
                };
                let logs = warm.sandbox.logs().begin(log_limit);
                let wait = received.elapsed();
                let start = now();
                let clock = Instant::now();
                let body = run.init_body(code.as_deref(), start + timeout.as_millis() as u64);
                let init = warm
                    .proxy
                    .init(Bytes::from(body), self.settings.boot_timeout, timeout)
                    .await;
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
                    };
                    return self.ran(call, result, timing, logs, lease, warm);
                }
                lease.initialised();
                let body = run.run_body(now() + call.action.limits.timeout);
                let result = warm.proxy.run(Bytes::from(body), timeout, bounds).await;
                self.ran(call, result, timing, logs, lease, warm)
            }
        }
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

    fn ran(
        &self,
        call: &Call,
        result: RunResult,
        started: Started,
        logs: Section,
        lease: Lease,
        warm: Warm,
    ) -> Attempt {
        if result.retry {
            log::info!(
                "sandbox {} is gone: {} runs elsewhere",
                warm.sandbox.id(),
                call.action.path()
            );
            lease.discard(Some(warm));
            return Attempt::Again;
        }
        let duration = started.clock.elapsed().as_millis() as u64;
        let executed = Executed {
            start: started.start,
            // The clock of the day may be set meanwhile; the end never lies before the start.
            end: started.start + duration,
            duration,
            reached: Reached::Run(Timing {
                wait: started.wait.as_millis() as u64,
                init: started.init.map(|init| init.as_millis() as u64),
                timed_out: result.timed_out,
            }),
            response: result.response,
        };
        let used = Used {
            lease,
            warm,
            logs,
            keep: result.keep,
            sentinels: self.has_sentinels(&call.action.exec),
        };
        Attempt::Finished(Box::new(Finished {
            executed,
            printed: Printed::Sandbox(used),
            place: None,
            refusal: None,
        }))
    }

    /// Returns or removes the sandbox of a run, and collects its logs (reference sections 7.7 and
    /// 7.9). Where sentinels tell the logs of two runs apart, the sandbox takes the next run
    /// before the logs of this one have come.
    pub(super) async fn finish(
        &self,
        call: &Call,
        activation: &Activation,
        used: Used,
    ) -> Vec<String> {
        let Used {
            lease,
            warm,
            logs,
            keep,
            sentinels,
        } = used;
        let developer_error = activation.response.status == Status::DeveloperError;
        if call.action.limits.logs == 0 {
            match keep {
                true => _ = lease.keep(warm),
                false => lease.discard(Some(warm)),
            }
            return Vec::new();
        }
        if keep && sentinels && warm.sandbox.logs().open_sections() <= MOST_OPEN_LOGS {
            let slot = lease.keep(warm);
            let logs = logs.collect(true).await;
            if logs.incomplete {
                self.pool.retire_slot(slot);
            }
            return logs.lines;
        }
        let mut logs = logs.collect(keep && sentinels).await;
        if developer_error {
            logs.add_developer_error(SystemTime::now());
        }
        if keep && !logs.incomplete {
            lease.keep(warm);
        } else {
            lease.discard(Some(warm));
        }
        logs.lines
    }
}

/// Why a sandbox has ended before it took anything, if it is made for other machines. It may run
/// elsewhere.
async fn foreign(sandbox: &dyn Sandbox) -> Option<Unable> {
    if !sandbox.has_exited() {
        return None;
    }
    let (image, mismatch) = sandbox.foreign().await?;
    Some(Unable::foreign(&image, &mismatch))
}

/// When a run began.
struct Started {
    start: u64,
    clock: Instant,
    wait: Duration,
    init: Option<Duration>,
}
