//! Which sandbox runs what: a pure state machine ([`state`]) and the [`driver`] that carries its
//! decisions out.

pub mod driver;
pub mod pressure;
pub mod state;
pub mod warmth;

pub use driver::{Driver, Grant, Lease, Queued, Statistics, Wait, Warm};
pub use state::{Key, Outlook, Refusal, Settings, Slot};
