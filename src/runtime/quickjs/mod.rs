//! Actions of the kind `quickjs:1`: JavaScript in an engine that is part of this binary.
//!
//! The engine runs on the calling thread and has no way out but the few functions in [`host`]:
//! no files, no network, no processes.

mod code;
mod host;
mod stop;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::function::IntoArgs;
use rquickjs::{Array, Context, Ctx, FromJs, Function, Persistent, Runtime};

use super::reply::Reply;
use super::signals::Signals;
use host::Hooks;
use stop::Stop;

/// A promise that nothing can settle any more would otherwise keep the caller until its limit.
const NEVER_SETTLED: &str = "The action did not finish: its promise was never settled, and \
    nothing is left to run that could settle it.";

/// What an action may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of heap.
    pub memory: usize,
    /// Bytes of native stack.
    pub stack: usize,
}

/// When running code is to be interrupted, shared with the engine's interrupt handler.
#[derive(Clone)]
struct Clock {
    deadline: Rc<Cell<Option<Instant>>>,
    signals: Rc<Signals>,
}

impl Clock {
    fn must_stop(&self) -> bool {
        self.deadline.get().is_some_and(|end| Instant::now() >= end) || self.signals.must_end()
    }

    fn time_left(&self) -> Duration {
        self.deadline.get().map_or(Duration::ZERO, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }
}

/// One action in its own engine. Its globals live from call to call.
pub struct Engine {
    // Before the context and the runtime: values may not outlive them.
    hooks: Hooks,
    context: Context,
    runtime: Runtime,
    clock: Clock,
    memory: usize,
}

impl Engine {
    /// An engine with `console`, timers, `process` and the like, and no action yet.
    pub fn new(limits: Limits, signals: Rc<Signals>) -> rquickjs::Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_memory_limit(limits.memory);
        runtime.set_max_stack_size(limits.stack);
        let clock = Clock {
            deadline: Rc::new(Cell::new(None)),
            signals,
        };
        let handler = clock.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || handler.must_stop())));
        let context = Context::full(&runtime)?;
        let hooks = context.with(|ctx| host::install(&ctx, limits.memory))?;
        let rejection = hooks.rejection.clone();
        runtime.set_host_promise_rejection_tracker(Some(Box::new(
            move |ctx, promise, reason, handled| {
                let reported = rejection
                    .clone()
                    .restore(&ctx)
                    .and_then(|report| report.call::<_, ()>((promise, reason, handled)));
                if reported.is_err() {
                    // Out of memory or time: what runs next finds that out for itself.
                    let _ = ctx.catch();
                }
            },
        )));
        Ok(Engine {
            hooks,
            context,
            runtime,
            clock,
            memory: limits.memory,
        })
    }

    /// Loads the action's code. The error is the answer to `/init`.
    pub fn load(
        &mut self,
        code: &str,
        main: &str,
        env: &[(String, String)],
        time: Duration,
    ) -> Result<(), Reply> {
        if !code::is_entry_point(main) {
            let reason = format!("'{main}' is not the name of a function.");
            return Err(Reply::init_failed(&reason));
        }
        self.timed(time, || {
            let complaint = self.with(|ctx| {
                self.set_environment(ctx, env)?;
                let wrapped: Function<'_> =
                    host::evaluate(ctx, code::wrap(code, main), "action.js")?;
                call::<String>(ctx, &self.hooks.load, (wrapped, main))
            })?;
            self.run_jobs()?;
            match complaint.as_str() {
                "" => Ok(()),
                _ => Err(Stop::thrown(complaint)),
            }
        })
        .map_err(|mut stop| {
            if let Stop::Thrown { head, .. } = &mut stop
                && let Some(hint) = code::hint(code, head)
            {
                *head = format!("{head} ({hint})");
            }
            stop.into_init_reply()
        })
    }

    /// Calls the action with arguments in JSON, and runs jobs and timers until it has answered.
    ///
    /// Timers that are left then run in later calls, when they have fallen due.
    pub fn run(&mut self, arguments: &str, env: &[(String, String)], time: Duration) -> Reply {
        self.timed(time, || self.run_to_outcome(arguments, env))
            .unwrap_or_else(Stop::into_run_reply)
    }

    fn run_to_outcome(&self, arguments: &str, env: &[(String, String)]) -> Result<Reply, Stop> {
        self.with(|ctx| {
            self.set_environment(ctx, env)?;
            call::<()>(ctx, &self.hooks.start, (arguments,))
        })?;
        loop {
            self.run_jobs()?;
            if let Some(reply) = self.take_outcome()? {
                return Ok(reply);
            }
            let due = self.with(|ctx| call::<f64>(ctx, &self.hooks.until_next, ()))?;
            if due < 0.0 && stop::memory_was_tight(self.memory) {
                // The promise was lost with the memory for it.
                return Err(Stop::Memory);
            }
            if due < 0.0 {
                return Ok(Reply::error(502, NEVER_SETTLED));
            }
            if due > 0.0 {
                let pause = Duration::from_secs_f64(due / 1000.0);
                self.clock.signals.sleep(pause.min(self.clock.time_left()));
                if self.clock.must_stop() {
                    return Err(Stop::Time);
                }
            }
            self.with(|ctx| call::<bool>(ctx, &self.hooks.run_due, ()))?;
        }
    }

    /// Runs what promises have left to be done.
    fn run_jobs(&self) -> Result<(), Stop> {
        loop {
            let more = self.runtime.execute_pending_job();
            if self.clock.must_stop() {
                return Err(Stop::Time);
            }
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // Errors inside a job reject its promise; this one could not even do that.
                Err(job) => {
                    let failed = rquickjs::Error::Exception;
                    return Err(job
                        .0
                        .with(|ctx| Stop::from_error(&ctx, &failed, self.memory)));
                }
            }
        }
    }

    fn take_outcome(&self) -> Result<Option<Reply>, Stop> {
        self.with(|ctx| {
            let taken = call::<Option<Array<'_>>>(ctx, &self.hooks.take, ())?;
            let Some(outcome) = taken else {
                return Ok(None);
            };
            let (status, body) = (outcome.get::<u16>(0)?, outcome.get::<String>(1)?);
            Ok(Some(Reply::json(status, body)))
        })
    }

    fn set_environment(&self, ctx: &Ctx<'_>, env: &[(String, String)]) -> rquickjs::Result<()> {
        let (names, values): (Vec<&str>, Vec<&str>) = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .unzip();
        call(ctx, &self.hooks.set_environment, (names, values))
    }

    /// Enters the engine; an exception that comes out is taken from it and told apart.
    fn with<T>(&self, enter: impl FnOnce(&Ctx<'_>) -> rquickjs::Result<T>) -> Result<T, Stop> {
        self.context.with(|ctx| {
            enter(&ctx).map_err(|error| {
                let stop = Stop::from_error(&ctx, &error, self.memory);
                // The engine's way to stop code that runs for too long is an exception, too.
                if self.clock.must_stop() {
                    Stop::Time
                } else {
                    stop
                }
            })
        })
    }

    fn timed<T>(&self, time: Duration, work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        self.clock.deadline.set(Some(Instant::now() + time));
        let result = work();
        self.clock.deadline.set(None);
        result
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It holds a function of the context, which would outlive the runtime.
        self.runtime.set_host_promise_rejection_tracker(None);
    }
}

fn call<'js, T: FromJs<'js>>(
    ctx: &Ctx<'js>,
    hook: &Persistent<Function<'static>>,
    arguments: impl IntoArgs<'js>,
) -> rquickjs::Result<T> {
    hook.clone().restore(ctx)?.call(arguments)
}

#[cfg(test)]
mod tests;
