//! CORS headers of web actions (reference section 6.7).

use http_types::{Method, Response};

use crate::api::reply;

/// The methods of web actions.
pub(super) const METHODS: &str = "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH";

/// Whether web actions take a method.
pub(super) fn allows(method: Method) -> bool {
    METHODS.split(", ").any(|known| known == method.as_ref())
}

/// Lets scripts of any origin read an answer, in place of what the action says about that.
/// `requested` is what a preflight request asks for: its `Access-Control-Request-Headers`.
pub(super) fn allow(response: &mut Response, requested: Option<&str>) {
    reply::allow_origins(response, METHODS);
    if let Some(requested) = requested {
        reply::allow_headers(response, requested);
    }
}
