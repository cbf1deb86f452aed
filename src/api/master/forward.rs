//! Requests that go on to another OpenWhisk as they are, and its answers that come back as they
//! are. Bodies go through in pieces, as fast as the slower side.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_types::{Body, Response, StatusCode};
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
};
use hyper::{HeaderMap, Method};
use smol::channel::Sender;
use smol::io::{AsyncBufRead, AsyncBufReadExt};
use smol::stream::try_unfold;

use crate::api::chunks;
use crate::http::server::{Beyond, Passing};
use crate::upstream::{
    self, Incoming, Judged, Outgoing, OutgoingBody, Upstream, UpstreamError, VIA, keep_end_to_end,
};

/// Largest piece of a request's body that goes on at once.
const PIECE: usize = 16 * 1024;

/// Sends a request on as it is, and waits for the head of the answer. Its body is taken away and
/// sent while it comes, no faster than the other side takes it.
///
/// `via` is what the request says of the daemons that it came through, this one included;
/// `patience` is how long a blocking invocation may run.
///
/// # Errors
/// As [`Upstream::send`] has them; [`UpstreamError::Abandoned`] if the caller's body broke off.
pub(in crate::api) async fn send(
    upstream: &Upstream,
    http: &mut http_types::Request,
    judged: Judged,
    patience: Duration,
    via: &str,
) -> Result<Incoming, UpstreamError> {
    let mut request = outgoing(http, via);
    request.judged = judged;
    request.patience = patience;
    let length = http.len().map(|length| length as u64);
    Passing::set(http);
    let body = http.take_body();
    if length == Some(0) {
        return upstream.send(request).await;
    }
    let (sender, pieces) = upstream::body();
    request.body = OutgoingBody::Pieces { length, pieces };
    let sent = async {
        pump(body, sender).await;
        pending().await
    };
    // The first of the two is dropped first: who gives up tells so before the body ends, which
    // would else look whole.
    smol::future::or(upstream.send(request), sent).await
}

/// A request without its body.
pub(super) fn outgoing(http: &http_types::Request, via: &str) -> Outgoing {
    let method = http.method();
    let method = Method::from_bytes(method.as_ref().as_bytes()).unwrap_or(Method::GET);
    let url = http.url();
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Outgoing::new(method, target);
    request.headers = headers(http);
    if let Ok(via) = HeaderValue::from_str(via) {
        request.headers.insert(HeaderName::from_static(VIA), via);
    }
    request
}

/// The headers of a request that concern the other side. `Expect` was met here.
fn headers(http: &http_types::Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in http.iter() {
        for value in values {
            // Both were checked when they came in.
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_str().as_bytes()),
                HeaderValue::from_str(value.as_str()),
            ) {
                headers.append(name, value);
            }
        }
    }
    keep_end_to_end(&mut headers);
    for own in [HOST, CONTENT_LENGTH, EXPECT] {
        headers.remove(own);
    }
    // By the last one it was decided here who calls, whichever the other side would take.
    if let Some(last) = headers.get_all(AUTHORIZATION).iter().next_back().cloned() {
        headers.insert(AUTHORIZATION, last);
    }
    for (name, value) in &mut headers {
        value.set_sensitive([AUTHORIZATION, COOKIE].contains(name));
    }
    headers
}

/// Hands a body over, piece by piece, until it ends or nobody takes it any more.
async fn pump(mut body: Body, sender: Sender<io::Result<Bytes>>) {
    loop {
        let piece = match body.fill_buf().await {
            Ok([]) => return,
            Ok(piece) => Ok(Bytes::copy_from_slice(&piece[..piece.len().min(PIECE)])),
            Err(error) => Err(error),
        };
        let length = piece.as_ref().map(Bytes::len).ok();
        if sender.send(piece).await.is_err() {
            return;
        }
        let Some(length) = length else { return };
        Pin::new(&mut body).consume(length);
    }
}

/// The answer of another OpenWhisk as it is, its body in pieces as they come.
pub(in crate::api) fn response(incoming: Incoming) -> Response {
    let mut response = Response::new(StatusCode::Ok);
    let mut beyond = Beyond::default();
    match StatusCode::try_from(incoming.status.as_u16()) {
        Ok(status) => response.set_status(status),
        Err(_) => beyond.status = Some(incoming.status.as_u16()),
    }
    let length = incoming.body.length;
    let length = length.and_then(|length| usize::try_from(length).ok());
    if length == Some(0) {
        response.set_body(Body::empty());
    } else {
        let pieces = try_unfold(incoming.body, |mut body| async move {
            let piece = body.piece().await?;
            Ok(piece.map(|piece| (piece, body)))
        });
        response.set_body(chunks::stream(Box::pin(pieces), length));
    }
    // Which `set_body` made up.
    response.remove_header(CONTENT_TYPE.as_str());
    for (name, value) in &incoming.headers {
        if value.as_bytes().is_ascii()
            && let Ok(value) = value.to_str()
        {
            response.append_header(name.as_str(), value);
        } else {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            beyond.headers.push((name.as_str().to_owned(), value));
        }
    }
    if beyond.status.is_some() || !beyond.headers.is_empty() {
        response.ext_mut().insert(beyond);
    }
    response
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
