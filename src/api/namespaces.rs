//! Namespaces (reference section 3.1).

use http_types::{Response, StatusCode};

use super::dispatch::Request;
use super::reply;

/// `GET /namespaces`: exactly the caller's.
pub(super) fn list(request: &Request) -> Response {
    reply::json(StatusCode::Ok, &[&request.identity.namespace])
}
