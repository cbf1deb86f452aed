//! Versions of entities (reference section 2.1).

use std::fmt;
use std::str::FromStr;

use super::EntityError;

/// `major.minor.patch`; never `0.0.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// The version of a new entity.
    pub const FIRST: Version = Version {
        major: 0,
        minor: 0,
        patch: 1,
    };

    /// The version after an update.
    #[must_use]
    pub const fn next(self) -> Self {
        Version {
            patch: self.patch.saturating_add(1),
            ..self
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = EntityError;

    /// Missing parts are 0: `1` is `1.0.0`.
    fn from_str(text: &str) -> Result<Self, EntityError> {
        let malformed = || EntityError::malformed("semantic version malformed");
        let mut parts = [0; 3];
        let mut given = text.split('.');
        for (part, text) in parts.iter_mut().zip(given.by_ref()) {
            // `u32::from_str` takes a plus sign, which is no part of a version.
            if !text.bytes().all(|c| c.is_ascii_digit()) {
                return Err(malformed());
            }
            *part = text.parse().map_err(|_| malformed())?;
        }
        let [major, minor, patch] = parts;
        if given.next().is_some() || parts == [0; 3] {
            return Err(malformed());
        }
        Ok(Version {
            major,
            minor,
            patch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_and_next() {
        let next = |text: &str| text.parse::<Version>().unwrap().next().to_string();
        assert_eq!(Version::FIRST.to_string(), "0.0.1");
        assert_eq!(next("0.0.1"), "0.0.2");
        assert_eq!(next("1"), "1.0.1");
        assert_eq!(next("1.2"), "1.2.1");
        assert_eq!(next("0.0.4294967295"), "0.0.4294967295");
    }

    #[test]
    fn malformed() {
        for bad in [
            "", "0", "0.0.0", "-1.0.0", "+1.0.0", "a", "1.", "1.2.3.4", "1..2",
        ] {
            assert_eq!(
                bad.parse::<Version>().unwrap_err().to_string(),
                "The request content was malformed:\nsemantic version malformed",
                "{bad}"
            );
        }
    }
}
