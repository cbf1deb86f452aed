//! Actions as they are kept and shown (reference section 2.2).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::exec::Fields;
use super::{ActionLimits, Exec, Parameters, json};

/// An action. Its code is kept apart.
#[derive(Clone, Debug)]
pub struct Action {
    /// `ns` or `ns/package`.
    pub namespace: String,
    /// Bare name.
    pub name: String,
    /// What it runs.
    pub exec: Exec,
    /// Default parameters; for an invocation, merged over those of its package and binding.
    pub parameters: Parameters,
    /// Limits.
    pub limits: ActionLimits,
    /// `major.minor.patch`.
    pub version: String,
    /// Public or not; of no effect on actions.
    pub publish: bool,
    /// Annotations.
    pub annotations: Parameters,
    /// Last change, in milliseconds since 1970.
    pub updated: u64,
    /// Revision in the store: tells this action from an earlier one of the same name and version.
    pub revision: u64,
}

impl Action {
    /// `ns/name` or `ns/package/name`: its key in the store, and `path` of its activations.
    pub fn path(&self) -> String {
        [&*self.namespace, &*self.name].join("/")
    }

    /// Reads a stored document; none if it is not one.
    pub fn from_document(document: &[u8], revision: u64) -> Option<Self> {
        let read: Document = json::stored(document)?;
        Some(Action {
            namespace: read.namespace,
            name: read.name,
            exec: read.exec.try_into().ok()?,
            parameters: read.parameters,
            limits: read.limits,
            version: read.version,
            publish: read.publish,
            annotations: read.annotations,
            updated: read.updated,
            revision,
        })
    }

    /// The document without code: what is stored.
    pub fn document(&self) -> Vec<u8> {
        self.json(None, None)
    }

    /// What `code=false` shows: the document without code, with the binding, as `ns/binding`, that
    /// the action was reached through (reference section 2.2.5).
    pub fn without_code(&self, binding: Option<&str>) -> Vec<u8> {
        self.json(None, binding)
    }

    /// The document with the code, if there is any (reference section 2.2).
    pub fn full(&self, code: Option<&str>) -> Vec<u8> {
        self.json(code, None)
    }

    /// What a package says about it (reference section 2.3).
    pub fn summary(&self) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Summary<'a> {
            name: &'a str,
            version: &'a str,
            annotations: &'a Parameters,
        }
        serde_json::value::to_raw_value(&Summary {
            name: &self.name,
            version: &self.version,
            annotations: &self.annotations,
        })
        .expect("texts are always valid JSON")
    }

    /// Whether it drives triggers: its package lists it as a feed then, and not as an action.
    pub fn is_feed(&self) -> bool {
        self.annotations.get("feed").is_some()
    }

    /// One row of a list (reference section 2.2.5).
    pub fn list_element(&self) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Row<'a> {
            namespace: &'a str,
            name: &'a str,
            version: &'a str,
            publish: bool,
            annotations: &'a Parameters,
            limits: &'a ActionLimits,
            exec: Binary,
            updated: u64,
        }
        #[derive(Serialize)]
        struct Binary {
            binary: bool,
        }
        serde_json::value::to_raw_value(&Row {
            namespace: &self.namespace,
            name: &self.name,
            version: &self.version,
            publish: self.publish,
            annotations: &self.annotations,
            limits: &self.limits,
            exec: Binary {
                binary: self.exec.binary(),
            },
            updated: self.updated,
        })
        .expect("texts and numbers are always valid JSON")
    }

    /// Whether the namespace's key is given to the code: also when nothing is said, as for actions
    /// that are older than the annotation (reference section 7.2).
    pub fn provides_api_key(&self) -> bool {
        self.annotations
            .is_truthy("provide-api-key")
            .unwrap_or(true)
    }

    fn json(&self, code: Option<&str>, binding: Option<&str>) -> Vec<u8> {
        #[derive(Serialize)]
        struct View<'a> {
            namespace: &'a str,
            name: &'a str,
            exec: Fields<'a>,
            parameters: &'a Parameters,
            limits: &'a ActionLimits,
            version: &'a str,
            publish: bool,
            annotations: &'a Parameters,
            updated: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            binding: Option<&'a str>,
        }
        serde_json::to_vec(&View {
            namespace: &self.namespace,
            name: &self.name,
            exec: self.exec.fields(code),
            parameters: &self.parameters,
            limits: &self.limits,
            version: &self.version,
            publish: self.publish,
            annotations: &self.annotations,
            updated: self.updated,
            binding,
        })
        .expect("texts and numbers are always valid JSON")
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    namespace: String,
    name: String,
    #[serde(borrow)]
    exec: Fields<'a>,
    parameters: Parameters,
    limits: ActionLimits,
    version: String,
    publish: bool,
    annotations: Parameters,
    updated: u64,
}

/// The annotation `exec` of an action: its kind.
pub(super) fn exec_annotation(exec: &Exec) -> Box<RawValue> {
    super::json::string(exec.kind())
}
