//! One attempt to run an activation in the sandbox that it was given.

use std::time::{Duration, Instant, SystemTime};

use serde_json::value::RawValue;

use super::burst::Elsewhere;
use super::ended::{Unable, bad_arguments};
use super::record::{Executed, Reached, Timing};
use super::{Arguments, Call, Inner, InvokeError, arguments};
use crate::clock::now;
use crate::engine::Sandbox;
use crate::engine::logs::Section;
use crate::engine::proxy::{Bounds, RunResult};
use crate::entity::{Activation, ActivationId, Status};
use crate::pool::{Grant, Lease, Warm};

/// How often an activation is moved to another sandbox before it is given up.
pub(super) const MOST_ATTEMPTS: usize = 3;

/// What came of an attempt.
pub(super) enum Attempt {
    /// It ran, or failed for good. The sandbox, if there is one, still holds its logs.
    Finished(Box<Finished>),
    /// It cannot be run here.
    Unable(Unable),
    /// The engine does not answer now: it may soon.
    Later(Unable),
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
    /// Runs that the sandbox may have at the same time.
    concurrency: u32,
}

/// Activations of one sandbox whose logs may still be on their way when the next one begins. A
/// sandbox whose sentinels stay away is found out within seconds; this bounds what piles up.
const MOST_OPEN_LOGS: usize = 4;

/// The same where several run at the same time: each line is kept for each of them.
const MOST_OPEN_SHARED_LOGS: usize = 32;

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
            Err(error) => {
                grant.give_back();
                return Attempt::Finished(Box::new(bad_arguments(&error)));
            }
        };
        let run = Run {
            call,
            received,
            body: arguments::Run {
                action: &call.action,
                identity: &call.identity,
                id,
                transaction_id: &call.transaction_id,
                arguments: &merged,
            },
            timeout: Duration::from_millis(call.action.limits.timeout),
            log_limit: u64::from(call.action.limits.logs) << 20,
            bounds: self.bounds(&call.identity),
            concurrency: self.concurrency(&call.action),
        };
        match grant {
            Grant::Warm(lease, warm) => self.run_warm(run, lease, warm).await,
            Grant::Frozen(lease, warm) => match lease.thaw(warm).await {
                Some((lease, warm)) => self.run_warm(run, lease, warm).await,
                None => Attempt::Again,
            },
            Grant::Stem(lease, warm) => Box::pin(self.initialise(run, lease, Some(warm))).await,
            Grant::Cold(lease) => Box::pin(self.initialise(run, lease, None)).await,
        }
    }

    /// Runs an activation in a sandbox that is initialised.
    async fn run_warm(&self, run: Run<'_>, lease: Lease, mut warm: Warm) -> Attempt {
        let wait = run.received.elapsed();
        let start = now();
        let clock = Instant::now();
        let logs = run.begin_logs(&mut warm);
        let body = run.body.run_body(start + run.timeout.as_millis() as u64);
        let answer = warm.proxy.run(body.into(), run.timeout, run.bounds);
        let result = answer.await;
        let timing = Started {
            start,
            clock,
            wait,
            init: None,
        };
        self.ran(&run, result, timing, logs, lease, warm)
    }

    pub(super) fn ran(
        &self,
        run: &Run<'_>,
        result: RunResult,
        started: Started,
        logs: Section,
        lease: Lease,
        warm: Warm,
    ) -> Attempt {
        let call = run.call;
        if result.retry {
            log::info!(
                "sandbox {} is gone: {} runs elsewhere",
                warm.sandbox.id(),
                call.action.path()
            );
            lease.discard(Some(warm));
            return Attempt::Again;
        }
        if result.log_is_empty {
            logs.end_unmarked();
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
            concurrency: run.concurrency,
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
            concurrency,
        } = used;
        let developer_error = activation.response.status == Status::DeveloperError;
        if call.action.limits.logs == 0 {
            match keep {
                true => _ = lease.keep(warm),
                false => lease.discard(Some(warm)),
            }
            return Vec::new();
        }
        if concurrency > 1 {
            return self
                .finish_shared(lease, warm, logs, keep, developer_error)
                .await;
        }
        if keep && sentinels && warm.sandbox.logs().open_sections() <= MOST_OPEN_LOGS {
            let slot = lease.keep(warm);
            let logs = logs.collect(true).await;
            if logs.incomplete && !logs.broken_off {
                self.pool.retire_slot(slot);
            }
            return logs.lines;
        }
        let mut logs = logs.collect(keep && sentinels).await;
        if developer_error {
            logs.add_developer_error(SystemTime::now());
        }
        if keep && (!logs.incomplete || logs.broken_off) {
            lease.keep(warm);
        } else {
            lease.discard(Some(warm));
        }
        logs.lines
    }

    /// [`Inner::finish`] of a run that may have had others beside it. What is printed tells nothing
    /// about the end of a run then: one that begins meanwhile only gets more of others' lines.
    async fn finish_shared(
        &self,
        lease: Lease,
        warm: Warm,
        logs: Section,
        keep: bool,
        developer_error: bool,
    ) -> Vec<String> {
        let runs_on = keep && warm.sandbox.logs().open_sections() <= MOST_OPEN_SHARED_LOGS;
        let held = match runs_on {
            true => {
                lease.keep(warm);
                None
            }
            false => Some((lease, warm)),
        };
        let mut logs = logs.collect(false).await;
        if developer_error {
            logs.add_developer_error(SystemTime::now());
        }
        match held {
            Some((lease, warm)) if keep => _ = lease.keep(warm),
            Some((lease, warm)) => lease.discard(Some(warm)),
            None => {}
        }
        logs.lines
    }
}

/// Why a sandbox has ended before it took anything, if it is made for other machines. It may run
/// elsewhere.
pub(super) async fn foreign(sandbox: &dyn Sandbox) -> Option<Unable> {
    if !sandbox.has_exited() {
        return None;
    }
    let (image, mismatch) = sandbox.foreign().await?;
    Some(Unable::foreign(&image, &mismatch))
}

/// What is run in whatever it gets.
pub(super) struct Run<'a> {
    pub(super) call: &'a Call,
    /// When the request for it came.
    pub(super) received: Instant,
    /// What the sandbox is told.
    pub(super) body: arguments::Run<'a>,
    /// For initialisation and run, each.
    pub(super) timeout: Duration,
    /// Bytes of logs that are kept.
    pub(super) log_limit: u64,
    pub(super) bounds: Bounds,
    /// Runs that its sandbox may have at the same time.
    pub(super) concurrency: u32,
}

impl Run<'_> {
    /// What a sandbox prints from now on is this run's, or also this run's.
    pub(super) fn begin_logs(&self, warm: &mut Warm) -> Section {
        match warm.printed.take() {
            Some(printed) => printed,
            None => begin_logs(warm, self.log_limit, self.concurrency),
        }
    }
}

/// What a sandbox prints from now on, up to so many bytes.
pub(super) fn begin_logs(warm: &Warm, limit: u64, concurrency: u32) -> Section {
    let sink = warm.sandbox.logs();
    match concurrency > 1 {
        true => sink.begin_shared(limit),
        false => sink.begin(limit),
    }
}

/// When a run began.
pub(super) struct Started {
    pub(super) start: u64,
    pub(super) clock: Instant,
    pub(super) wait: Duration,
    pub(super) init: Option<Duration>,
}
