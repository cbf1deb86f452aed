//! Where the work of an activation was done, if not plainly here: the annotation `owl-tier` of its
//! record, as it is written and read.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{ActivationId, json};

/// What the annotation says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Whereabouts<'a> {
    /// The OpenWhisk that has done the work; none if that is the one that has the record.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Cow<'a, str>>,
    /// Why it was done there.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// The activation there, if it has told its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_id: Option<ActivationId>,
}

impl Whereabouts<'_> {
    /// The same, of texts of its own.
    pub fn into_owned(self) -> Whereabouts<'static> {
        Whereabouts {
            url: self.url.map(|url| url.into_owned().into()),
            reason: self.reason.into_owned().into(),
            activation_id: self.activation_id,
        }
    }

    /// Name of the annotation.
    pub const ANNOTATION: &'static str = "owl-tier";

    /// The annotation of a record.
    pub fn annotation(&self) -> (&'static str, Box<RawValue>) {
        let value = to_raw_value(self).expect("texts are always valid JSON");
        (Self::ANNOTATION, value)
    }
}

/// The annotations of a record, as they are read.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct Annotations<'a>(#[serde(borrow)] Vec<Annotation<'a>>);

#[derive(Deserialize)]
struct Annotation<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

impl<'a> Annotations<'a> {
    /// The value of an annotation.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|annotation| annotation.key == key);
        found.map(|annotation| annotation.value)
    }

    /// Where the work was done.
    pub fn whereabouts(&self) -> Option<Whereabouts<'a>> {
        self.get(Whereabouts::ANNOTATION).and_then(json::object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let id = ActivationId::from_bytes([0x41; 16]);
        for (url, activation_id) in [(Some("https://m"), Some(id)), (None, None)] {
            let (key, value) = Whereabouts {
                url: url.map(Into::into),
                reason: "queue-full".into(),
                activation_id,
            }
            .annotation();
            let text = format!(r#"[{{"key":"a","value":1}},{{"key":"{key}","value":{value}}}]"#);
            let read: Annotations<'_> = serde_json::from_str(&text).unwrap();
            let whereabouts = read.whereabouts().unwrap();
            assert_eq!(whereabouts.url.as_deref(), url);
            assert_eq!(whereabouts.reason, "queue-full");
            assert_eq!(whereabouts.activation_id, activation_id);
            assert_eq!(read.get("a").unwrap().get(), "1");
        }
        for other in [r#"[]"#, r#"[{"key":"owl-tier","value":"text"}]"#] {
            let read: Annotations<'_> = serde_json::from_str(other).unwrap();
            assert!(read.whereabouts().is_none(), "{other}");
        }
    }
}
