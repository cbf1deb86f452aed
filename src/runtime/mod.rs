//! The action proxy that runs inside a sandbox: `/init` and `/run` on one end, an action on the
//! other (reference section 7).

mod actionloop;
mod connection;
pub mod kind;
pub mod listen;
mod message;
mod output;
mod proxy;
mod quickjs;
mod reply;
pub mod sandbox;
mod server;
mod signals;

use std::fmt;
use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t};

use kind::Language;
use listen::{Listen, Listener};
use message::INIT_LIMIT;
use proxy::{Proxy, Settings};
use sandbox::Profile;
pub use server::End;
use signals::Signals;

/// What `owl runtime` is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where requests come from.
    pub listen: Listen,
    /// The language of the action.
    pub language: Language,
    /// Memory of the action, in MB: the heap of QuickJS, a limit of confined interpreters.
    pub memory: u32,
    /// How to confine the process before it takes a request, and what came of its PID namespace.
    pub confine: Option<(Profile, Result<(), String>)>,
}

/// Why the proxy could not serve.
#[derive(Debug)]
pub enum RuntimeError {
    /// The listening socket.
    Listen {
        /// What was asked for.
        listen: Listen,
        /// What the system said.
        source: io::Error,
    },
    /// What must confine an interpreter does not hold.
    Unconfined(String),
    /// Signals could not be blocked.
    Signals(Errno),
    /// Waiting for requests failed.
    Poll(Errno),
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { listen, source } => write!(f, "cannot listen on {listen}: {source}"),
            Self::Unconfined(reason) => {
                write!(f, "an interpreter is not run without confinement: {reason}")
            }
            Self::Signals(error) => write!(f, "cannot take over signals: {error}"),
            Self::Poll(error) => write!(f, "cannot wait for requests: {error}"),
        }
    }
}

impl std::error::Error for RuntimeError {}

/// Serves one action until it is told to end. Runs on the calling thread alone.
pub fn run(options: &Options) -> Result<End, RuntimeError> {
    let signals = Rc::new(Signals::take().map_err(RuntimeError::Signals)?);
    let listener = Listener::open(&options.listen)?;
    let memory = u64::from(options.memory) << 20;
    let settings = Settings {
        language: options.language,
        limits: quickjs::Limits {
            memory: usize::try_from(memory).unwrap_or(usize::MAX),
            stack: stack_size(),
        },
        rests: options.confine.is_some(),
    };
    // All that had to be opened is open now.
    if let Some((profile, pid_namespace)) = &options.confine {
        let features = sandbox::confine(*profile, memory, pid_namespace.clone());
        sandbox::check_essential(*profile, &features).map_err(RuntimeError::Unconfined)?;
    }
    server::serve(listener, Proxy::new(settings, signals.clone()), &signals)
}

/// Stack for JavaScript, in bytes: half of what the main thread may have, the rest being for what
/// surrounds it, and no more than is sensible.
fn stack_size() -> usize {
    const MOST: rlim_t = 4 << 20;
    let (soft, _) = getrlimit(Resource::RLIMIT_STACK).unwrap_or((1 << 20, 0));
    usize::try_from((soft / 2).min(MOST)).unwrap_or(1 << 19)
}
