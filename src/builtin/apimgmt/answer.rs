//! What the actions that manage APIs answer: results of web actions whose extension is `http`.

use http_types::StatusCode;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Api, GatewayError, Output};
use crate::entity::Members;
use crate::store::StoreError;

/// An API as clients get it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiView {
    namespace: String,
    gw_api_url: String,
    gw_api_activated: bool,
    apidoc: Box<RawValue>,
}

impl ApiView {
    /// An API on a server, whose address is without a slash at its end.
    pub(super) fn of(api: &Api, origin: &str) -> Self {
        // Only a space cannot be in a path; a base path that is only a slash would stand twice in
        // what clients make of the URL.
        let path = format!("{}{}", api.namespace, api.base_path.trim_end_matches('/'));
        ApiView {
            namespace: api.namespace.clone(),
            gw_api_url: format!("{origin}/api/{}", path.replace(' ', "%20")),
            gw_api_activated: true,
            apidoc: api.document(),
        }
    }
}

/// What `getApi` answers.
pub(super) fn list(apis: &[Api], origin: &str) -> Output {
    #[derive(Serialize)]
    struct Row {
        id: String,
        key: String,
        value: ApiView,
    }
    #[derive(Serialize)]
    struct List {
        apis: Vec<Row>,
    }
    let rows = apis.iter().map(|api| {
        let id = format!("API:{}:{}", api.namespace, api.base_path);
        Row {
            key: id.clone(),
            id,
            value: ApiView::of(api, origin),
        }
    });
    success(&List {
        apis: rows.collect(),
    })
}

/// A success with a document.
pub(super) fn success(body: &impl Serialize) -> Output {
    Output::of(&WebResult {
        status_code: StatusCode::Ok.into(),
        headers: ContentType::JSON,
        body,
    })
}

/// The address under which the client knows the server: that of its request.
pub(super) fn origin(arguments: &Members<'_>, api_host: &str) -> String {
    let headers = arguments.get("__ow_headers");
    let headers = headers.and_then(|headers| Members::of(headers).ok());
    let header = |name| -> Option<String> {
        let value = headers.as_ref()?.get(name)?;
        serde_json::from_str(value.get()).ok()
    };
    match header("host").filter(|host| is_host(host)) {
        Some(host) => {
            let https = header("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
            format!("{}://{host}", if https { "https" } else { "http" })
        }
        None => api_host.to_owned(),
    }
}

fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebResult<'a, T> {
    status_code: u16,
    headers: ContentType,
    body: &'a T,
}

#[derive(Serialize)]
struct ContentType {
    #[serde(rename = "Content-Type")]
    value: &'static str,
}

impl ContentType {
    const JSON: Self = ContentType {
        value: "application/json",
    };
}

/// Why nothing was done, with the status that the client gets.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Failure {
            status,
            message: message.into(),
        }
    }

    /// The request is not what it has to be.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BadRequest, message)
    }

    /// No key came with the request, or not the right one.
    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::Unauthorized, "A valid auth key is required.")
    }

    /// The namespace is somebody else's.
    pub(super) fn forbidden(namespace: &str) -> Self {
        let message =
            format!("The supplied authentication is not authorized to access '{namespace}'.");
        Self::new(StatusCode::Forbidden, message)
    }

    /// It cannot be done now: why.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::ServiceUnavailable, message)
    }

    /// The server failed; the log says how.
    pub(super) fn internal() -> Self {
        let message = "There was an internal server error.";
        Self::new(StatusCode::InternalServerError, message)
    }

    /// With what was being done before the message.
    #[must_use]
    pub(super) fn during(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// What went wrong.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The result of the action: an application error, of which a web action makes an answer.
    pub(super) fn output(&self, transaction: &str) -> Output {
        Output::of(&json!({"error": WebResult {
            status_code: self.status.into(),
            headers: ContentType::JSON,
            body: &json!({"error": self.message, "code": transaction}),
        }}))
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let status = match &error {
            GatewayError::Invalid(_) => StatusCode::BadRequest,
            GatewayError::Missing(_) => StatusCode::NotFound,
            GatewayError::Changed => StatusCode::Conflict,
            GatewayError::Store(StoreError::Full) => StatusCode::ServiceUnavailable,
            GatewayError::Corrupt(_) | GatewayError::Store(_) => StatusCode::InternalServerError,
        };
        Self::new(status, error.to_string())
    }
}
