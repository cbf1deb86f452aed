//! Bodies of requests (reference sections 1.8 and 1.9).

use http_types::StatusCode;
use http_types::headers::{CONTENT_TYPE, HeaderValues};

use super::State;
use super::error::ApiError;
use crate::entity::EntityError;
use crate::http::server::{RequestBodyError, read_request_body};

/// What is told about a body that is too large.
#[derive(Clone, Copy)]
pub(super) enum TooLarge {
    /// OpenWhisk's text, with the numbers.
    Request,
    /// The text of OpenWhisk's HTTP framework.
    Entity,
}

impl TooLarge {
    fn error(self, is: u64, max: u64) -> ApiError {
        match self {
            Self::Request => EntityError::TooLarge {
                what: "Request",
                is,
                max,
            }
            .into(),
            Self::Entity => ApiError::rejection(
                StatusCode::PayloadTooLarge,
                "The request is larger than the server is willing or able to process.",
            ),
        }
    }
}

/// Refuses a request that announces more than `max` bytes, before anything is read.
pub(super) fn check_length(
    request: &tide::Request<State>,
    max: u64,
    too_large: TooLarge,
) -> Result<(), ApiError> {
    match request.len() {
        Some(length) if length as u64 > max => Err(too_large.error(length as u64, max)),
        _ => Ok(()),
    }
}

/// Reads a body of at most `max` bytes, whatever it is.
pub(super) async fn read_any(
    request: &mut tide::Request<State>,
    max: u64,
    too_large: TooLarge,
) -> Result<Vec<u8>, ApiError> {
    let typed = request.header(CONTENT_TYPE).is_some();
    let body = request.take_body();
    if !typed {
        // Which `take_body` made up.
        request.remove_header(CONTENT_TYPE);
    }
    read_request_body(body, max)
        .await
        .map_err(|error| match error {
            RequestBodyError::TooLong(is) => too_large.error(is, max),
            RequestBodyError::Failed(_) => {
                ApiError::rejection(StatusCode::BadRequest, error.to_string())
            }
        })
}

/// Reads a JSON body of at most `max` bytes. Empty ones may have any content type.
pub(super) async fn read(
    request: &mut tide::Request<State>,
    max: u64,
    too_large: TooLarge,
) -> Result<Vec<u8>, ApiError> {
    check_length(request, max, too_large)?;
    let announced = request.len();
    let wrong_type = check_type(request.header(CONTENT_TYPE)).err();
    // Whether a body of unknown length is empty is seen only when it has been read.
    if announced.is_some_and(|length| length > 0)
        && let Some(wrong) = wrong_type
    {
        return Err(wrong);
    }
    let bytes = read_any(request, max, too_large).await?;
    match wrong_type {
        Some(wrong) if !bytes.is_empty() => Err(wrong),
        _ => Ok(bytes),
    }
}

/// Reads the body of a `PUT` or of a change of state, which must be there.
pub(super) async fn read_entity(
    request: &mut tide::Request<State>,
    max: u64,
) -> Result<Vec<u8>, ApiError> {
    let body = read(request, max, TooLarge::Entity).await?;
    if body.is_empty() {
        return Err(ApiError::rejection(
            StatusCode::BadRequest,
            "Request entity expected but not supplied",
        ));
    }
    Ok(body)
}

/// Only JSON will do; parameters such as a character set do not matter.
fn check_type(header: Option<&HeaderValues>) -> Result<(), ApiError> {
    let content_type = header.map_or("application/octet-stream", |values| values.last().as_str());
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::rejection(
        StatusCode::UnsupportedMediaType,
        format!(
            "The request's Content-Type [{content_type}] is not supported. Expected:\napplication/json"
        ),
    ))
}

/// Whether a media type, in lower case, may be answered to a request with this `Accept`: the most
/// exact range that fits decides.
pub(super) fn accepts(accept: &str, media: &str) -> bool {
    let family = media.split('/').next();
    let mut best = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let exactness = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some(range) if range == media => 2,
            Some("*/*") => 0,
            Some(range) if range.strip_suffix("/*") == family => 1,
            _ => continue,
        };
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .is_some_and(|quality| quality.parse::<f32>() == Ok(0.0))
        });
        if best.is_none_or(|(known, _)| exactness >= known) {
            best = Some((exactness, !refused));
        }
    }
    match best {
        Some((_, accepted)) => accepted,
        None => accept.trim().is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use http_types::headers::HeaderValue;

    use super::*;

    #[test]
    fn content_types() {
        let is_json = |value: &str| {
            let value: HeaderValue = value.parse().unwrap();
            check_type(Some(&value.into())).is_ok()
        };
        assert!(is_json("application/json"));
        assert!(is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("text/plain"));
        assert!(!is_json("application/json5"));
        assert!(check_type(None).is_err());
    }

    #[test]
    fn accept() {
        for yes in [
            "",
            "*/*",
            "application/json",
            "text/html, application/*;q=0.5",
            "text/html, */*; q=0.1",
            "*/*;q=0, application/json",
        ] {
            assert!(accepts(yes, "application/json"), "{yes}");
        }
        for no in [
            "text/plain",
            "application/xml",
            "application/json;q=0",
            "application/json; q=0.0, */*",
        ] {
            assert!(!accepts(no, "application/json"), "{no}");
        }
        assert!(accepts("text/*", "text/html"));
        assert!(!accepts("text/*;q=0, */*", "text/html"));
        assert!(!accepts("application/*", "text/html"));
    }
}
