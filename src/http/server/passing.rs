//! Bodies of requests that are passed on while they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_types::Request;

/// An extension of a request: whether its body is passed on piece by piece, so that it takes only
/// the memory of a few pieces, however long it is.
#[derive(Clone, Debug, Default)]
pub struct Passing(Arc<AtomicBool>);

impl Passing {
    /// Says that the body of a request is passed on. Before anything of it is read: memory for all
    /// of it would be taken else, or refused.
    pub fn set(request: &Request) {
        if let Some(Passing(passing)) = request.ext().get() {
            passing.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it is.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
