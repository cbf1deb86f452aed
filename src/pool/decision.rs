//! What the pool decides, and what it answers.

use std::fmt;
use std::sync::Arc;

use super::key::Class;

/// Number of a sandbox; never used twice.
pub type Slot = u64;

/// Number of a request for a sandbox; never used twice.
pub type Ticket = u64;

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request runs in this idle sandbox.
    Run {
        /// The request.
        ticket: Ticket,
        /// The sandbox.
        slot: Slot,
        /// Whether it has to be thawed first.
        frozen: bool,
    },
    /// The request runs in this stem cell, which has to be initialised first.
    Init {
        /// The request.
        ticket: Ticket,
        /// The sandbox.
        slot: Slot,
    },
    /// The request runs in a sandbox that has to be started first.
    Start {
        /// The request.
        ticket: Ticket,
        /// The new sandbox.
        slot: Slot,
    },
    /// A stem cell is to be started; report [`super::Pool::grown`].
    Grow {
        /// The new sandbox.
        slot: Slot,
        /// What it has to be.
        class: Arc<Class>,
    },
    /// This idle sandbox is to be frozen; report [`super::Pool::frozen`].
    Freeze {
        /// The sandbox.
        slot: Slot,
    },
    /// This sandbox goes; report [`super::Pool::removed`] when it is gone.
    Remove {
        /// The sandbox.
        slot: Slot,
    },
    /// A call is expected: ask [`super::Pool::reserve`] for a place, and start a sandbox there.
    Prepare {
        /// The action and the namespace, as [`super::Key::whose`] gives them.
        whose: Arc<str>,
    },
}

impl Decision {
    /// Whether a request gets something by it.
    pub(super) const fn grants(&self, request: Ticket) -> bool {
        match self {
            Decision::Run { ticket, .. }
            | Decision::Init { ticket, .. }
            | Decision::Start { ticket, .. } => *ticket == request,
            Decision::Grow { .. }
            | Decision::Freeze { .. }
            | Decision::Remove { .. }
            | Decision::Prepare { .. } => false,
        }
    }
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The capacity is zero: nothing runs here.
    NoCapacity,
    /// The action's memory limit is above all the memory that there is for sandboxes.
    TooLarge {
        /// MB that it needs.
        needed: u64,
        /// MB that there are.
        budget: u64,
    },
    /// As many requests as may wait do so already; their number.
    QueueFull(usize),
    /// The machine has too little memory for another sandbox, and the request may not wait.
    NoMemory,
    /// The pool is being emptied.
    Stopping,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCapacity => {
                f.write_str("This gateway does not run actions (its host capacity is 0).")
            }
            Self::TooLarge { needed, budget } => write!(
                f,
                "The action needs {needed} MB of memory, and this gateway has {budget} MB for \
                 all of its sandboxes (OWL_HOST_MEMORY)."
            ),
            Self::QueueFull(0) => f.write_str("All sandboxes of this gateway are busy."),
            Self::QueueFull(waiting) => write!(
                f,
                "All sandboxes of this gateway are busy, and as many invocations wait as may ({waiting})."
            ),
            Self::NoMemory => f.write_str(
                "This gateway is short of memory and starts no sandbox until there is more \
                 (OWL_MEMORY_FLOOR).",
            ),
            Self::Stopping => f.write_str("This gateway is stopping."),
        }
    }
}

/// What a request would get now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// A sandbox that has run its action before.
    Warm,
    /// A place, in which a sandbox is started.
    Place,
    /// It would wait, with so many before it.
    Wait(usize),
    /// Nothing.
    Refused,
}

/// Why a sandbox went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Another action needed its place or its memory.
    Room,
    /// There were more than the upper watermark allows.
    Watermark,
    /// It was idle for too long, or longer than it is worth.
    Idle,
    /// The machine is short of memory.
    Pressure,
    /// Its action was changed or deleted.
    Changed,
    /// It was not fit for further use, or has ended by itself.
    Failed,
    /// The pool is being emptied, or was made smaller.
    Stopped,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 7] = [
        Cause::Room,
        Cause::Watermark,
        Cause::Idle,
        Cause::Pressure,
        Cause::Changed,
        Cause::Failed,
        Cause::Stopped,
    ];

    /// How the status calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Room => "room",
            Cause::Watermark => "watermark",
            Cause::Idle => "idle",
            Cause::Pressure => "pressure",
            Cause::Changed => "changed",
            Cause::Failed => "failed",
            Cause::Stopped => "stopped",
        }
    }
}
