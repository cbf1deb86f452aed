//! Packages and bindings as they are kept (reference section 2.3).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::full_name::OWN;
use super::{Parameters, json};

/// A package, or a binding: another name for one, with parameters of its own.
#[derive(Clone, Debug)]
pub struct Package {
    /// Namespace.
    pub namespace: String,
    /// Bare name.
    pub name: String,
    /// What a binding refers to.
    pub binding: Option<Binding>,
    /// Parameters that the package's actions inherit.
    pub parameters: Parameters,
    /// `major.minor.patch`.
    pub version: String,
    /// Whether others may read it and invoke its actions.
    pub publish: bool,
    /// Annotations.
    pub annotations: Parameters,
    /// Last change, in milliseconds since 1970.
    pub updated: u64,
    /// Revision in the store.
    pub revision: u64,
}

/// The package that a binding refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Binding {
    /// The binding with `namespace` in the place of `_`.
    #[must_use]
    pub fn resolved(self, namespace: &str) -> Self {
        if self.namespace != OWN {
            return self;
        }
        Binding {
            namespace: namespace.into(),
            ..self
        }
    }

    /// `ns/name`
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Package {
    /// `ns/name`: its key in the store.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether everybody may read it and invoke what is in it. A binding is its owner's alone.
    pub const fn is_public(&self) -> bool {
        self.publish && self.binding.is_none()
    }

    /// Reads a stored document; none if it is not one.
    pub fn from_document(document: &[u8], revision: u64) -> Option<Self> {
        let read: Document = json::stored(document)?;
        Some(Package {
            namespace: read.namespace,
            name: read.name,
            binding: read
                .binding
                .namespace
                .zip(read.binding.name)
                .map(|(namespace, name)| Binding { namespace, name }),
            parameters: read.parameters,
            version: read.version,
            publish: read.publish,
            annotations: read.annotations,
            updated: read.updated,
            revision,
        })
    }

    /// The document: what is stored, and the answer to a write.
    pub fn document(&self) -> Vec<u8> {
        self.document_with(&self.parameters)
    }

    /// One row of a list (reference section 2.3).
    pub fn list_element(&self) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Row<'a> {
            namespace: &'a str,
            name: &'a str,
            version: &'a str,
            publish: bool,
            annotations: &'a Parameters,
            updated: u64,
            binding: Reference<'a>,
        }
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Reference<'a> {
            Binding(&'a Binding),
            Package(bool),
        }
        let row = Row {
            namespace: &self.namespace,
            name: &self.name,
            version: &self.version,
            publish: self.publish,
            annotations: &self.annotations,
            updated: self.updated,
            binding: match &self.binding {
                Some(binding) => Reference::Binding(binding),
                None => Reference::Package(false),
            },
        };
        serde_json::value::to_raw_value(&row).expect("texts and numbers are always valid JSON")
    }

    /// The document with the parameters that its actions inherit in the place of its own.
    pub fn document_with(&self, parameters: &Parameters) -> Vec<u8> {
        #[derive(Serialize)]
        struct View<'a> {
            namespace: &'a str,
            name: &'a str,
            binding: BindingView<'a>,
            parameters: &'a Parameters,
            version: &'a str,
            publish: bool,
            annotations: &'a Parameters,
            updated: u64,
        }
        serde_json::to_vec(&View {
            namespace: &self.namespace,
            name: &self.name,
            binding: BindingView {
                namespace: self.binding.as_ref().map(|to| to.namespace.as_str()),
                name: self.binding.as_ref().map(|to| to.name.as_str()),
            },
            parameters,
            version: &self.version,
            publish: self.publish,
            annotations: &self.annotations,
            updated: self.updated,
        })
        .expect("texts and numbers are always valid JSON")
    }
}

/// An empty object for a package that is not a binding.
#[derive(Serialize)]
struct BindingView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Deserialize)]
struct Document {
    namespace: String,
    name: String,
    binding: StoredBinding,
    parameters: Parameters,
    version: String,
    publish: bool,
    annotations: Parameters,
    updated: u64,
}

#[derive(Deserialize)]
struct StoredBinding {
    namespace: Option<String>,
    name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_read() {
        let mut package = Package {
            namespace: "ns".into(),
            name: "p".into(),
            binding: None,
            parameters: Parameters::default(),
            version: "0.0.1".into(),
            publish: true,
            annotations: Parameters::default(),
            updated: 7,
            revision: 3,
        };
        let text = String::from_utf8(package.document()).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"namespace":"ns","name":"p","binding":{},"parameters":[],"version":"0.0.1","#,
                r#""publish":true,"annotations":[],"updated":7}"#
            )
        );
        let read = Package::from_document(text.as_bytes(), 3).unwrap();
        assert_eq!((read.path(), read.binding), ("ns/p".to_string(), None));
        package.binding = Some(Binding {
            namespace: "o".into(),
            name: "q".into(),
        });
        let read = Package::from_document(&package.document(), 3).unwrap();
        assert_eq!(read.binding.unwrap().path(), "o/q");
    }
}
