//! The HTTP methods that an operation of an API can have.

use std::fmt;
use std::str::FromStr;

/// A method, as Swagger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// `DELETE`
    Delete,
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl Verb {
    /// All of them, in the order of their names.
    pub(super) const ALL: [Verb; 7] = [
        Self::Delete,
        Self::Get,
        Self::Head,
        Self::Options,
        Self::Patch,
        Self::Post,
        Self::Put,
    ];

    /// As in requests.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    /// As in Swagger documents.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Head => "head",
            Self::Options => "options",
            Self::Patch => "patch",
            Self::Post => "post",
            Self::Put => "put",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// There is no such method.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownVerb;

impl FromStr for Verb {
    type Err = UnknownVerb;

    /// In any case: the CLI sends upper case, documents have lower case.
    fn from_str(text: &str) -> Result<Self, UnknownVerb> {
        let found = Self::ALL
            .into_iter()
            .find(|verb| verb.key().eq_ignore_ascii_case(text));
        found.ok_or(UnknownVerb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for verb in Verb::ALL {
            assert_eq!(verb.method().parse(), Ok(verb));
            assert_eq!(verb.key().parse(), Ok(verb));
        }
        assert_eq!("parameters".parse::<Verb>(), Err(UnknownVerb));
    }
}
