//! Answers (reference sections 1.6 and 1.7).

use bytes::Bytes;
use http_types::{Body, Response, StatusCode, mime};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    HeaderName, HeaderValue,
};
use serde::Serialize;

use super::chunks;
use crate::http::server::{InMemory, Ready};

/// `Access-Control-Allow-Methods` of the REST API.
pub(super) const API_METHODS: &str = "GET, DELETE, POST, PUT, HEAD";
/// `Access-Control-Allow-Methods` of everything else.
pub(super) const SYSTEM_METHODS: &str = "OPTIONS, GET, POST";

/// A JSON document.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Response {
    let text = serde_json::to_vec(document).expect("documents have text keys");
    json_text(status, text)
}

/// A document that is JSON already.
pub(super) fn json_text(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(status);
    response.set_content_type(mime::JSON);
    response.set_body(text);
    response
}

/// A document that is JSON already, in memory that others use as well.
pub(super) fn json_shared(status: StatusCode, text: impl AsRef<[u8]> + Send + 'static) -> Response {
    let mut response = Response::new(status);
    response.set_content_type(mime::JSON);
    InMemory::set(&mut response, Bytes::from_owner(text));
    response
}

/// A document that is JSON already, in pieces, with status 200. `at_once` says that they are few.
pub(super) fn json_pieces<I>(pieces: I, at_once: bool) -> Response
where
    I: Iterator<Item = Vec<u8>> + Send + Sync + Unpin + 'static,
{
    if at_once {
        json_text(StatusCode::Ok, pieces.flatten().collect::<Vec<u8>>())
    } else {
        json_text(StatusCode::Ok, chunks::body(pieces))
    }
}

/// A plain text, with status 200.
pub(super) fn text(text: &str) -> Response {
    let mut response = Response::new(StatusCode::Ok);
    response.set_body(text);
    response
}

/// Adds the CORS headers that OpenWhisk has on its answers. `methods` are comma-separated.
pub(super) fn allow_origins(response: &mut Response, methods: impl TryInto<HeaderValue>) {
    let headers = "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent";
    Ready::add(
        response,
        [
            (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static(headers),
            ),
        ],
    );
    add(response, ACCESS_CONTROL_ALLOW_METHODS, methods);
}

/// Has a script send these headers, which it asks for in a preflight request.
pub(super) fn allow_headers(response: &mut Response, requested: &str) {
    add(response, ACCESS_CONTROL_ALLOW_HEADERS, requested);
}

/// Adds a header in place of one that is there.
pub(super) fn add(response: &mut Response, name: HeaderName, value: impl TryInto<HeaderValue>) {
    match value.try_into() {
        Ok(value) => Ready::add(response, [(name, value)]),
        // Without the value: it may be a secret.
        Err(_) => log::warn!("answer header left out: the value of {name} is malformed"),
    }
}
