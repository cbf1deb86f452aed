//! The top level of a JSON object, its values untouched.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// Names and values of a JSON object in the order of the text; values are slices of it.
#[derive(Debug, Default)]
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members of an object. Fails for any other JSON value.
    pub fn of(object: &'a RawValue) -> serde_json::Result<Self> {
        serde_json::from_str(object.get())
    }

    /// The value of a name; of several the last, as everywhere in OpenWhisk.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }
}

/// A member's name: borrowed from the text unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Read).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_were_written() {
        let text = r#"{"a": 1.000000000000000000001, "b\n": {"x" : [1, 2]}, "a": "last"}"#;
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        let members = Members::of(raw).unwrap();
        assert_eq!(members.0.len(), 3);
        assert_eq!(members.0[0].1.get(), "1.000000000000000000001");
        assert_eq!(members.get("b\n").unwrap().get(), r#"{"x" : [1, 2]}"#);
        assert_eq!(members.get("a").unwrap().get(), r#""last""#);
        assert!(members.get("c").is_none());
    }

    #[test]
    fn only_objects_have_members() {
        for text in ["[1]", "1", "\"x\"", "null"] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            assert!(Members::of(raw).is_err(), "{text}");
        }
    }
}
