//! One operation of an API: which web action it leads to.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::object::Object;
use super::template::Template;
use super::{GatewayError, Verb};
use crate::entity::Secret;
use crate::entity::names::{self, NO_PACKAGE};

/// The member of an operation that says where it leads.
pub(super) const X_OPENWHISK: &str = "x-openwhisk";
/// Extensions of web actions (reference section 6.1).
const EXTENSIONS: [&str; 5] = ["http", "json", "html", "svg", "text"];

/// The web action that an operation leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its namespace.
    pub namespace: String,
    /// Its package, if it is in one.
    pub package: Option<String>,
    /// Bare name.
    pub action: String,
    /// What is made of its result: `http`, `json`, `html`, `svg` or `text`.
    pub extension: String,
}

impl Backend {
    /// A web action by the name that clients send: `[[/]namespace/][package/]action`; `namespace`
    /// is the one it is in if the name does not say.
    ///
    /// # Errors
    /// It is no name of an action, or the extension none of web actions.
    pub fn of_name(name: &str, namespace: &str, extension: &str) -> Result<Self, GatewayError> {
        let segments: Vec<&str> = names::segments(name).collect();
        let (namespace, package, action) = match *segments.as_slice() {
            [action] => (namespace, None, action),
            [package, action] => (namespace, Some(package), action),
            ["_", package, action] => (namespace, Some(package), action),
            [namespace, package, action] => (namespace, Some(package), action),
            _ => {
                return Err(GatewayError::invalid(format!(
                    "'{name}' is no name of an action"
                )));
            }
        };
        Self::checked(namespace, package, action, extension)
    }

    fn checked(
        namespace: &str,
        package: Option<&str>,
        action: &str,
        extension: &str,
    ) -> Result<Self, GatewayError> {
        let package = package.filter(|package| !package.is_empty() && *package != NO_PACKAGE);
        for name in [Some(namespace), package, Some(action)]
            .into_iter()
            .flatten()
        {
            if !names::is_name(name) {
                return Err(GatewayError::invalid(format!(
                    "'{name}' is no name of an action"
                )));
            }
        }
        if !EXTENSIONS.contains(&extension) {
            return Err(GatewayError::invalid(format!(
                "the response type '{extension}' is none of {}",
                EXTENSIONS.join(", ")
            )));
        }
        Ok(Backend {
            namespace: namespace.to_owned(),
            package: package.map(ToOwned::to_owned),
            action: action.to_owned(),
            extension: extension.to_owned(),
        })
    }

    /// The package, or what stands for none.
    pub fn package_or_default(&self) -> &str {
        self.package.as_deref().unwrap_or(NO_PACKAGE)
    }

    /// Its URL on a server, whose address is without a slash at its end.
    fn url(&self, origin: &str) -> String {
        let path = format!(
            "{}/{}/{}.{}",
            self.namespace,
            self.package_or_default(),
            self.action,
            self.extension
        );
        // A space is the only character of names that a path cannot have.
        format!("{origin}/api/v1/web/{}", path.replace(' ', "%20"))
    }

    /// What a document says.
    fn of_document(json: &RawValue, own_namespace: &str) -> Result<Self, GatewayError> {
        #[derive(Deserialize)]
        struct Sent {
            action: String,
            namespace: Option<String>,
            package: Option<String>,
            url: Option<String>,
        }
        let sent: Sent = serde_json::from_str(json.get()).map_err(|error| {
            GatewayError::invalid(format!("{X_OPENWHISK} is malformed: {error}"))
        })?;
        let namespace = sent.namespace.as_deref().filter(|name| *name != "_");
        let url = sent.url.as_deref();
        Self::checked(
            namespace.unwrap_or(own_namespace),
            sent.package.as_deref(),
            &sent.action,
            url.and_then(extension_of_url).unwrap_or("http"),
        )
    }
}

/// The extension at the end of a web action's URL.
pub fn extension_of_url(url: &str) -> Option<&str> {
    let path = url.split(['?', '#', '$']).next()?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(extension).filter(|extension| EXTENSIONS.contains(extension))
}

/// An operation to be added to an API.
pub struct NewOperation {
    /// Base path of the API.
    pub base_path: String,
    /// Path, relative to the base path.
    pub path: String,
    /// Its method.
    pub verb: Verb,
    /// Name of the API, if the request says.
    pub title: Option<String>,
    /// Where it leads.
    pub backend: Backend,
    /// What the web action wants in `X-Require-Whisk-Auth`.
    pub secure_key: Option<Secret>,
    /// Address of the server as the client knows it, without a slash at its end.
    pub origin: String,
}

/// An operation of an API.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    members: Object,
    pub(super) backend: Backend,
    /// Kept apart from the document, so that showing it gives no secret away.
    pub(super) secure_key: Option<Secret>,
}

impl Operation {
    /// What a request to add one makes.
    pub(super) fn new(new: &NewOperation, template: &Template) -> Self {
        let mut members = Object::default();
        members.set("operationId", &operation_id(new.verb, template.text()));
        members.set(
            X_OPENWHISK,
            &json!({
                "action": new.backend.action,
                "namespace": new.backend.namespace,
                "package": new.backend.package_or_default(),
                "url": new.backend.url(&new.origin),
            }),
        );
        members.set(
            "responses",
            &json!({"default": {"description": "Default response"}}),
        );
        Operation {
            members,
            backend: new.backend.clone(),
            secure_key: new.secure_key.clone(),
        }
    }

    /// Reads one of a document. `own_namespace` is the API's.
    pub(super) fn read(members: Object, own_namespace: &str) -> Result<Self, GatewayError> {
        super::import::refuse_protection(&members)?;
        let target = members.get(X_OPENWHISK).ok_or_else(|| {
            GatewayError::invalid(format!(
                "there is no {X_OPENWHISK} with the action that it leads to"
            ))
        })?;
        Ok(Operation {
            backend: Backend::of_document(target, own_namespace)?,
            members,
            secure_key: None,
        })
    }
}

impl Serialize for Operation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members.serialize(serializer)
    }
}

/// `getBooksId` for `GET /books/{id}`.
fn operation_id(verb: Verb, path: &str) -> String {
    let mut id = verb.key().to_owned();
    for word in path.split(|c: char| !c.is_ascii_alphanumeric()) {
        if let Some(first) = word.get(..1) {
            id.push_str(&first.to_ascii_uppercase());
            id.push_str(&word[1..]);
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_actions() {
        let of = |name| {
            let backend = Backend::of_name(name, "guest", "json").unwrap();
            backend.url("http://h")
        };
        assert_eq!(of("a b"), "http://h/api/v1/web/guest/default/a%20b.json");
        assert_eq!(of("p/a"), "http://h/api/v1/web/guest/p/a.json");
        assert_eq!(of("/ns/p/a"), "http://h/api/v1/web/ns/p/a.json");
        assert_eq!(of("default/a"), of("a"));
        assert_eq!(of("/_/p/a"), of("p/a"));
        for bad in ["", "/", "a/b/c/d", "a?", ".."] {
            assert!(Backend::of_name(bad, "guest", "json").is_err(), "{bad}");
        }
        let xml = Backend::of_name("a", "guest", "xml").unwrap_err();
        assert_eq!(
            xml.to_string(),
            "the response type 'xml' is none of http, json, html, svg, text"
        );
    }

    #[test]
    fn extensions_of_urls() {
        for (url, extension) in [
            ("https://h/api/v1/web/ns/p/a.json", Some("json")),
            (
                "https://h/api/v1/web/ns/p/a.http$(request.path)",
                Some("http"),
            ),
            ("https://h/api/v1/web/ns/p/a.b.svg?x=.json", Some("svg")),
            ("https://h.http/api/v1/web/ns/p/a", None),
            ("https://h/api/v1/web/ns/p/a.xml", None),
        ] {
            assert_eq!(extension_of_url(url), extension, "{url}");
        }
    }

    #[test]
    fn ids_of_operations() {
        assert_eq!(operation_id(Verb::Get, "/books/{id}/x-y"), "getBooksIdXY");
        assert_eq!(operation_id(Verb::Post, "/"), "post");
        assert_eq!(operation_id(Verb::Post, "/é"), "post");
    }

    #[test]
    fn documents_say_where_operations_lead() {
        let read = |json: &str| {
            let members = format!(r#"{{"{X_OPENWHISK}":{json}}}"#);
            Operation::read(serde_json::from_str(&members).unwrap(), "guest")
        };
        let backend =
            read(r#"{"action":"a","namespace":"_","package":"default","url":"http://h/a.json"}"#);
        assert_eq!(
            backend.unwrap().backend,
            Backend::of_name("a", "guest", "json").unwrap()
        );
        let backend = read(r#"{"action":"a","namespace":"ns","package":"p"}"#).unwrap();
        assert_eq!(
            backend.backend,
            Backend::of_name("/ns/p/a", "guest", "http").unwrap()
        );
        for bad in ["{}", "1", r#"{"action":"a/b"}"#, r#"{"action":1}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(Operation::read(Object::default(), "guest").is_err());
    }
}
