//! One request and its answer: from hyper's types to tide's, and back.

use std::sync::Arc;

use http_body_util::BodyExt;
use http_types::{Method, Url, Version};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, CONNECTION, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::beyond::Beyond;
use super::body::{IN_PASSING, RequestBody, ResponseBody};
use super::in_memory::InMemory;
use super::passing::Passing;
use super::ready::Ready;
use super::refusal::Refusal;
use super::state::State;

/// Bytes of a body that nobody wants which are read to keep the connection open.
const WORTH_READING: u64 = 64 * 1024;

/// Both ends of a connection, as text: `ip:port`, or `unix`.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) peer: String,
    pub(super) local: String,
}

/// Serves one request. What the gate or the body refuses is answered here, in place of the
/// handler.
pub(super) async fn serve<S>(
    app: &tide::Server<S>,
    ends: &Ends,
    state: &Arc<State>,
    request: Request<Incoming>,
) -> Response<ResponseBody>
where
    S: Clone + Send + Sync + 'static,
{
    let refused = state.lock().refused_head.take();
    if let Some(refusal) = refused {
        return refuse(&refusal, None, state);
    }
    let id = request.headers().get("x-request-id").cloned();
    let awaits_continue = request.headers().contains_key(EXPECT);

    let result = match to_tide(request, ends, state) {
        Ok(request) => app.respond::<_, http_types::Response>(request).await,
        Err(refusal) => return refuse(&refusal, id.as_ref(), state),
    };
    let mut response = match result {
        Ok(response) => from_tide(response),
        Err(error) => {
            log::error!("a request was not answered: {error}");
            let failed = "There was an internal server error.";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, failed).response(id.as_ref())
        }
    };
    state.release();
    let (refused, unread) = {
        let mut state = state.lock();
        (state.refused_body.take(), state.dropped.take())
    };
    if let Some(refusal) = refused {
        return refuse(&refusal, id.as_ref(), state);
    }
    if let Some(body) = unread
        && (awaits_continue || !skip(body).await)
    {
        // The rest of the body stands between this answer and a next request.
        let mut state = state.lock();
        state.refused_body = None;
        state.unread = true;
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Answers for the wire; the connection closes then, whatever the client still sends.
fn refuse(refusal: &Refusal, id: Option<&HeaderValue>, state: &State) -> Response<ResponseBody> {
    state.lock().unread = true;
    refusal.response(id)
}

/// Reads a body to its end, if that is announced to be near.
async fn skip(mut body: Incoming) -> bool {
    if !matches!(body.size_hint().exact(), Some(length) if length <= WORTH_READING) {
        return false;
    }
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}

fn to_tide(
    request: Request<Incoming>,
    ends: &Ends,
    state: &Arc<State>,
) -> Result<http_types::Request, Refusal> {
    let (parts, body) = request.into_parts();
    let method: Method = parts.method.as_str().parse().map_err(|_| {
        let unknown = "HTTP method not supported.";
        Refusal::new(StatusCode::NOT_IMPLEMENTED, unknown)
    })?;
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    // `OPTIONS *` is about the server as a whole, which `/` stands for.
    let target = if target == "*" { "/" } else { target };
    // The host is of no use for finding a handler; a strange one must not bend the path.
    let url = Url::parse(&format!("http://localhost{target}"))
        .map_err(|_| Refusal::bad("The request target is malformed."))?;

    let mut request = http_types::Request::new(method, url);
    request.set_peer_addr(Some(&ends.peer));
    request.set_local_addr(Some(&ends.local));
    request.set_version(Some(match parts.version {
        hyper::Version::HTTP_10 => Version::Http1_0,
        _ => Version::Http1_1,
    }));
    let has_type = parts.headers.contains_key(CONTENT_TYPE);
    hand_over(parts.headers, &mut request);
    if !body.is_end_stream() {
        let length = body.size_hint().exact();
        let length = length.and_then(|length| usize::try_from(length).ok());
        // Whatever becomes of a short one, it takes no less.
        let is_short = length.is_some_and(|length| length as u64 <= IN_PASSING);
        let passing = (!is_short).then(Passing::default);
        let body = RequestBody::new(body, state.clone(), passing.clone());
        if let Some(passing) = passing {
            request.ext_mut().insert(passing);
        }
        request.set_body(http_types::Body::from_reader(body, length));
        if !has_type {
            // Which `set_body` made up.
            request.remove_header(CONTENT_TYPE.as_str());
        }
    }
    Ok(request)
}

/// Gives a request the headers that came. Each one is a text of its own there.
fn hand_over(headers: HeaderMap, request: &mut http_types::Request) {
    use http_types::headers as known;
    let mut last = known::HOST;
    for (name, value) in headers {
        // Only the first value of a name has it.
        let is_first = name.is_some();
        if let Some(name) = name {
            last = match name {
                // These names need no memory.
                header::HOST => known::HOST,
                header::AUTHORIZATION => known::AUTHORIZATION,
                header::CONTENT_TYPE => known::CONTENT_TYPE,
                header::CONTENT_LENGTH => known::CONTENT_LENGTH,
                header::ACCEPT => known::ACCEPT,
                header::ACCEPT_ENCODING => known::ACCEPT_ENCODING,
                header::USER_AGENT => known::USER_AGENT,
                header::CONNECTION => known::CONNECTION,
                other => known::HeaderName::from(other.as_str()),
            };
        }
        // The gate lets nothing through that is not ASCII.
        match known::HeaderValue::from_bytes(value.as_bytes().to_vec()) {
            Ok(value) if is_first => _ = request.insert_header(last.clone(), value),
            Ok(value) => request.append_header(last.clone(), value),
            Err(_) => {}
        }
    }
}

fn from_tide(mut answer: http_types::Response) -> Response<ResponseBody> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(Beyond::status_of(&answer))
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, values) in answer.iter() {
        for value in values {
            append(headers, name.as_str(), value.as_str());
        }
    }
    if let Some(beyond) = answer.ext_mut().remove::<Beyond>() {
        for (name, value) in &beyond.headers {
            append(headers, name, value);
        }
    }
    Ready::apply(&mut answer, headers);
    let in_memory = InMemory::take(&mut answer);
    response.map(|()| match in_memory {
        Some(bytes) => ResponseBody::whole(bytes),
        // Last, as it makes up a content type for answers that have none.
        None => ResponseBody::from_tide(answer.take_body()),
    })
}

/// Adds a header, unless it would break the framing of the answer: hyper alone decides that.
fn append(headers: &mut HeaderMap, name: &str, value: &str) {
    const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];
    if FRAMING.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return;
    }
    match (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_bytes(value.as_bytes()),
    ) {
        (Ok(name), Ok(value)) => {
            // A map has an end; `append` would panic there.
            if headers.try_append(name, value).is_err() {
                log::warn!("answer header left out: there are too many");
            }
        }
        // Without the value: it may be a secret.
        _ => log::warn!("answer header left out: {name:?} or its value is malformed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_is_handed_over_with_all_its_values() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-own", "1"),
            ("accept", "a"),
            ("host", "h"),
            ("accept", "b"),
            ("authorization", "Basic eA=="),
            ("user-agent", "u"),
            ("x-own", "2"),
            ("content-type", "t"),
            ("content-length", "3"),
            ("accept-encoding", "e"),
            ("connection", "c"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let url = Url::parse("http://localhost/").unwrap();
        let mut request = http_types::Request::new(Method::Get, url);
        request.insert_header("Host", "made-up");
        hand_over(headers.clone(), &mut request);
        assert_eq!(request.header_names().count(), headers.keys_len());
        for name in headers.keys() {
            let came: Vec<_> = headers.get_all(name).iter().collect();
            let given = request.header(name.as_str()).unwrap();
            let given: Vec<_> = given.iter().map(|value| value.as_str()).collect();
            assert_eq!(given, came, "{name}");
        }
    }

    #[test]
    fn more_headers_than_there_can_be() {
        let mut answer = http_types::Response::new(http_types::StatusCode::Ok);
        for i in 0..40_000 {
            answer.insert_header(format!("x-{i}").as_str(), "1");
        }
        let response = from_tide(answer);
        assert!(response.headers().len() > 1000);
    }
}
