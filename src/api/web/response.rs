//! From the result of a web action to what is answered (reference section 6.6).

use std::fmt;

use http_types::StatusCode;
use serde_json::value::RawValue;

use super::extension::Extension;
use super::http;
use crate::api::error::ApiError;
use crate::entity::{Members, Response, Status, json};

/// What a web action answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// 200 to 599.
    pub(super) status: u16,
    /// Headers other than that of the content's type. A name may come more than once; names are
    /// tokens, and values are free of control characters.
    pub(super) headers: Vec<(String, String)>,
    /// None for an empty answer, which has no type either.
    pub(super) content: Option<Content>,
}

/// A body and its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// `type/subtype`, which the caller has to accept.
    pub(super) essence: String,
    /// The `Content-Type` header.
    pub(super) header: String,
    /// The bytes.
    pub(super) bytes: Vec<u8>,
}

/// Why the result of an action is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// The action failed in a way that it did not choose.
    Failed,
    /// It does not have the field that is asked for.
    NoProperty,
    /// It is not what this media type needs.
    Media(&'static str),
    /// The action's `content-type` is malformed.
    UnknownType,
    /// The action's `content-type` is not the type of its body.
    WrongType,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("There was an error processing your request."),
            Self::NoProperty => f.write_str("Response does not include requested property."),
            Self::Media(media) => write!(f, "Response is not valid '{media}'."),
            Self::UnknownType => f.write_str("Response did not specify a known content-type."),
            Self::WrongType => {
                f.write_str("Response type in header did not match generated content type.")
            }
        }
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        let status = match invalid {
            Invalid::NoProperty => StatusCode::NotFound,
            _ => StatusCode::BadRequest,
        };
        Self::new(status, invalid.to_string())
    }
}

/// The answer that the outcome of a run means for an extension.
///
/// # Errors
/// The result does not suit the extension, or there is none.
pub(super) fn answer(response: &Response, extension: Extension) -> Result<Answer, Invalid> {
    let not_valid = || Invalid::Media(extension.media());
    let result = response.result.as_deref();
    let value = match (response.status, result) {
        (Status::Success, Some(array)) if array.get().starts_with('[') => match extension {
            Extension::Json => array,
            // It has no fields, and nobody could tell it from what an action means to answer.
            _ => return Err(not_valid()),
        },
        (Status::Success, Some(result)) => result,
        (Status::Success, None) => serde_json::from_str("{}").expect("an object"),
        (Status::ApplicationError, Some(result)) => Members::of(result)
            .ok()
            .and_then(|result| result.get("error"))
            .ok_or(Invalid::NoProperty)?,
        (Status::ApplicationError, None) => return Err(Invalid::NoProperty),
        (Status::DeveloperError | Status::InternalError, _) => return Err(Invalid::Failed),
    };
    match extension {
        Extension::Http => http::answer(value),
        Extension::Json if value.get().starts_with(['{', '[']) => {
            Ok(Answer::of(extension, json::pretty(value).into_owned()))
        }
        Extension::Json => Err(not_valid()),
        Extension::Html | Extension::Svg => field(value, extension)
            .and_then(json::text)
            .map(|text| Answer::of(extension, text))
            .ok_or_else(not_valid),
        Extension::Text => {
            let value = field(value, extension).ok_or(Invalid::NoProperty)?;
            let text = json::text(value).unwrap_or_else(|| json::pretty(value).into_owned());
            Ok(Answer::of(extension, text))
        }
    }
}

impl Answer {
    /// A text of an extension's own type, with status 200.
    fn of(extension: Extension, text: String) -> Self {
        let media = extension.media();
        let header = match extension {
            Extension::Html | Extension::Text => format!("{media}; charset=UTF-8"),
            Extension::Http | Extension::Json | Extension::Svg => media.into(),
        };
        Answer {
            status: 200,
            headers: Vec::new(),
            content: Some(Content {
                essence: media.into(),
                header,
                bytes: text.into_bytes(),
            }),
        }
    }
}

/// What of a value is answered: a field of an object, else the value itself.
fn field(value: &RawValue, extension: Extension) -> Option<&RawValue> {
    if !value.get().starts_with('{') {
        return Some(value);
    }
    let members = Members::of(value).ok()?;
    members
        .get("body")
        .or_else(|| members.get(extension.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: Status, result: &str, extension: Extension) -> Result<Answer, Invalid> {
        let response = Response {
            status,
            result: Some(RawValue::from_string(result.into()).unwrap()),
            size: None,
        };
        answer(&response, extension)
    }

    /// Header and text of an answer with status 200 and no further headers.
    #[track_caller]
    fn good(result: &str, extension: Extension) -> (String, String) {
        let answer = of(Status::Success, result, extension).expect(result);
        assert_eq!((answer.status, answer.headers.len()), (200, 0));
        let content = answer.content.unwrap();
        assert!(content.header.starts_with(&content.essence));
        (content.header, String::from_utf8(content.bytes).unwrap())
    }

    fn bad(result: &str, extension: Extension) -> Invalid {
        of(Status::Success, result, extension).expect_err(result)
    }

    #[test]
    fn json() {
        // 11.11-266
        assert_eq!(
            good(r#"{"a":[1.0,{}]}"#, Extension::Json),
            (
                "application/json".into(),
                "{\n  \"a\": [\n    1.0,\n    {}\n  ]\n}".into()
            )
        );
        assert_eq!(good("[1]", Extension::Json).1, "[\n  1\n]");
        for error in ["\"text\"", "1", "true", "null"] {
            let result = format!("{{\"error\":{error}}}");
            let refused = of(Status::ApplicationError, &result, Extension::Json).unwrap_err();
            // 11.11-282
            assert_eq!(
                refused.to_string(),
                "Response is not valid 'application/json'."
            );
        }
    }

    #[test]
    fn text() {
        let text = |result: &str| good(result, Extension::Text).1;
        // 11.11-267
        assert_eq!(text(r#"{"text":"a\n\u00e9"}"#), "a\né");
        assert_eq!(text(r#"{"text":"a","body":"b"}"#), "b");
        assert_eq!(text(r#"{"text":{"a":1}}"#), "{\n  \"a\": 1\n}");
        assert_eq!(text(r#"{"text":[1]}"#), "[\n  1\n]");
        for scalar in ["1.50", "true", "null"] {
            assert_eq!(text(&format!("{{\"text\":{scalar}}}")), scalar);
        }
        assert_eq!(
            good(r#"{"text":""}"#, Extension::Text).0,
            "text/plain; charset=UTF-8"
        );
        assert_eq!(bad(r#"{"html":"a"}"#, Extension::Text), Invalid::NoProperty);
        assert_eq!(bad("{}", Extension::Text), Invalid::NoProperty);
        assert_eq!(
            Invalid::NoProperty.to_string(),
            "Response does not include requested property."
        );
        let error = of(
            Status::ApplicationError,
            r#"{"error":[1]}"#,
            Extension::Text,
        );
        assert_eq!(error.unwrap().content.unwrap().bytes, b"[\n  1\n]");
    }

    #[test]
    fn html_and_svg() {
        // 11.11-268
        let html = ("text/html; charset=UTF-8".into(), "<p>".into());
        assert_eq!(good(r#"{"html":"<p>"}"#, Extension::Html), html);
        assert_eq!(good(r#"{"body":"<p>"}"#, Extension::Html), html);
        // 11.11-269
        let svg = ("image/svg+xml".into(), "<svg/>".into());
        assert_eq!(good(r#"{"svg":"<svg/>"}"#, Extension::Svg), svg);
        assert_eq!(good(r#"{"body":"<svg/>"}"#, Extension::Svg), svg);
        for wrong in ["{}", r#"{"html":1,"svg":1}"#, r#"{"body":{},"html":"a"}"#] {
            assert_eq!(
                bad(wrong, Extension::Html).to_string(),
                "Response is not valid 'text/html'."
            );
            assert_eq!(
                bad(wrong, Extension::Svg).to_string(),
                "Response is not valid 'image/svg+xml'."
            );
        }
        let error = of(
            Status::ApplicationError,
            r#"{"error":"<b>"}"#,
            Extension::Html,
        );
        assert_eq!(error.unwrap().content.unwrap().bytes, b"<b>");
    }

    #[test]
    fn failures() {
        for extension in [Extension::Http, Extension::Json, Extension::Text] {
            // 11.11-283
            for status in [Status::DeveloperError, Status::InternalError] {
                let refused = of(status, r#"{"error":{"body":"x"}}"#, extension).unwrap_err();
                assert_eq!(
                    refused.to_string(),
                    "There was an error processing your request."
                );
            }
            let refused = of(Status::ApplicationError, "{}", extension);
            assert_eq!(refused, Err(Invalid::NoProperty));
        }
        // 11.11-282
        let error = r#"{"error":{"statusCode":404,"body":"gone"}}"#;
        let answer = of(Status::ApplicationError, error, Extension::Http).unwrap();
        assert_eq!(answer.status, 404);
        assert_eq!(answer.content.unwrap().bytes, b"gone");
    }

    #[test]
    fn arrays() {
        for extension in [
            Extension::Http,
            Extension::Html,
            Extension::Svg,
            Extension::Text,
        ] {
            assert_eq!(
                bad("[1]", extension),
                Invalid::Media(extension.media()),
                "{extension:?}"
            );
        }
    }

    #[test]
    fn nothing_is_an_empty_object() {
        let response = Response {
            status: Status::Success,
            result: None,
            size: None,
        };
        let answer = answer(&response, Extension::Json).unwrap();
        assert_eq!(answer.content.unwrap().bytes, b"{}");
    }
}
