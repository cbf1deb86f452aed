//! What OWL serves, described for programs and for people (reference section 1.1): Swagger 2.0
//! documents, and a page that shows them.
//!
//! `api.json` describes what is under `/api/v1`, with the paths and names of OpenWhisk's own
//! document, so that clients made from that one fit. `server.json` describes the rest. `build.rs`
//! deflates both.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use http_types::{Response, StatusCode, mime};
use ring::digest::{SHA256, digest};

use super::reply;

const API: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/api.json.z"));
const SERVER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/server.json.z"));

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// `GET /api/v1/api-docs`
pub(super) fn api() -> Response {
    document(API)
}

/// `GET /api-docs`
pub(super) fn server() -> Response {
    document(SERVER)
}

/// `GET /docs` and `GET /api/v1/docs`: shows the `api-docs` beside it. It needs nothing from
/// elsewhere, because a gateway may be offline, and may do nothing else.
pub(super) fn page() -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>OpenWhisk</title>\n\
         <style>{STYLE}</style>\n<main><noscript>This page shows <a href=\"api-docs\">api-docs</a> \
         with JavaScript.</noscript></main>\n<script>{SCRIPT}</script>\n</html>\n"
    );
    let policy = format!(
        "default-src 'none'; connect-src 'self'; style-src {}; script-src {}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        source(STYLE),
        source(SCRIPT)
    );
    let mut response = Response::new(StatusCode::Ok);
    response.set_content_type(mime::HTML);
    response.insert_header("Content-Security-Policy", policy);
    response.insert_header("X-Content-Type-Options", "nosniff");
    response.set_body(html);
    response
}

fn document(deflated: &[u8]) -> Response {
    let mut text = Vec::new();
    ZlibDecoder::new(deflated)
        .read_to_end(&mut text)
        .expect("the build deflated it");
    reply::json_text(StatusCode::Ok, text)
}

/// How a Content-Security-Policy names an inline script or style.
fn source(text: &str) -> String {
    format!(
        "'sha256-{}'",
        STANDARD.encode(digest(&SHA256, text.as_bytes()))
    )
}
