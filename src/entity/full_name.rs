//! Names of entities as documents refer to them (reference section 1.4).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{EntityError, json, names};

/// A namespace that stands for the one it is used in.
pub(super) const OWN: &str = "_";

/// A fully qualified name: `ns/name` or `ns/package/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FullName {
    /// `ns` or `ns/package`.
    pub path: String,
    /// Bare name.
    pub name: String,
}

impl FullName {
    /// The name of an entity directly in a namespace, or in a package of it.
    pub fn new(namespace: &str, package: Option<&str>, name: &str) -> Self {
        FullName {
            path: match package {
                Some(package) => format!("{namespace}/{package}"),
                None => namespace.into(),
            },
            name: name.into(),
        }
    }

    /// Parses what a document has: a text, with or without a slash before it, or an object of path
    /// and name.
    ///
    /// # Errors
    /// OpenWhisk's messages for names that are too short or malformed.
    pub fn parse(json: &RawValue) -> Result<Self, EntityError> {
        #[derive(Deserialize)]
        struct Parts {
            path: String,
            name: String,
        }
        if let Ok(text) = serde_json::from_str::<String>(json.get()) {
            return text.parse();
        }
        let parts: Parts = json::object(json).ok_or_else(malformed)?;
        if parts.name.contains('/') {
            return Err(malformed());
        }
        format!("{}/{}", parts.path, parts.name).parse()
    }

    /// First segment.
    pub fn namespace(&self) -> &str {
        names::namespace_and_package(&self.path).0
    }

    /// The package, if it is in one.
    pub fn package(&self) -> Option<&str> {
        names::namespace_and_package(&self.path).1
    }

    /// The name with `namespace` in the place of `_`.
    #[must_use]
    pub fn resolved(self, namespace: &str) -> Self {
        if self.namespace() != OWN {
            return self;
        }
        FullName {
            path: format!("{namespace}{}", &self.path[OWN.len()..]),
            name: self.name,
        }
    }
}

fn malformed() -> EntityError {
    EntityError::malformed("fully qualified name malformed")
}

impl FromStr for FullName {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let segments: Vec<&str> = names::segments(text).collect();
        if !segments.iter().all(|segment| names::is_name(segment)) {
            return Err(malformed());
        }
        match *segments.as_slice() {
            [] | [_] => Err(EntityError::malformed(
                "requirement failed: The fully qualified name of the entity must contain at \
                 least the namespace and the name of the entity.",
            )),
            [namespace, name] => Ok(FullName::new(namespace, None, name)),
            [namespace, package, name] => Ok(FullName::new(namespace, Some(package), name)),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.path, self.name)
    }
}

/// For stored documents.
impl<'de> Deserialize<'de> for FullName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parts {
            path: String,
            name: String,
        }
        let Parts { path, name } = Parts::deserialize(deserializer)?;
        Ok(FullName { path, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<FullName, EntityError> {
        FullName::parse(&RawValue::from_string(json.into()).unwrap())
    }

    #[test]
    fn forms() {
        for (json, shown) in [
            (r#""/ns/a""#, "ns/a"),
            (r#""ns//a/""#, "ns/a"),
            (r#""_/p/a b""#, "me/p/a b"),
            (r#"{"path":"ns/p","name":"a"}"#, "ns/p/a"),
            (r#"{"path":"_","name":"a"}"#, "me/a"),
        ] {
            let name = parse(json).unwrap().resolved("me");
            assert_eq!(name.to_string(), shown);
        }
        let name = parse(r#""/ns/p/a""#).unwrap();
        assert_eq!((name.namespace(), name.package()), ("ns", Some("p")));
        assert_eq!(parse(r#""/ns/a""#).unwrap().package(), None);
        let stored = serde_json::to_string(&name).unwrap();
        assert_eq!(stored, r#"{"path":"ns/p","name":"a"}"#);
        assert_eq!(serde_json::from_str::<FullName>(&stored).unwrap(), name);
    }

    #[test]
    fn refused() {
        // 11.6-144, 11.9-221
        for short in [r#""a""#, r#""/a""#, r#""""#, r#"{"path":"","name":"a"}"#] {
            assert_eq!(
                parse(short).unwrap_err().to_string(),
                "The request content was malformed:\nrequirement failed: The fully qualified name \
                 of the entity must contain at least the namespace and the name of the entity.",
                "{short}"
            );
        }
        for wrong in [
            "1",
            "[]",
            "{}",
            r#"{"path":"a","name":"b/c"}"#,
            r#""a/b/c/d""#,
            r#""a/b#""#,
        ] {
            assert_eq!(
                parse(wrong).unwrap_err().to_string(),
                "The request content was malformed:\nfully qualified name malformed",
                "{wrong}"
            );
        }
    }
}
