//! Arguments as the actions take them: JSON values, read the way JavaScript reads them as far as
//! the public catalogue's actions need it.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::run::BadArgument;
use crate::entity::Members;

/// Whether JavaScript takes a value for true: not `null`, `false`, 0 and `""`.
pub(super) fn truthy(value: &RawValue) -> bool {
    match value.get() {
        "null" | "false" | "\"\"" => false,
        text => text.parse::<f64>() != Ok(0.0),
    }
}

/// An argument that is there and truthy.
pub(super) fn given<'a>(arguments: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    arguments.get(name).filter(|value| truthy(value))
}

/// Whether an argument is exactly `true`.
pub(super) fn is_true(arguments: &Members<'_>, name: &str) -> bool {
    arguments
        .get(name)
        .is_some_and(|value| value.get() == "true")
}

/// A value as a text: strings as they are, all others as their JSON.
pub(super) fn text(value: &RawValue) -> Result<Cow<'_, str>, BadArgument> {
    let json = value.get();
    match json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        None => Ok(Cow::Borrowed(json)),
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        // An escape can name half of a character, which no text has.
        Some(_) => serde_json::from_str(json)
            .map(Cow::Owned)
            .map_err(|error| BadArgument(format!("A text of the arguments is malformed: {error}"))),
    }
}

/// Whether a value is a text.
pub(super) fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// The elements of an argument that is an array; none if it is absent or not truthy.
pub(super) fn array<'a>(
    arguments: &Members<'a>,
    name: &str,
) -> Result<Option<Vec<&'a RawValue>>, BadArgument> {
    given(arguments, name)
        .map(|value| {
            serde_json::from_str(value.get()).map_err(|_| {
                BadArgument(format!("Expected an argument '{name}' that is an array."))
            })
        })
        .transpose()
}

/// The order of JavaScript's texts: by UTF-16 code units.
pub(super) fn by_code_units(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn truth_is_that_of_javascript() {
        for yes in ["true", "1", "-0.5", "\"0\"", "{}", "[]"] {
            assert!(truthy(raw(yes)), "{yes}");
        }
        for no in ["null", "false", "0", "0.0", "-0", "0e3", "\"\""] {
            assert!(!truthy(raw(no)), "{no}");
        }
    }

    #[test]
    fn texts() {
        assert_eq!(text(raw("\"a b\"")).unwrap(), "a b");
        assert_eq!(text(raw(r#""a\nb""#)).unwrap(), "a\nb");
        assert_eq!(text(raw("1.50")).unwrap(), "1.50");
        assert_eq!(text(raw("{\"a\": 1}")).unwrap(), "{\"a\": 1}");
        assert!(text(raw(r#""\ud800""#)).is_err());
    }

    #[test]
    fn arrays() {
        let of = |json: &'static str| array(&Members::of(raw(json)).unwrap(), "l");
        assert_eq!(of(r#"{"l":[1,"x"]}"#).unwrap().unwrap().len(), 2);
        assert!(of(r#"{"l":null}"#).unwrap().is_none());
        assert!(of("{}").unwrap().is_none());
        assert_eq!(
            of(r#"{"l":"x"}"#).unwrap_err().0,
            "Expected an argument 'l' that is an array."
        );
    }

    #[test]
    fn order_is_that_of_code_units() {
        // U+FF5E is one unit above the surrogates that U+1F600 begins with.
        assert_eq!(by_code_units("\u{1f600}", "\u{ff5e}"), Ordering::Less);
        assert_eq!(by_code_units("B", "a"), Ordering::Less);
        assert_eq!(by_code_units("a", "ab"), Ordering::Less);
    }
}
