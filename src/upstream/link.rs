//! One other OpenWhisk, and how it is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Exchange, Incoming, Outgoing, UpstreamError};

/// Another OpenWhisk. Everything that is sent to it goes through here, so that what is out of reach
/// is not asked in vain. Clones share what is known of it.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    url: String,
    exchange: Box<dyn Exchange>,
    down: AtomicBool,
}

impl Upstream {
    /// The OpenWhisk that an exchange speaks to; `url` is how people know it, without `/api/v1`.
    pub fn new(url: impl Into<String>, exchange: impl Exchange + 'static) -> Self {
        Upstream(Arc::new(Inner {
            url: url.into(),
            exchange: Box::new(exchange),
            down: AtomicBool::new(false),
        }))
    }

    /// Its URL, without `/api/v1`.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Whether it is known to be out of reach.
    pub fn is_down(&self) -> bool {
        self.0.down.load(Ordering::Relaxed)
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`UpstreamError::Down`] at once, if it is known to be out of reach; else why there is no
    /// answer.
    pub async fn send(&self, request: Outgoing) -> Result<Incoming, UpstreamError> {
        if self.is_down() {
            return Err(UpstreamError::Down);
        }
        self.0.exchange.send(request).await
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.0.url).finish()
    }
}
