//! Which sandbox runs what: a pure state machine ([`state`]) and the [`driver`] that carries its
//! decisions out.

pub mod state;

pub use state::{Key, Refusal, Settings};
