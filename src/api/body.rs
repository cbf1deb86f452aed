//! Bodies of requests (reference sections 1.8 and 1.9).

use http_types::StatusCode;
use smol::io::AsyncBufReadExt;

use super::State;
use super::error::ApiError;
use crate::entity::EntityError;

/// Bytes that a body gets room for before any of them has come.
const FIRST_ROOM: usize = 1 << 20;

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

/// Reads a JSON body of at most `max` bytes. Empty ones may have any content type.
pub(super) async fn read(
    request: &mut tide::Request<State>,
    max: u64,
    too_large: TooLarge,
) -> Result<Vec<u8>, ApiError> {
    check_length(request, max, too_large)?;
    let announced = request.len();
    let content_type = request
        .header("Content-Type")
        .map(|values| values.last().as_str().to_string());
    let mut body = request.take_body();
    let broken = |error: std::io::Error| {
        ApiError::rejection(
            StatusCode::BadRequest,
            format!("The request content could not be read: {error}"),
        )
    };
    if body.fill_buf().await.map_err(broken)?.is_empty() {
        return Ok(Vec::new());
    }
    check_type(content_type.as_deref())?;
    // Announcing bytes is cheap, so memory for many of them is not taken on the announcement
    // alone; when the first have come, the rest gets its room at once and is never moved again.
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(FIRST_ROOM));
    loop {
        let chunk = body.fill_buf().await.map_err(broken)?;
        let length = chunk.len();
        if length == 0 {
            return Ok(bytes);
        }
        let total = bytes.len() + length;
        if total as u64 > max {
            return Err(too_large.error(total as u64, max));
        }
        if total > bytes.capacity()
            && let Some(announced) = announced
        {
            bytes.reserve_exact(announced.max(total) - bytes.len());
        }
        bytes.extend_from_slice(chunk);
        body.consume(length);
    }
}

/// Only JSON will do; parameters such as a character set do not matter.
fn check_type(content_type: Option<&str>) -> Result<(), ApiError> {
    let content_type = content_type.unwrap_or("application/octet-stream");
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

/// Whether JSON may be answered to a request with this `Accept`: the most exact range that fits
/// decides.
pub(super) fn accepts_json(accept: &str) -> bool {
    let mut best = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let exactness = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("application/json") => 2,
            Some("application/*") => 1,
            Some("*/*") => 0,
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
    use super::*;

    #[test]
    fn content_types() {
        assert!(check_type(Some("application/json")).is_ok());
        assert!(check_type(Some("Application/JSON; charset=utf-8")).is_ok());
        assert!(check_type(Some("text/plain")).is_err());
        assert!(check_type(Some("application/json5")).is_err());
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
            assert!(accepts_json(yes), "{yes}");
        }
        for no in [
            "text/plain",
            "application/xml",
            "application/json;q=0",
            "application/json; q=0.0, */*",
        ] {
            assert!(!accepts_json(no), "{no}");
        }
    }
}
