//! What a conductor is told, and what it says (reference section 5.3).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

use serde_json::value::RawValue;

use crate::entity::{FullName, Members, Response, json, names};

/// What a conductor wants next.
#[derive(Debug)]
pub(super) enum Wish {
    /// An end, with this response.
    End(Response),
    /// A component.
    Component {
        /// Its name, as the conductor gave it.
        name: Box<RawValue>,
        /// What it gets.
        params: Option<Box<RawValue>>,
        /// What the conductor wants to be told again.
        state: Option<Box<RawValue>>,
    },
}

/// Reads the response of a conductor.
pub(super) fn wish(response: &Response) -> Wish {
    let result = response.result.as_deref();
    let Some(members) = result.and_then(|result| Members::of(result).ok()) else {
        return Wish::End(response.clone());
    };
    let object = |name: &str, boxed: &str| {
        let value = members.get(name)?;
        Some(boxed_as(boxed, value).into_owned())
    };
    let params = object("params", "value");
    match members.get("action") {
        Some(name) => Wish::Component {
            name: json::compact(name).into_owned(),
            params,
            state: object("state", "state"),
        },
        None => Wish::End(Response {
            status: response.status,
            result: params.or_else(|| response.result.clone()),
            size: None,
        }),
    }
}

/// An object as it is; any other value as the only member of one.
fn boxed_as<'a>(name: &str, value: &'a RawValue) -> Cow<'a, RawValue> {
    if value.get().starts_with('{') {
        return Cow::Borrowed(value);
    }
    let text = format!(r#"{{"{name}":{value}}}"#);
    Cow::Owned(RawValue::from_string(text).expect("a value in an object is valid JSON"))
}

/// The input of a conductor: what comes in, with the members of the state over it. An array, which
/// nothing can be merged into, is boxed if there is a state.
pub(super) fn input(
    input: Option<Box<RawValue>>,
    state: Option<&RawValue>,
) -> Option<Box<RawValue>> {
    let Some(state) = state else {
        return input;
    };
    let Some(input) = input else {
        return Some(state.to_owned());
    };
    let input = boxed_as("value", &input);
    let (Ok(under), Ok(over)) = (Members::of(&input), Members::of(state)) else {
        return Some(state.to_owned());
    };
    let mut text = String::with_capacity(input.get().len() + state.get().len());
    // Both may have very many members.
    let replaced: HashSet<&str> = over.0.iter().map(|(name, _)| name.as_ref()).collect();
    let kept = under
        .0
        .iter()
        .filter(|(name, _)| !replaced.contains(name.as_ref()));
    for (name, value) in kept.chain(&over.0) {
        text.push(if text.is_empty() { '{' } else { ',' });
        let name = json::string(name);
        let _ = write!(text, "{name}:{value}");
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    Some(RawValue::from_string(text).expect("members of objects make an object"))
}

/// The action that a name means, which a conductor gives: with a slash before it or of three
/// segments it is complete, else it is one of the caller's namespace. None if it is no name.
pub(super) fn component(name: &RawValue, namespace: &str) -> Option<FullName> {
    let text: Cow<'_, str> = serde_json::from_str::<String>(name.get()).ok()?.into();
    let complete = text.starts_with('/') || names::segments(&text).count() > 2;
    let text = match complete {
        true => text,
        // Of nothing this makes a name too short.
        false => format!("{namespace}/{text}").into(),
    };
    Some(text.parse::<FullName>().ok()?.resolved(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Status;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    fn said(status: Status, result: &str) -> Wish {
        wish(&Response {
            status,
            result: Some(raw(result)),
            size: Some(9),
        })
    }

    #[test]
    fn an_end() {
        // 11.10-236, 11.10-237, 11.10-240
        for (status, result, end) in [
            (Status::Success, r#"{"n":1.0}"#, r#"{"n":1.0}"#),
            (Status::Success, r#"{"params":{"n":2},"x":1}"#, r#"{"n":2}"#),
            (
                Status::Success,
                r#"{"params":[2],"state":{}}"#,
                r#"{"value":[2]}"#,
            ),
            (Status::Success, "[1]", "[1]"),
            (
                Status::ApplicationError,
                r#"{"error":"e"}"#,
                r#"{"error":"e"}"#,
            ),
        ] {
            match said(status, result) {
                Wish::End(response) => {
                    assert_eq!(response.status, status);
                    assert_eq!(response.result.unwrap().get(), end);
                }
                other => panic!("{result}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_component() {
        // 11.10-240
        let parts = |result: &str| match said(Status::Success, result) {
            Wish::Component {
                name,
                params,
                state,
            } => [Some(name), params, state].map(|part| part.map(|part| part.get().to_string())),
            Wish::End(response) => panic!("{result}: {response:?}"),
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(parts(r#"{"action":"a"}"#), [some(r#""a""#), None, None]);
        assert_eq!(
            parts(r#"{"action":"a","params":null,"state":"s"}"#),
            [
                some(r#""a""#),
                some(r#"{"value":null}"#),
                some(r#"{"state":"s"}"#)
            ]
        );
        assert_eq!(
            parts(r#"{"action":{ "x": 1 },"params":{"p":1},"state":{"s":1}}"#),
            [some(r#"{"x":1}"#), some(r#"{"p":1}"#), some(r#"{"s":1}"#)]
        );
    }

    #[test]
    fn state_wins() {
        // 11.10-239
        let merged = |of: Option<&str>, state: Option<&str>| {
            let state = state.map(raw);
            input(of.map(raw), state.as_deref()).map(|text| text.get().to_string())
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(merged(Some(r#"{"a":1.0}"#), None), some(r#"{"a":1.0}"#));
        assert_eq!(merged(None, None), None);
        assert_eq!(merged(None, Some(r#"{"s":1}"#)), some(r#"{"s":1}"#));
        assert_eq!(
            merged(
                Some(r#"{"a":1,"s":2,"q\"":3}"#),
                Some(r#"{"s":1.50,"t":{}}"#)
            ),
            some(r#"{"a":1,"q\"":3,"s":1.50,"t":{}}"#)
        );
        assert_eq!(merged(Some("{}"), Some("{}")), some("{}"));
        assert_eq!(merged(Some("[1]"), Some("{}")), some(r#"{"value":[1]}"#));
        assert_eq!(merged(Some("[1]"), None), some("[1]"));
    }

    #[test]
    fn names() {
        for (name, full) in [
            (r#""a""#, Some("me/a")),
            (r#""p/a""#, Some("me/p/a")),
            (r#""you/p/a""#, Some("you/p/a")),
            (r#""/you/a""#, Some("you/a")),
            (r#""/_/p/a""#, Some("me/p/a")),
            (r#""_/p/a""#, Some("me/p/a")),
            (r#""/a""#, None),
            (r#""""#, None),
            (r#""a/b/c/d""#, None),
            (r#""invalid#Action""#, None),
            ("1", None),
            (r#"{"path":"me","name":"a"}"#, None),
        ] {
            let found = component(&raw(name), "me").map(|name| name.to_string());
            assert_eq!(found.as_deref(), full, "{name}");
        }
    }
}
