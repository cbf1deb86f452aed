//! Names of container images (reference sections 2.2.1 and 9.1).

use std::fmt;
use std::str::FromStr;

use super::EntityError;

/// An image name in Docker's grammar: `[registry[:port]/][prefix/...]name[:tag][@digest]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// Registry and path, such as `docker.io/openwhisk/action-nodejs-v20`.
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl ImageName {
    /// Whether two names mean the same image: a missing tag is `latest`.
    pub fn is_same(&self, other: &ImageName) -> bool {
        let tag = |image: &ImageName| image.tag.clone().unwrap_or_else(|| "latest".into());
        self.repository == other.repository
            && self.digest == other.digest
            && tag(self) == tag(other)
    }

    /// Host and port of its registry, if it names one, and the path of the image there.
    pub fn registry_and_path(&self) -> (Option<&str>, &str) {
        split_registry(&self.repository)
    }

    /// Its tag, if it has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Its digest, such as `sha256:…`, if it has one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageName {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        parse(text).ok_or_else(|| EntityError::malformed("could not parse image name"))
    }
}

fn parse(text: &str) -> Option<ImageName> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    // A colon after the last slash starts the tag; one before it belongs to the registry's port.
    let name_at = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match rest[name_at..].split_once(':') {
        Some((name, tag)) => (&rest[..name_at + name.len()], Some(tag)),
        None => (rest, None),
    };
    let (registry, path) = split_registry(repository);
    let legal = repository.len() <= 255
        && registry.is_none_or(is_registry)
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    legal.then(|| ImageName {
        repository: repository.into(),
        tag: tag.map(Into::into),
        digest: digest.map(Into::into),
    })
}

/// A first part that looks like a host is the registry.
fn split_registry(repository: &str) -> (Option<&str>, &str) {
    match repository.split_once('/') {
        Some((first, path)) if first == "localhost" || first.contains(['.', ':']) => {
            (Some(first), path)
        }
        _ => (None, repository),
    }
}

/// Host and port of a registry.
fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    host.split('.').all(label) && !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit())
}

/// One part of the path: runs of lower-case letters and digits, separated by one dot, one or two
/// underscores, or any number of dashes.
fn is_component(text: &str) -> bool {
    let separator = |c: char| matches!(c, '.' | '_' | '-');
    let runs_and_gaps = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || separator(c);
    let gap_is_legal =
        |gap: &str| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|c| c == b'-');
    !text.is_empty()
        && text.chars().all(runs_and_gaps)
        && !text.starts_with(separator)
        && !text.ends_with(separator)
        && text.split(|c: char| !separator(c)).all(gap_is_legal)
}

fn is_tag(text: &str) -> bool {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|c| word(c) || matches!(c, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
            && algorithm
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'.' | b'_' | b'-'))
            && hex.len() >= 32
            && hex.bytes().all(|c| c.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for name in [
            "alpine",
            "openwhisk/dockerskeleton",
            "openwhisk/dockerskeleton:nightly",
            "localhost/x",
            "localhost:5000/a/b/c:1.2_3-x",
            "Registry.example.com/a__b/c--d.e:Latest",
            &format!("alpine@{digest}"),
            &format!("r.io:1/alpine:3@{digest}"),
        ] {
            let parsed: ImageName = name.parse().unwrap();
            assert_eq!(parsed.to_string(), name);
        }
    }

    #[test]
    fn illegal() {
        for name in [
            "",
            "Alpine",
            "a b",
            "a:",
            "a:b:c",
            "a//b",
            "/a",
            "a/",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "r.io:x/a",
            "a@sha256:00",
            "a:-b",
            "é",
        ] {
            assert_eq!(
                name.parse::<ImageName>().unwrap_err().to_string(),
                "The request content was malformed:\ncould not parse image name",
                "{name}"
            );
        }
    }

    #[test]
    fn parts() {
        let image: ImageName = "r.io:1/a/b:2".parse().unwrap();
        assert_eq!(image.registry_and_path(), (Some("r.io:1"), "a/b"));
        assert_eq!((image.tag(), image.digest()), (Some("2"), None));
        let image: ImageName = "a/b".parse().unwrap();
        assert_eq!(
            (image.registry_and_path(), image.tag()),
            ((None, "a/b"), None)
        );
    }

    #[test]
    fn same_image() {
        let same = |a: &str, b: &str| {
            let image = |text: &str| text.parse::<ImageName>().unwrap();
            image(a).is_same(&image(b))
        };
        assert!(same("openwhisk/x", "openwhisk/x:latest"));
        assert!(!same("openwhisk/x", "openwhisk/x:nightly"));
        assert!(!same("x", "openwhisk/x"));
    }
}
