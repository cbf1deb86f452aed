//! The master in front of the catalogue: an OpenWhisk, as a rule in a cloud, whose entities and
//! keys are copied here as they are needed, so that work goes on when it is out of reach.

pub mod copies;
pub mod fires;
pub mod journal;
mod keys;
pub mod resource;
pub mod whose;
pub mod writes;

pub use keys::{KeyError, Keys, Validity, authenticate};

use std::sync::Arc;

use crate::upstream::{Upstream, Via};
use copies::Copies;
use fires::Fires;
use journal::{Journal, Replayer};
use writes::Writes;

/// The master, and what is kept of it.
pub struct Master {
    /// The master itself.
    pub upstream: Upstream,
    /// The keys that it accepts.
    pub keys: Keys,
    /// Copies of its entities.
    pub copies: Copies,
    /// Writes that it has not got yet.
    pub journal: Arc<Journal>,
    /// Fired triggers that it is to follow.
    pub fires: Fires,
    /// Where writes go.
    pub writes: Writes,
    /// How this gateway marks what it sends on.
    pub via: Via,
    /// Whether lists of activations have the master's, too.
    pub merge_activations: bool,
}

impl Master {
    /// The one who gives it the writes of the journal.
    pub fn replayer(&self) -> Replayer {
        let (journal, upstream) = (self.journal.clone(), self.upstream.clone());
        Replayer::new(
            journal,
            upstream,
            self.via.clone(),
            Arc::new(self.keys.clone()),
        )
    }
}
