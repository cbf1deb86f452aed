//! Which version of the Engine API to speak.

use std::fmt;
use std::str::FromStr;

use super::error::DockerError;

/// Oldest version that is spoken: Docker 20.10, Podman 4.
pub const OLDEST: Version = Version(1, 41);
/// Newest version that is spoken: Docker 29.
pub const NEWEST: Version = Version(1, 52);

/// `major.minor` of the Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u16, u16);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Version {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Version(major.parse()?, minor.parse()?))
    }
}

/// The newest version that both sides speak. `min` is missing in what very old and some
/// compatible engines say; they then speak everything up to `max`.
pub(super) fn negotiate(max: &str, min: Option<&str>) -> Result<Version, DockerError> {
    let refuse = || DockerError::Version {
        engine: format!("{} to {max}", min.unwrap_or("?")),
    };
    let newest: Version = max.parse().map_err(|_| refuse())?;
    let oldest = match min {
        Some(min) => min.parse().map_err(|_| refuse())?,
        None => OLDEST,
    };
    let version = newest.min(NEWEST);
    if version < OLDEST || version < oldest {
        return Err(refuse());
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version() {
        let agreed = |max, min| negotiate(max, min).expect("they agree").to_string();
        assert_eq!(agreed("1.41", Some("1.12")), "1.41");
        assert_eq!(agreed("1.47", Some("1.24")), "1.47");
        assert_eq!(agreed("1.52", Some("1.44")), "1.52");
        assert_eq!(agreed("1.60", Some("1.44")), "1.52");
        assert_eq!(agreed("1.44", None), "1.44");
    }

    #[test]
    fn too_old_too_new_or_nonsense() {
        for (max, min) in [
            ("1.40", Some("1.12")),
            ("1.70", Some("1.53")),
            ("x", None),
            ("1.44", Some("")),
        ] {
            let error = negotiate(max, min).expect_err(max).to_string();
            assert!(error.contains("1.41 to 1.52"), "{error}");
        }
    }
}
