//! The body of `PUT .../packages/{name}`: how it makes or changes a package or a binding (reference
//! section 2.3).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Binding, EntityError, Package, Parameters, SizeLimits, Version, json, names};

/// The annotation that says what a binding refers to. It is the server's alone.
const BINDING: &str = "binding";

/// What a client wants a package to be; what it leaves out is `None`.
#[derive(Debug)]
pub struct NewPackage {
    /// What a binding refers to, its namespace spelled out.
    pub binding: Option<Binding>,
    parameters: Option<Parameters>,
    annotations: Option<Parameters>,
    version: Option<Version>,
    publish: Option<bool>,
}

impl NewPackage {
    /// Parses a body, with OpenWhisk's messages. `namespace` is meant by a binding to `_`. Fields
    /// that a client may not set are ignored.
    pub fn parse(body: &[u8], namespace: &str) -> Result<Self, EntityError> {
        #[derive(Deserialize)]
        struct Sent<'a> {
            #[serde(borrow)]
            binding: Option<&'a RawValue>,
            #[serde(borrow)]
            parameters: Option<&'a RawValue>,
            #[serde(borrow)]
            annotations: Option<&'a RawValue>,
            version: Option<String>,
            publish: Option<bool>,
        }
        let sent: Sent = json::document(body)?;
        let binding = sent.binding.map(binding).transpose()?.flatten();
        Ok(NewPackage {
            binding: binding.map(|binding| binding.resolved(namespace)),
            parameters: sent.parameters.map(Parameters::parse).transpose()?,
            annotations: sent.annotations.map(Parameters::parse).transpose()?,
            version: sent.version.map(|text| text.parse()).transpose()?,
            publish: sent.publish,
        })
    }

    /// Checks the sizes of the parts that were sent.
    pub fn check_sizes(&self, limits: &SizeLimits) -> Result<(), EntityError> {
        limits.check(self.parameters.as_ref(), self.annotations.as_ref())
    }

    /// The package that this makes where there is none. `now` is in milliseconds since 1970.
    pub fn create(self, namespace: &str, name: &str, now: u64) -> Package {
        Package {
            namespace: namespace.into(),
            name: name.into(),
            annotations: annotations(self.annotations.unwrap_or_default(), self.binding.as_ref()),
            binding: self.binding,
            parameters: self.parameters.unwrap_or_default(),
            version: self.version.unwrap_or(Version::FIRST).to_string(),
            publish: self.publish.unwrap_or(false),
            updated: now,
            revision: 0,
        }
    }

    /// The package that this makes of an existing one: unlike those of actions, annotations are
    /// replaced.
    pub fn update(self, old: &Package, now: u64) -> Package {
        let next = || old.version.parse().map_or(Version::FIRST, Version::next);
        let binding = self.binding.or_else(|| old.binding.clone());
        Package {
            namespace: old.namespace.clone(),
            name: old.name.clone(),
            annotations: annotations(
                self.annotations.unwrap_or_else(|| old.annotations.clone()),
                binding.as_ref(),
            ),
            binding,
            parameters: self.parameters.unwrap_or_else(|| old.parameters.clone()),
            version: self.version.unwrap_or_else(next).to_string(),
            publish: self.publish.unwrap_or(old.publish),
            // Two updates within a millisecond, or after the clock was set back, still have an
            // order.
            updated: now.max(old.updated + 1),
            revision: old.revision,
        }
    }
}

/// What a client sends as `binding`: an empty object is none.
fn binding(sent: &RawValue) -> Result<Option<Binding>, EntityError> {
    let malformed = || EntityError::malformed("binding malformed");
    if json::compact(sent).get() == "{}" {
        return Ok(None);
    }
    let binding: Binding = json::object(sent).ok_or_else(malformed)?;
    if names::is_name(&binding.namespace) && names::is_name(&binding.name) {
        Ok(Some(binding))
    } else {
        Err(malformed())
    }
}

/// Annotations with what the server says about a binding, whatever was sent.
fn annotations(sent: Parameters, binding: Option<&Binding>) -> Parameters {
    let mut annotations = sent.without(&[BINDING.to_string()]);
    if let Some(binding) = binding {
        let value = serde_json::value::to_raw_value(binding);
        annotations.annotate(BINDING, value.expect("texts are always valid JSON"));
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<NewPackage, EntityError> {
        NewPackage::parse(body.as_bytes(), "guest")
    }

    fn create(body: &str) -> Package {
        parse(body).unwrap().create("guest", "p", 7)
    }

    fn show(parameters: &Parameters) -> String {
        serde_json::to_string(parameters).unwrap()
    }

    #[test]
    fn created() {
        // 11.4-90
        let package = create(r#"{"namespace":"_","name":"other","updated":1,"binding":{ }}"#);
        assert_eq!(
            String::from_utf8(package.document()).unwrap(),
            concat!(
                r#"{"namespace":"guest","name":"p","binding":{},"parameters":[],"#,
                r#""version":"0.0.1","publish":false,"annotations":[],"updated":7}"#
            )
        );
        let nulls = create(
            r#"{"binding":null,"parameters":null,"version":null,"publish":null,"annotations":null}"#,
        );
        assert_eq!(nulls.document(), package.document());
    }

    #[test]
    fn bindings() {
        // 11.4-99, 11.4-100
        let binding = create(
            r#"{"binding":{"namespace":"_","name":"q"},
                "annotations":[{"key":"binding","value":1},{"key":"a","value":2}]}"#,
        );
        assert_eq!(binding.binding.as_ref().unwrap().path(), "guest/q");
        assert_eq!(
            show(&binding.annotations),
            r#"[{"key":"a","value":2},{"key":"binding","value":{"namespace":"guest","name":"q"}}]"#
        );
        let body = r#"{"binding":{"namespace":"ns","name":"r"}}"#;
        let moved = parse(body).unwrap().update(&binding, 9);
        assert_eq!(
            show(&moved.annotations),
            r#"[{"key":"a","value":2},{"key":"binding","value":{"namespace":"ns","name":"r"}}]"#
        );
        let package = create(r#"{"annotations":[{"key":"binding","value":1}]}"#);
        assert_eq!(show(&package.annotations), "[]");
    }

    #[test]
    fn updated() {
        let old = create(
            r#"{"parameters":[{"key":"a","value":1}],"annotations":[{"key":"x","value":1}]}"#,
        );
        // 11.4-95
        let new = parse(r#"{"publish":true}"#).unwrap().update(&old, 1);
        assert_eq!(show(&new.parameters), show(&old.parameters));
        assert_eq!(show(&new.annotations), show(&old.annotations));
        assert_eq!((new.version.as_str(), new.publish), ("0.0.2", true));
        assert_eq!(new.updated, 8);
        let body = r#"{"parameters":[],"annotations":[{"key":"y","value":1}],"version":"3"}"#;
        let new = parse(body).unwrap().update(&old, 99);
        assert_eq!(show(&new.parameters), "[]");
        assert_eq!(show(&new.annotations), r#"[{"key":"y","value":1}]"#);
        assert_eq!((new.version.as_str(), new.updated), ("3.0.0", 99));
    }

    #[test]
    fn malformed() {
        for body in [
            "",
            "[]",
            r#"{"publish":"yes"}"#,
            r#"{"version":"x"}"#,
            r#"{"parameters":{}}"#,
            r#"{"binding":"ns/p"}"#,
            r#"{"binding":["ns","p"]}"#,
            r#"{"binding":{"name":"p"}}"#,
            r#"{"binding":{"namespace":"ns","name":"a/b"}}"#,
        ] {
            let error = parse(body).unwrap_err();
            assert!(
                matches!(error, EntityError::Malformed(_)),
                "{body}: {error}"
            );
        }
    }
}
