//! What the daemon counts, and the text in which Prometheus reads it.
//!
//! Counting costs a few atomic additions. What the pool and the store know anyway is not counted
//! again, but asked for when somebody reads.

mod activations;
mod delegated;
mod histogram;
mod process;
mod requests;
mod text;

pub use activations::Activations;
pub use delegated::Delegated;
pub use process::Process;
pub use requests::{Requests, Route};
pub use text::{Kind, Text};

/// Who may read what is counted: it names actions of every namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// Callers on this machine.
    #[default]
    Loopback,
    /// Whoever reaches the API.
    Everyone,
    /// Nobody.
    Nobody,
}

/// The counters of a daemon.
#[derive(Default)]
pub struct Metrics {
    /// Requests to the API.
    pub requests: Requests,
    /// Activations that have ended.
    pub activations: Activations,
    /// Those among them that ran on other OpenWhisks.
    pub delegated: Delegated,
    /// The daemon as a process.
    pub process: Process,
}

impl Metrics {
    /// Writes everything that was counted.
    pub fn write(&self, text: &mut Text) {
        self.requests.write(text);
        self.activations.write(text);
        self.delegated.write(text);
        self.process.write(text);
    }
}
