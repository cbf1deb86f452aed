//! Which OWLs a request has come through, so that it does not go round in circles: each that sends
//! a request on adds its id to the header [`HEADER`].

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header with the ids of the OWLs that a request has come through, in order, separated by
/// commas.
pub const HEADER: &str = "x-owl-via";

/// Most OWLs that a request goes through.
const MOST: usize = 8;

/// This OWL, as the header names it.
#[derive(Clone, Debug)]
pub struct Via {
    own: String,
}

impl Via {
    /// The OWL whose store has this id.
    pub fn new(daemon_id: impl Into<String>) -> Self {
        Via {
            own: daemon_id.into(),
        }
    }

    /// Marks a request that begins here.
    pub fn mark(&self, headers: &mut HeaderMap) {
        if let Ok(own) = HeaderValue::from_str(&self.own) {
            headers.insert(HeaderName::from_static(HEADER), own);
        }
    }

    /// The header's value for a request that is sent on. `came` is the value with which it has come
    /// here; none for one that begins here.
    ///
    /// # Errors
    /// It was here before, or has come through as many as may be.
    pub fn onward(&self, came: Option<&str>) -> Result<String, Looped> {
        let before = || came.unwrap_or_default().split(',').map(str::trim);
        if before().any(|id| id == self.own) {
            return Err(Looped::Here);
        }
        let before: Vec<&str> = before().filter(|id| !id.is_empty()).collect();
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
    fn not_without_end() {
        let mut value = None;
        for id in 0..MOST {
            value = Some(Via::new(id.to_string()).onward(value.as_deref()).unwrap());
        }
        let last = Via::new("last");
        assert_eq!(last.onward(value.as_deref()), Err(Looped::TooFar));
    }
}
