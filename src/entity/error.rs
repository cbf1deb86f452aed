//! Why a document or a name is refused.

use std::fmt;

/// What is wrong with something a client sent. All of these are answered with status 400, except
/// [`EntityError::TooLarge`] (413).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityError {
    /// The document does not have the right shape: OpenWhisk's detail, to be told after
    /// `The request content was malformed:` (reference section 1.8).
    Malformed(String),
    /// The document has the right shape and a value that is not allowed: OpenWhisk's text.
    Invalid(String),
    /// A part is larger than allowed (reference section 1.9).
    TooLarge {
        /// `exec`, `parameters`, `annotations` or `Request`.
        what: &'static str,
        /// Its bytes.
        is: u64,
        /// Bytes allowed.
        max: u64,
    },
}

impl EntityError {
    /// The document does not have the right shape.
    pub fn malformed(detail: impl Into<String>) -> Self {
        EntityError::Malformed(detail.into())
    }
}

impl fmt::Display for EntityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(detail) => write!(f, "The request content was malformed:\n{detail}"),
            Self::Invalid(text) => f.write_str(text),
            Self::TooLarge { what, is, max } => {
                write!(f, "{what} larger than allowed: {is} > {max} bytes.")
            }
        }
    }
}

impl std::error::Error for EntityError {}
