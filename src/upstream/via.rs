//! Which OWLs a request has come through, so that it does not go round in circles: each that sends
//! a request on adds its id to the header [`HEADER`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header with the ids of the OWLs that a request has come through, in order, separated by
/// commas.
pub const HEADER: &str = "x-owl-via";

/// Most OWLs that a request goes through.
const MOST: usize = 8;

/// This OWL, as the header names it.
/// Clones share what was told of it.
#[derive(Clone, Debug)]
pub struct Via {
    own: String,
    /// Whether the log has it that requests come back.
    told: Arc<AtomicBool>,
}

impl Via {
    /// The OWL whose store has this id.
    pub fn new(daemon_id: impl Into<String>) -> Self {
        Via {
            own: daemon_id.into(),
            told: Arc::default(),
        }
    }

    /// Marks a request that begins here.
    pub fn mark(&self, headers: &mut HeaderMap) {
        if let Ok(own) = HeaderValue::from_str(&self.own) {
            headers.insert(HeaderName::from_static(HEADER), own);
        }
    }

    /// Refuses a request that was here before: what it would wait for may wait for it. The first
    /// time, the log tells what is wrong: whoever has set it so does not see the answers.
    ///
    /// # Errors
    /// [`Looped::Here`].
    pub fn check(&self, came: &str) -> Result<(), Looped> {
        if !self.has_been(came) {
            return Ok(());
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            let looped = Looped::Here;
            log::error!(
                "{looped} It has come through {came:?}, and this gateway is {}.",
                self.own
            );
        }
        Err(Looped::Here)
    }

    fn has_been(&self, came: &str) -> bool {
        came.split(',').any(|id| id.trim() == self.own)
    }

    /// The header's value for a request that is sent on. `came` is the value with which it has come
    /// here; none for one that begins here.
    ///
    /// # Errors
    /// It was here before, or has come through as many as may be.
    pub fn onward(&self, came: Option<&str>) -> Result<String, Looped> {
        let came = came.unwrap_or_default();
        if self.has_been(came) {
            return Err(Looped::Here);
        }
        let before = came.split(',').map(str::trim);
        let before: Vec<&str> = before.filter(|id| !id.is_empty()).collect();
        if before.len() >= MOST {
            return Err(Looped::TooFar);
        }
        Ok(before
            .into_iter()
            .chain([&*self.own])
            .collect::<Vec<_>>()
            .join(", "))
    }
}

/// Why a request is not sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looped {
    /// It was here before.
    Here,
    /// It has come through as many OWLs as may be.
    TooFar,
}

impl fmt::Display for Looped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str(
                "The request has been here before: OWL_NEXT_OPENWHISK or OWL_TIERS lead in a circle.",
            ),
            Self::TooFar => write!(
                f,
                "The request has come through {MOST} gateways, which is as many as may be."
            ),
        }
    }
}

impl std::error::Error for Looped {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_adds_itself_and_none_twice() {
        let via = Via::new("b");
        let mut headers = HeaderMap::new();
        via.mark(&mut headers);
        assert_eq!(headers[HEADER], "b");
        assert_eq!(via.onward(None).unwrap(), "b");
        assert_eq!(via.onward(Some("")).unwrap(), "b");
        assert_eq!(via.onward(Some("a,c")).unwrap(), "a, c, b");
        assert_eq!(via.onward(Some("a, b, c")), Err(Looped::Here));
        assert_eq!(via.onward(Some("ab")).unwrap(), "ab, b");
    }

    #[test]
    fn what_comes_back_is_refused_and_told_once() {
        let via = Via::new("b");
        assert_eq!(via.check("a, bb"), Ok(()));
        assert!(!via.told.load(Ordering::Relaxed));
        assert_eq!(via.clone().check("a,b , c"), Err(Looped::Here));
        assert!(via.told.load(Ordering::Relaxed));
        assert_eq!(via.check("b"), Err(Looped::Here));
    }

    #[test]
    fn not_without_end() {
        let mut value = None;
        for id in 0..MOST {
            value = Some(Via::new(id.to_string()).onward(value.as_deref()).unwrap());
        }
        let last = Via::new("last");
        assert_eq!(last.onward(value.as_deref()), Err(Looped::TooFar));
    }
}
