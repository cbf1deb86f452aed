//! The protocol's state: one action, initialised once, run as often as asked.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use nix::poll::PollFd;

use super::actionloop::ActionLoop;
use super::kind::Language;
use super::message::{self, InitRequest};
use super::output;
use super::quickjs::{self, Engine};
use super::reply::Reply;
use super::signals::Signals;
use crate::engine::logs::Stream;

/// How long code may run on `/init` when no `__OW_DEADLINE` says so: OpenWhisk's default limit.
const DEFAULT_INIT_TIME: Duration = Duration::from_secs(60);

/// How long a run may take without a `deadline`: OpenWhisk's largest limit.
const DEFAULT_RUN_TIME: Duration = Duration::from_secs(300);

/// Added to the platform's deadline. The platform is to be first, so that the record says
/// `timeout`; this proxy's own end is for callers that do not look at the clock.
const GRACE: Duration = Duration::from_millis(200);

/// How long after an answer an action is stopped. The next run often comes sooner.
const REST: Duration = Duration::from_millis(100);

/// What the actions of this proxy are given.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The language of the one action.
    pub language: Language,
    /// What QuickJS may use.
    pub limits: quickjs::Limits,
    /// Whether an action that is a process of its own is stopped between its runs. What freezes a
    /// whole container need not be helped; a child of the daemon has nobody else to do it.
    pub rests: bool,
}

/// The action, once it has been loaded.
enum Action {
    QuickJs(Box<Engine>),
    Child(Box<ActionLoop>),
}

/// The proxy of one sandbox.
pub struct Proxy {
    settings: Settings,
    signals: Rc<Signals>,
    state: State,
    /// An activation has its answer, and its log has no end yet.
    log_is_open: bool,
    /// When the last answer was given.
    answered: Instant,
}

enum State {
    /// `/init` has not come.
    Fresh,
    /// Initialised.
    Ready(Action),
    /// `/init` has failed: the platform takes another sandbox.
    Failed,
}

impl Proxy {
    /// A proxy that waits for `/init`.
    pub fn new(settings: Settings, signals: Rc<Signals>) -> Self {
        Proxy {
            settings,
            signals,
            state: State::Fresh,
            log_is_open: false,
            answered: Instant::now(),
        }
    }

    /// Answers `/init` (reference section 7.2).
    pub fn init(&mut self, body: Vec<u8>) -> Reply {
        if !matches!(self.state, State::Fresh) {
            let message = "Cannot initialize the action more than once.";
            output::line(Stream::Stderr, &format!("Internal system error: {message}"));
            return Reply::error(403, message);
        }
        let loaded = message::parse_init(&body)
            .map_err(|error| {
                Reply::error(400, &format!("The request content was malformed: {error}"))
            })
            .and_then(|request| {
                // The text is held twice from here on otherwise, and it may be 48 MB.
                drop(body);
                self.load(request)
            });
        match loaded {
            Ok(action) => {
                self.state = State::Ready(action);
                self.answered = Instant::now();
                Reply::json(200, &br#"{"ok":true}"#[..])
            }
            Err(reply) => {
                self.state = State::Failed;
                self.log_is_open = true;
                reply
            }
        }
    }

    /// Answers `/run` (reference section 7.3).
    pub fn run(&mut self, body: Vec<u8>) -> Reply {
        self.end_log();
        let action = match &mut self.state {
            State::Ready(action) => action,
            State::Fresh => return Reply::error(403, "The action has not been initialized."),
            State::Failed => return Reply::error(403, "The action failed to initialize."),
        };
        let request = match message::parse_run(&body) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("The request content was malformed: {error}");
                return Reply::error(400, &message);
            }
        };
        let time = request.deadline.map_or(DEFAULT_RUN_TIME, |deadline| {
            message::time_left(deadline, SystemTime::now()) + GRACE
        });
        let reply = match action {
            Action::QuickJs(engine) => engine.run(request.value, &request.env, time),
            Action::Child(child) => child.run(&body, time),
        };
        self.log_is_open = true;
        self.answered = Instant::now();
        reply
    }

    /// How long until [`Proxy::rest`] is due, if it is. QuickJS needs no rest: between runs this
    /// process waits for requests, and the action's timers with it.
    pub fn until_rest(&self) -> Option<Duration> {
        match &self.state {
            State::Ready(Action::Child(child)) if self.settings.rests && !child.rests() => {
                Some(REST.saturating_sub(self.answered.elapsed()))
            }
            _ => None,
        }
    }

    /// Stops the action until its next run.
    pub fn rest(&mut self) {
        if let State::Ready(Action::Child(child)) = &mut self.state {
            child.rest();
        }
    }

    /// Ends the log of the last activation (reference section 7.7), after its answer has gone out:
    /// the caller need not wait for whoever reads the log.
    pub fn end_log(&mut self) {
        if std::mem::take(&mut self.log_is_open) {
            if let State::Ready(Action::Child(child)) = &mut self.state {
                child.finish_printing();
            }
            output::end_activation();
        }
    }

    /// Leaves the end marks out of the log of the last activation, which has not gone out yet, if
    /// that log is empty: whether it did.
    pub fn leave_unmarked(&mut self) -> bool {
        let unmarked = self.log_is_open && output::nothing_printed();
        self.log_is_open &= !unmarked;
        unmarked
    }

    /// Takes care of children that have ended. Some code: the action's own process is among them,
    /// and the proxy is to end with that code.
    pub fn look_after_children(&mut self) -> Option<u8> {
        match &mut self.state {
            State::Ready(Action::Child(child)) => child.ended(),
            _ => None,
        }
    }

    /// What to wait for between requests: the action's process ends, or prints.
    pub fn waits(&self) -> impl Iterator<Item = PollFd<'_>> {
        let child = match &self.state {
            State::Ready(Action::Child(child)) => Some(child),
            _ => None,
        };
        child.into_iter().flat_map(|child| child.waits())
    }

    fn load(&self, request: InitRequest) -> Result<Action, Reply> {
        let env: Vec<_> = std::env::vars()
            .chain(request.env.iter().cloned())
            .collect();
        let time = init_time(&request.env);
        let signals = self.signals.clone();
        match self.settings.language {
            Language::QuickJs => self
                .load_script(&request, &env, time)
                .map(|engine| Action::QuickJs(Box::new(engine))),
            language => ActionLoop::start(language, &request, &env, time, signals)
                .map(|child| Action::Child(Box::new(child))),
        }
    }

    fn load_script(
        &self,
        request: &InitRequest,
        env: &[(String, String)],
        time: Duration,
    ) -> Result<Engine, Reply> {
        let Some(code) = &request.code else {
            return Err(Reply::error(403, "Missing main/no code to execute."));
        };
        if request.binary {
            return Err(Reply::init_failed(
                "this kind takes JavaScript as text: zipped code needs a nodejs kind.",
            ));
        }
        let mut engine = Engine::new(self.settings.limits, self.signals.clone())
            .map_err(|error| Reply::init_failed(&format!("QuickJS does not start: {error}")))?;
        engine.load(code, &request.main, env, time)?;
        Ok(engine)
    }
}

fn init_time(env: &[(String, String)]) -> Duration {
    env.iter()
        .find(|(name, _)| name == "__OW_DEADLINE")
        .and_then(|(_, deadline)| deadline.parse().ok())
        .map_or(DEFAULT_INIT_TIME, |deadline| {
            message::time_left(deadline, SystemTime::now()) + GRACE
        })
}
