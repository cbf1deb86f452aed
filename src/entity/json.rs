//! JSON texts that are passed on without being understood.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub use super::pretty_json::pretty;
use super::{EntityError, Members, Parameters};

/// A JSON text without the white space between its tokens; numbers and strings stay as written.
pub fn compact(json: &RawValue) -> Cow<'_, RawValue> {
    let text = json.get();
    let mut kept = String::new();
    // What is before this position has been copied.
    let mut copied = 0;
    let (mut in_string, mut escaped) = (false, false);
    for (at, c) in text.bytes().enumerate() {
        if in_string {
            (in_string, escaped) = match c {
                _ if escaped => (true, false),
                b'\\' => (true, true),
                b'"' => (false, false),
                _ => (true, false),
            };
        } else if c == b'"' {
            in_string = true;
        } else if matches!(c, b' ' | b'\t' | b'\n' | b'\r') {
            kept.push_str(&text[copied..at]);
            copied = at + 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    kept.push_str(&text[copied..]);
    Cow::Owned(RawValue::from_string(kept).expect("leaving out white space keeps JSON valid"))
}

/// Reads a JSON object as a structure. Arrays are refused, which serde would take field by field.
pub fn object<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    if !json.get().starts_with('{') {
        return None;
    }
    serde_json::from_str(json.get()).ok()
}

/// The first elements of an array, at most `most`; none if it is no array. The others are only
/// checked to be JSON.
pub fn first_elements(json: &RawValue, most: usize) -> Option<Vec<&RawValue>> {
    struct First(usize);
    impl<'de> Visitor<'de> for First {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON array")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<Self::Value, S::Error> {
            let mut elements = Vec::new();
            while elements.len() < self.0 {
                match sequence.next_element()? {
                    Some(element) => elements.push(element),
                    None => return Ok(elements),
                }
            }
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
            Ok(elements)
        }
    }
    let mut read = serde_json::Deserializer::from_str(json.get());
    read.deserialize_seq(First(most)).ok()
}

/// Reads the body of a `PUT`, which must be a JSON object (reference section 1.8).
pub fn document<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, EntityError> {
    let syntax = |error: serde_json::Error| EntityError::malformed(error.to_string());
    let body: &RawValue = serde_json::from_slice(body).map_err(syntax)?;
    if !body.get().starts_with('{') {
        return Err(EntityError::malformed("JSON object expected"));
    }
    serde_json::from_str(body.get()).map_err(syntax)
}

/// Reads what the store has; none if it is not that.
pub fn stored<'a, T: Deserialize<'a>>(document: &'a [u8]) -> Option<T> {
    // As a text, like all other JSON here: each type is then read by one copy of the code.
    serde_json::from_str(str::from_utf8(document).ok()?).ok()
}

/// The text of a JSON string; none for any other value. Halves of surrogate pairs, which
/// JavaScript lets exist alone, become U+FFFD.
pub fn text(json: &RawValue) -> Option<String> {
    struct Lossy(String);

    impl<'de> Deserialize<'de> for Lossy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Read;

            impl Visitor<'_> for Read {
                type Value = Lossy;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a JSON string")
                }

                fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lossy, E> {
                    Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
                }
            }

            deserializer.deserialize_bytes(Read)
        }
    }

    let is_string = json.get().starts_with('"');
    let read = || serde_json::from_str(json.get()).ok();
    is_string.then(read)?.map(|Lossy(text)| text)
}

/// A text as JSON.
pub fn string(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).expect("a text is always valid JSON")
}

/// A truth value as JSON.
pub fn boolean(value: bool) -> Box<RawValue> {
    serde_json::value::to_raw_value(&value).expect("a truth value is always valid JSON")
}

/// Takes the body of an invocation as its payload: nothing for an empty one, else it must be a
/// JSON object (reference section 1.8). The bytes are checked once and not copied.
pub fn payload(body: Vec<u8>) -> Result<Option<Box<RawValue>>, EntityError> {
    let mut text = String::from_utf8(body)
        .map_err(|_| EntityError::malformed("the content is not valid UTF-8"))?;
    // Clients end the document with a line feed; trimmed in place, the rest stays where it is.
    text.truncate(text.trim_ascii_end().len());
    if text.is_empty() {
        return Ok(None);
    }
    let payload =
        RawValue::from_string(text).map_err(|error| EntityError::malformed(error.to_string()))?;
    if payload.get().starts_with('{') {
        Ok(Some(payload))
    } else {
        Err(EntityError::malformed("JSON object expected"))
    }
}

/// Whether a payload has a key that is a defined parameter, that is one whose value is not `null`
/// (reference section 4.4).
pub fn overrides_defined(payload: &RawValue, parameters: &Parameters) -> bool {
    let defined: HashSet<&str> = parameters.defined().collect();
    Members::of(payload).is_ok_and(|payload| {
        let mut keys = payload.0.iter().map(|(key, _)| &**key);
        keys.any(|key| defined.contains(key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    #[test]
    fn compact_leaves_strings_and_numbers() {
        let compacted = |text| compact(&raw(text)).get().to_string();
        assert_eq!(compacted("{ \"a b\" :\t[ 1 , 2 ]\n}"), "{\"a b\":[1,2]}");
        assert_eq!(
            compacted(r#"[ "a \\" , "b \" c" ]"#),
            r#"["a \\","b \" c"]"#
        );
        assert_eq!(
            compacted("[1.50, 12345678901234567890]"),
            "[1.50,12345678901234567890]"
        );
        assert!(matches!(compact(&raw("{\"a\":1}")), Cow::Borrowed(_)));
    }

    #[test]
    fn texts() {
        let text = |json: &str| text(&raw(json));
        assert_eq!(text(r#""a\n\u00e9\ud83d\ude00é""#).unwrap(), "a\né😀é");
        assert_eq!(text("\"\"").unwrap(), "");
        assert!(text(r#""a\ud800b""#).unwrap().starts_with("a\u{fffd}"));
        for other in ["1", "[1]", "null", "{}", "[97]"] {
            assert_eq!(text(other), None, "{other}");
        }
    }

    #[test]
    fn payloads() {
        let get = |text: &str| payload(text.as_bytes().to_vec()).map(|p| p.map(|p| p.to_string()));
        // 11.7-168
        assert_eq!(get(""), Ok(None));
        assert_eq!(get(" \n"), Ok(None));
        assert_eq!(get("{\"a\": 1}\n"), Ok(Some("{\"a\": 1}".into())));
        assert_eq!(get(" {}"), Ok(Some("{}".into())));
        // 11.7-169
        for bad in ["[1]", "\"a\"", "1", "null"] {
            assert_eq!(
                get(bad).unwrap_err().to_string(),
                "The request content was malformed:\nJSON object expected"
            );
        }
        assert!(matches!(get("{\"a\":"), Err(EntityError::Malformed(_))));
        assert!(matches!(get("{} {}"), Err(EntityError::Malformed(_))));
        assert!(matches!(
            payload(vec![b'{', 0xff, b'}']),
            Err(EntityError::Malformed(_))
        ));
    }

    #[test]
    fn only_defined_parameters_are_protected() {
        // 11.7-181
        let parameters = Parameters::parse(&raw(
            r#"[{"key":"set","value":1},{"key":"open","value":null}]"#,
        ))
        .unwrap();
        let overrides = |text| overrides_defined(&raw(text), &parameters);
        assert!(overrides(r#"{"x":1,"set":2}"#));
        assert!(overrides(r#"{"s\u0065t":2}"#));
        assert!(!overrides(r#"{"open":2,"other":{"set":1}}"#));
        assert!(!overrides("{}"));
    }
}
