//! Results that say themselves what is answered: `.http` (reference section 6.6).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;

use super::media::{MediaType, is_token};
use super::response::{Answer, Content, Invalid};
use crate::entity::{Members, is_base64, json};

/// The type of texts whose action does not name one.
const TEXT: &str = "text/html";
/// The type of other bodies whose action does not name one.
const JSON: &str = "application/json";
/// Headers about the connection, not about the answer: the server alone decides them.
const CONNECTION: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Levels of arrays in the value of a header, each of which costs a pass over its text.
const MOST_LEVELS: usize = 8;
/// Header lines of an answer. Clients take no more than about a hundred, and what is written to the
/// wire has an end that must not be found by a panic.
const MOST_HEADERS: usize = 256;
/// Base64 with or without padding, as clients of OpenWhisk may give it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The answer that an object with `statusCode`, `headers` and `body` describes.
///
/// # Errors
/// It is not such an object, or its body does not suit its `content-type`.
pub(super) fn answer(value: &RawValue) -> Result<Answer, Invalid> {
    describe(value).ok_or(Invalid::Media("message/http"))?
}

/// The outer result is none if the value is no description of an answer.
fn describe(value: &RawValue) -> Option<Result<Answer, Invalid>> {
    let members = Members::of(value).ok()?;
    let mut headers = match members.get("headers") {
        Some(given) => headers(given)?,
        None => Vec::new(),
    };
    let status = match members.get("statusCode") {
        Some(given) => Some(status(given)?),
        None => None,
    };
    let mut content_type = None;
    headers.retain(|(name, value)| {
        let is_type = name.eq_ignore_ascii_case("content-type");
        if is_type && content_type.is_none() {
            content_type = Some(value.clone());
        }
        !is_type && !CONNECTION.iter().any(|own| name.eq_ignore_ascii_case(own))
    });
    let content = match members.get("body") {
        None => None,
        Some(body) if matches!(body.get(), "null" | "\"\"") => None,
        Some(body) => match content(body, content_type.as_deref()) {
            Ok(content) => Some(content),
            Err(invalid) => return Some(Err(invalid)),
        },
    };
    let default = if content.is_some() { 200 } else { 204 };
    Some(Ok(Answer {
        status: status.unwrap_or(default),
        headers,
        content,
    }))
}

/// A status that an answer may have; a number without a fraction, or a text of one.
fn status(given: &RawValue) -> Option<u16> {
    let text = given.get();
    let number = match text.as_bytes().first()? {
        b'"' => f64::from(json::text(given)?.parse::<i32>().ok()?),
        _ => text.parse::<f64>().ok()?,
    };
    // Below are interim answers, after which a client would wait for another.
    (200..=599).find(|status| f64::from(*status) == number)
}

fn headers(given: &RawValue) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for (name, value) in Members::of(given).ok()?.0 {
        if !is_token(&name) {
            return None;
        }
        let mut values = Vec::new();
        flatten(value, MOST_LEVELS, &mut values)?;
        headers.extend(values.into_iter().map(|value| (name.to_string(), value)));
        if headers.len() > MOST_HEADERS {
            return None;
        }
    }
    Some(headers)
}

/// Texts, numbers and truth values of a header, arrays of them, and arrays of those.
fn flatten(value: &RawValue, levels: usize, values: &mut Vec<String>) -> Option<()> {
    let text = match value.get().as_bytes().first()? {
        b'{' | b'n' => return None,
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            let levels = levels.checked_sub(1)?;
            return items
                .into_iter()
                .try_for_each(|item| flatten(item, levels, values));
        }
        b'"' => json::text(value)?,
        _ => value.get().to_string(),
    };
    // A line end would begin another header.
    if text.chars().any(|c| c.is_ascii_control() && c != '\t') {
        return None;
    }
    values.push(text);
    Some(())
}

/// A body that is there, of the type that the action named.
fn content(body: &RawValue, named: Option<&str>) -> Result<Content, Invalid> {
    let text = json::text(body);
    let default = if text.is_some() { TEXT } else { JSON };
    let media = MediaType::parse(named.unwrap_or(default)).ok_or(Invalid::UnknownType)?;
    let bytes = match text {
        Some(text) if media.is_binary() || (media.is_json() && is_base64(&text)) => {
            BASE64.decode(text).map_err(|_| Invalid::WrongType)?
        }
        Some(text) => text.into_bytes(),
        None if media.is_json() => json::pretty(body).into_owned().into_bytes(),
        None => return Err(Invalid::WrongType),
    };
    Ok(Content {
        essence: media.essence().into(),
        header: media.header(),
        bytes,
    })
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
