//! What clients send to the actions that manage APIs.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Failure;
use crate::entity::{Members, Secret};
use crate::gateway::{Api, Backend, NewOperation, Verb, extension_of_url, import};

/// What `createApi` is asked for.
pub(super) enum New {
    /// One operation.
    Operation(Box<NewOperation>),
    /// A whole API.
    Api(Api),
}

/// A text argument; an empty one counts as none.
pub(super) fn text(arguments: &Members<'_>, name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = arguments.get(name) else {
        return Ok(None);
    };
    let text: Option<String> = serde_json::from_str(value.get())
        .map_err(|_| Failure::invalid(format!("{name} is not a text.")))?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A number, as a text of a query or as a JSON number.
pub(super) fn number(arguments: &Members<'_>, name: &str) -> Result<Option<usize>, Failure> {
    let Some(value) = arguments.get(name) else {
        return Ok(None);
    };
    let number = value.get().trim_matches('"').parse();
    number
        .map(Some)
        .map_err(|_| Failure::invalid(format!("{name} is not a whole number.")))
}

/// An operation's method.
pub(super) fn verb(text: &str) -> Result<Verb, Failure> {
    text.parse()
        .map_err(|_| Failure::invalid(format!("'{text}' is not a method that an API can have.")))
}

/// The argument `apidoc`: an object, or a text that is one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiDoc<'a> {
    namespace: Option<String>,
    gateway_base_path: Option<String>,
    gateway_path: Option<String>,
    gateway_method: Option<String>,
    api_name: Option<String>,
    action: Option<ActionDoc>,
    #[serde(borrow)]
    swagger: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActionDoc {
    name: Option<String>,
    namespace: Option<String>,
    backend_url: Option<String>,
    /// A number where the CLI made it up, else a text.
    secure_key: Option<Box<RawValue>>,
}

/// Reads what `createApi` is asked for. `namespace` is the caller's; `origin` the address of the
/// server as the client knows it.
pub(super) fn new_api(
    arguments: &Members<'_>,
    namespace: &str,
    origin: &str,
) -> Result<New, Failure> {
    let apidoc = arguments
        .get("apidoc")
        .ok_or_else(|| Failure::invalid("apidoc is required."))?;
    let apidoc = object(apidoc)?;
    let doc: ApiDoc<'_> = serde_json::from_str(&apidoc).map_err(|error| {
        Failure::invalid(format!(
            "apidoc field cannot be parsed. Ensure it is valid JSON. {error}"
        ))
    })?;
    let named = doc.namespace.as_deref().unwrap_or("_");
    if named != "_" && named != namespace {
        return Err(Failure::forbidden(named));
    }
    if let Some(swagger) = doc.swagger {
        if doc.gateway_base_path.is_some() {
            return Err(Failure::invalid(
                "swagger and gatewayBasePath are mutually exclusive and cannot be specified \
                 together.",
            ));
        }
        return Ok(New::Api(import(namespace, swagger)?));
    }
    operation(doc, namespace, text(arguments, "responsetype")?, origin)
}

/// What is made of results of actions if the request does not say.
const DEFAULT_EXTENSION: &str = "json";

fn operation(
    doc: ApiDoc<'_>,
    namespace: &str,
    response_type: Option<String>,
    origin: &str,
) -> Result<New, Failure> {
    let missing = |of, name| Failure::invalid(format!("{of} is missing the {name} field"));
    let base_path = doc
        .gateway_base_path
        .ok_or_else(|| missing("apidoc", "gatewayBasePath"))?;
    let path = doc
        .gateway_path
        .ok_or_else(|| missing("apidoc", "gatewayPath"))?;
    let method = doc
        .gateway_method
        .ok_or_else(|| missing("apidoc", "gatewayMethod"))?;
    let action = doc.action.ok_or_else(|| missing("apidoc", "action"))?;
    let name = action.name.ok_or_else(|| missing("action", "name"))?;
    // The CLI says what it wants beside the URL, the JavaScript client in it.
    let of_url = action.backend_url.as_deref().and_then(extension_of_url);
    let extension = response_type.as_deref().or(of_url);
    let of_action = action.namespace.filter(|named| named != "_");
    let backend = Backend::of_name(
        &name,
        of_action.as_deref().unwrap_or(namespace),
        extension.unwrap_or(DEFAULT_EXTENSION),
    )?;
    Ok(New::Operation(Box::new(NewOperation {
        base_path,
        path,
        verb: verb(&method)?,
        title: doc.api_name,
        backend,
        secure_key: action
            .secure_key
            .map(|key| secure_key(&key))
            .transpose()?
            .flatten(),
        origin: origin.to_owned(),
    })))
}

fn object(apidoc: &RawValue) -> Result<Cow<'_, str>, Failure> {
    let json = apidoc.get();
    if json.starts_with('{') {
        return Ok(Cow::Borrowed(json));
    }
    let text = serde_json::from_str::<String>(json).ok();
    text.filter(|text| text.trim_start().starts_with('{'))
        .map(Cow::Owned)
        .ok_or_else(|| {
            Failure::invalid("apidoc field should be a JSON object or a JSON string of one.")
        })
}

/// The text of a key, which has to go into a header.
fn secure_key(key: &RawValue) -> Result<Option<Secret>, Failure> {
    let text = match key.get() {
        "null" | "false" | "\"\"" => return Ok(None),
        json if json.starts_with('"') => serde_json::from_str(json).unwrap_or_default(),
        json => json.to_owned(),
    };
    let sendable = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.is_empty() || !text.chars().all(sendable) || text.trim() != text {
        return Err(Failure::invalid("secureKey cannot be sent in a header."));
    }
    Ok(Some(Secret::new(text)))
}
