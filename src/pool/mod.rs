//! Which sandbox runs what: a pure state machine ([`Pool`]) and the [`driver`] that carries its
//! decisions out.
//!
//! Capacity and memory hold at every instant: a sandbox counts against both from the decision to
//! start it until its removal is reported.
//!
//! Requests wait first in, first out for each action; namespaces take turns, and within each its
//! actions do. A sandbox that comes free goes on with its own action, which costs nothing, for
//! [`Settings::patience`] at most while others wait for its place. A request that needs more room
//! than is left does not block others, for [`Settings::aging`] at most ([`dispatch`]).

mod decision;
mod dispatch;
mod down;
pub mod driver;
mod health;
mod idle;
mod key;
mod preemption;
pub mod pressure;
mod queue;
mod reconfigure;
mod room;
mod settings;
mod slots;
mod snapshot;
mod state;
mod stems;
mod tally;
#[cfg(test)]
mod tests;
mod warm;
pub mod warmth;

pub use decision::{Cause, Decision, Outlook, Refusal, Slot, Ticket};
pub use driver::{
    Driver, Grant, Lease, MemoryView, Nursery, Queued, Settling, Statistics, Wait, Warm,
};
pub use key::{Class, Key, Needs};
pub use settings::{Settings, Watermarks};
pub use snapshot::{Doing, LineView, SandboxView, Snapshot};
pub use state::{Counts, Pool, Taken};
pub use tally::Tally;
