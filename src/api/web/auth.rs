//! Whether a request may run a web action: `require-whisk-auth` (reference section 6.2).

use ring::digest::{SHA256, digest};
use serde_json::value::RawValue;

/// The header that carries the secret of an action.
pub(super) const HEADER: &str = "X-Require-Whisk-Auth";

/// Whether a request fulfils what the annotation's value asks for.
///
/// `secret` is the request's header; `known` says whether it has valid credentials, whoever's.
pub(super) fn allows(annotation: Option<&RawValue>, secret: Option<&str>, known: bool) -> bool {
    let Some(annotation) = annotation.map(RawValue::get) else {
        return true;
    };
    match annotation.as_bytes().first() {
        Some(b'f') => true,
        Some(b't') => known,
        Some(b'"') => serde_json::from_str::<String>(annotation)
            .is_ok_and(|wanted| secret.is_some_and(|secret| same(&wanted, secret))),
        Some(b'-' | b'0'..=b'9') => secret.is_some_and(|secret| same(annotation, secret)),
        _ => false,
    }
}

/// Compares digests, so that the time taken does not tell how much of a guess is right.
fn same(wanted: &str, given: &str) -> bool {
    digest(&SHA256, wanted.as_bytes()).as_ref() == digest(&SHA256, given.as_bytes()).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(annotation: &str, secret: Option<&str>, known: bool) -> bool {
        let annotation = RawValue::from_string(annotation.into()).unwrap();
        allows(Some(&annotation), secret, known)
    }

    #[test]
    fn by_value_of_the_annotation() {
        assert!(allows(None, None, false));
        assert!(allowed("false", None, false));
        // 11.11-254
        assert!(allowed("true", None, true));
        assert!(!allowed("true", Some("true"), false));
        // 11.11-255
        assert!(allowed("\"secret\"", Some("secret"), false));
        assert!(!allowed("\"secret\"", Some("Secret"), true));
        assert!(!allowed("\"secret\"", Some(""), true));
        assert!(!allowed("\"secret\"", None, true));
        assert!(allowed("1234", Some("1234"), false));
        assert!(!allowed("1234", Some("\"1234\""), true));
        assert!(!allowed("1234", None, true));
        for refused in ["null", "{}", "[true]"] {
            assert!(!allowed(refused, Some(refused), true), "{refused}");
        }
    }
}
