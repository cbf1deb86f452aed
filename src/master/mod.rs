//! The master in front of the catalogue: an OpenWhisk, as a rule in a cloud, whose entities and
//! keys are copied here as they are needed, so that work goes on when it is out of reach.

pub mod copies;
mod keys;

pub use keys::{KeyError, Keys, Validity, authenticate};

use crate::upstream::{Upstream, Via};
use copies::Copies;

/// The master, and what is kept of it.
pub struct Master {
    /// The master itself.
    pub upstream: Upstream,
    /// The keys that it accepts.
    pub keys: Keys,
    /// Copies of its entities.
    pub copies: Copies,
    /// How this gateway marks what it sends on.
    pub via: Via,
    /// Whether lists of activations have the master's, too.
    pub merge_activations: bool,
}
