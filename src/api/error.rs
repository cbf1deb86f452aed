//! Failures as OpenWhisk tells them (reference sections 1.6, 3 and Appendix A).

use std::borrow::Cow;
use std::fmt;

use http_types::{Response, StatusCode};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::reply;
use crate::catalog::{AccessError, CatalogError, SequenceError};
use crate::entity::{ActivationId, EntityError, json};
use crate::invoke::{InvokeError, Throttled, admission};
use crate::master::KeyError;
use crate::master::copies::CopyError;
use crate::store::StoreError;

/// A request that was not done.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    /// Methods that the resource has, for status 405.
    allow: Option<Cow<'static, str>>,
    /// Whether it was refused before a handler had finished, so that it has no CORS headers.
    rejected: bool,
    /// Whether the log has what it comes of already.
    known: bool,
    /// The activation whose record says it, too.
    activation: Option<ActivationId>,
}

impl ApiError {
    /// A failure that a handler tells.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError {
            status,
            message: message.into(),
            allow: None,
            rejected: false,
            known: false,
            activation: None,
        }
    }

    /// A request that no handler took.
    pub(super) fn rejection(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError {
            rejected: true,
            ..Self::new(status, message)
        }
    }

    /// The path means nothing.
    pub(super) fn no_route() -> Self {
        Self::rejection(
            StatusCode::NotFound,
            "The requested resource could not be found.",
        )
    }

    /// What the path means is not there.
    pub(super) fn missing() -> Self {
        CatalogError::Missing.into()
    }

    /// The resource does not have the method; `allow` names those that it has.
    pub(super) fn method(allow: impl Into<Cow<'static, str>>) -> Self {
        let allow = allow.into();
        let message = format!("HTTP method not allowed, supported methods: {allow}");
        ApiError {
            allow: Some(allow),
            ..Self::rejection(StatusCode::MethodNotAllowed, message)
        }
    }

    /// The key is missing or wrong.
    pub(super) fn unauthenticated(message: &'static str) -> Self {
        Self::rejection(StatusCode::Unauthorized, message)
    }

    /// The resource, `ns` or `ns/name`, is somebody else's.
    pub(super) fn forbidden(resource: &str) -> Self {
        Self::new(
            StatusCode::Forbidden,
            format!("The supplied authentication is not authorized to access '{resource}'."),
        )
    }

    /// A query parameter has a value that it may not have.
    pub(super) fn query(parameter: &str, detail: impl fmt::Display) -> Self {
        Self::rejection(
            StatusCode::BadRequest,
            format!("The query parameter '{parameter}' was malformed:\n{detail}"),
        )
    }

    /// A stored document cannot be read.
    pub(super) fn corrupt() -> Self {
        CatalogError::Corrupt.into()
    }

    /// The same failure; `known`: the log has what it comes of already. An outage of the master is
    /// told once, though clients may ask for days what only the master can answer.
    pub(super) fn known_if(self, known: bool) -> Self {
        ApiError { known, ..self }
    }

    /// The same failure, which the record of an activation says, too.
    pub(super) fn of_activation(self, id: ActivationId) -> Self {
        ApiError {
            activation: Some(id),
            ..self
        }
    }

    /// The answer, with the transaction's id as its code.
    pub(super) fn into_response(self, transaction: &str) -> Response {
        let mut response = reply::json_text(self.status, self.document(transaction).get());
        if self.status == StatusCode::Unauthorized {
            response.insert_header(
                "WWW-Authenticate",
                "Basic realm=\"OpenWhisk secure realm\",charset=UTF-8",
            );
        }
        self.finish(response, transaction)
    }

    /// The answer of a web action: for people, and without a challenge, because the key that is
    /// missing may be the action's own (reference sections 6.2 and 6.8).
    pub(super) fn into_web_response(self, transaction: &str) -> Response {
        let document = self.document(transaction);
        let response = reply::json_text(self.status, json::pretty(&document).into_owned());
        self.finish(response, transaction)
    }

    fn document(&self, transaction: &str) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
            code: &'a str,
        }
        let body = Body {
            error: &self.message,
            code: transaction,
        };
        to_raw_value(&body).expect("texts are always valid JSON")
    }

    fn finish(self, mut response: Response, transaction: &str) -> Response {
        if let Some(allow) = self.allow {
            response.insert_header("Allow", &*allow);
        }
        if let Some(id) = self.activation {
            response.insert_header(ActivationId::HEADER, id.to_string());
        }
        if self.status == StatusCode::InternalServerError
            || self.status == StatusCode::ServiceUnavailable
        {
            let level = match self.known {
                true => log::Level::Debug,
                false => log::Level::Warn,
            };
            log::log!(level, "[{transaction}] {}: {}", self.status, self.message);
        }
        response
    }

    /// Whether nothing is wrong with the request.
    pub(super) fn is_server_error(&self) -> bool {
        self.status.is_server_error()
    }

    /// Whether it was refused before a handler had finished.
    pub(super) const fn is_rejection(&self) -> bool {
        self.rejected
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Refused => Self::unauthenticated("The supplied authentication is invalid"),
            KeyError::Unavailable(_) => {
                Self::rejection(StatusCode::ServiceUnavailable, error.to_string())
            }
            KeyError::Store(error) => {
                // Who has no key yet is not told what is wrong with the store.
                log::error!("a key cannot be checked: {error}");
                Self::rejection(
                    StatusCode::InternalServerError,
                    "There was an internal server error.",
                )
            }
        }
    }
}

impl From<EntityError> for ApiError {
    fn from(error: EntityError) -> Self {
        let message = error.to_string();
        match error {
            EntityError::Malformed(_) => Self::rejection(StatusCode::BadRequest, message),
            EntityError::Invalid(_) => Self::new(StatusCode::BadRequest, message),
            EntityError::TooLarge { .. } => Self::new(StatusCode::PayloadTooLarge, message),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let status = match error {
            CatalogError::Missing | CatalogError::TriggerGone => StatusCode::NotFound,
            CatalogError::OtherCollection | CatalogError::Changed | CatalogError::Exists => {
                StatusCode::Conflict
            }
            CatalogError::BuiltIn => StatusCode::Forbidden,
            CatalogError::Corrupt => StatusCode::InternalServerError,
            CatalogError::Unavailable(_) => StatusCode::ServiceUnavailable,
            CatalogError::Store(ref error) => store_status(error),
            CatalogError::Refused(error) => return error.into(),
        };
        Self::new(status, error.to_string())
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Forbidden(resource) => Self::forbidden(&resource),
            AccessError::Catalog(error) => error.into(),
        }
    }
}

impl From<CopyError> for ApiError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Unavailable(reason) => Self::new(StatusCode::ServiceUnavailable, reason),
            CopyError::KeyRefused => {
                Self::unauthenticated("The supplied authentication is invalid")
            }
            CopyError::Looped(looped) => looped.into(),
            error => AccessError::from(error).into(),
        }
    }
}

impl From<SequenceError> for ApiError {
    fn from(error: SequenceError) -> Self {
        match error {
            SequenceError::Catalog(error) => error.into(),
            error => Self::new(StatusCode::BadRequest, error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::new(store_status(&error), error.to_string())
    }
}

impl From<Throttled> for ApiError {
    fn from(throttled: Throttled) -> Self {
        Self::new(StatusCode::TooManyRequests, throttled.to_string())
    }
}

impl From<admission::Refused> for ApiError {
    fn from(refused: admission::Refused) -> Self {
        match refused {
            admission::Refused::Access(error) => error.into(),
            refused => Self::new(StatusCode::BadRequest, refused.to_string()),
        }
    }
}

impl From<InvokeError> for ApiError {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Overloaded(text) => Self::new(StatusCode::TooManyRequests, text),
            InvokeError::Unavailable(text) => Self::new(StatusCode::ServiceUnavailable, text),
            InvokeError::Taken(text) => Self::new(StatusCode::Conflict, text),
        }
    }
}

const fn store_status(error: &StoreError) -> StatusCode {
    match error {
        StoreError::Exists | StoreError::Changed => StatusCode::Conflict,
        StoreError::Full => StatusCode::ServiceUnavailable,
        StoreError::Locked(_) | StoreError::Failed(_) => StatusCode::InternalServerError,
    }
}
