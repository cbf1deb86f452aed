//! What the wire itself refuses, before or instead of a handler.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};

use super::body::ResponseBody;

/// Why a request is not served. Its connection closes after the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            status,
            message: message.into(),
        }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 413, for bodies over the hard cap (reference section 1.9, text of 1.6).
    pub(super) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The request is larger than the server is willing or able to process.",
        )
    }

    /// 503, when there is no memory left for another body (text of reference section 1.6).
    pub(super) fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The server is currently unavailable (because it is overloaded or down for maintenance).",
        )
    }

    /// 408.
    pub(super) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "The request did not arrive in time.",
        )
    }

    /// OpenWhisk's error answer (reference section 1.6).
    ///
    /// `requested` is the `X-Request-ID` of the request, where it got that far.
    pub(super) fn response(&self, requested: Option<&HeaderValue>) -> Response<ResponseBody> {
        let id = transaction_id(requested);
        let body = serde_json::json!({
            "error": self.message,
            "code": id.to_str().unwrap_or_default(),
        });
        let mut response = Response::new(ResponseBody::whole(Bytes::from(body.to_string())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert("x-request-id", id);
        response
    }
}

/// The transaction id of a request: its own `X-Request-ID`, unless that starts with `sid_`
/// (reference section 1.6), or 32 random characters.
fn transaction_id(requested: Option<&HeaderValue>) -> HeaderValue {
    if let Some(id) = requested
        && !id.is_empty()
        && !id.as_bytes().starts_with(b"sid_")
    {
        return id.clone();
    }
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut id = [0; 32];
    // An id only ties an answer to the log: without random bytes it is all `A`, which does no harm.
    let _ = SystemRandom::new().fill(&mut id);
    id.iter_mut()
        .for_each(|byte| *byte = ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_carries_the_id_of_its_request() {
        let id = HeaderValue::from_static("abc");
        let response = Refusal::too_large().response(Some(&id));
        assert_eq!(response.status(), 413);
        assert_eq!(response.headers()["x-request-id"], "abc");
        assert_eq!(response.headers()["connection"], "close");
    }

    #[test]
    fn ids_of_the_system_are_not_taken_from_outside() {
        for requested in ["sid_unknown", ""] {
            let id = transaction_id(Some(&HeaderValue::from_static(requested)));
            assert_eq!(id.len(), 32);
            assert!(id.as_bytes().iter().all(u8::is_ascii_alphanumeric));
        }
        assert_ne!(transaction_id(None), transaction_id(None));
    }
}
