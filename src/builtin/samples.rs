//! The rest of the package `samples` (reference section 10).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::run::{BadArgument, Output, Run};
use super::value::{given, text};
use crate::entity::Members;

/// `samples/greeting`
pub(super) fn greeting(run: &Run<'_>, arguments: &Members<'_>) -> Output {
    let word = |names: &[&str], otherwise: &'static str| {
        let value = names.iter().find_map(|name| given(arguments, name));
        value.map_or(Ok(Cow::Borrowed(otherwise)), text)
    };
    let words = word(&["name", "payload"], "stranger")
        .and_then(|name| Ok((name, word(&["place"], "somewhere")?)));
    match words {
        Ok((name, place)) => {
            let payload = format!("Hello, {name} from {place}!");
            let params = Output::of(&by_name(arguments)).result;
            Output::of(&json!({ "payload": payload })).printed(run, &format!("params: {params}"))
        }
        Err(bad) => bad.into(),
    }
}

/// `samples/helloWorld`
pub(super) fn hello_world(run: &Run<'_>, arguments: &Members<'_>) -> Output {
    let payload = arguments.get("payload").map(text);
    match payload.unwrap_or(Ok(Cow::Borrowed("undefined"))) {
        Ok(payload) => Output::of(&json!({})).printed(run, &format!("hello {payload}!")),
        Err(bad) => bad.into(),
    }
}

/// `samples/wordCount` and, later, `samples/wordCountAsync`
pub(super) fn word_count(run: &Run<'_>, arguments: &Members<'_>) -> Output {
    let payload = arguments
        .get("payload")
        .ok_or_else(|| BadArgument("You must specify a payload parameter!".to_owned()));
    match payload.and_then(text) {
        Ok(payload) => {
            let count = payload.split(' ').count();
            Output::of(&json!({ "count": count }))
                .printed(run, &format!("The message '{payload}' has {count} words"))
        }
        Err(bad) => bad.into(),
    }
}

/// `samples/printParams`
pub(super) fn print_params(run: &Run<'_>, arguments: &Members<'_>) -> Output {
    #[derive(Serialize)]
    struct Printed<'a> {
        params: &'a BTreeMap<&'a str, &'a RawValue>,
    }
    let params = by_name(arguments);
    let mut output = Output::of(&Printed { params: &params });
    for (name, value) in &params {
        match text(value) {
            Ok(value) => output = output.printed(run, &format!("{name}: {value}")),
            Err(bad) => return bad.into(),
        }
    }
    output
}

/// The arguments in the order of their names.
fn by_name<'a>(arguments: &'a Members<'a>) -> BTreeMap<&'a str, &'a RawValue> {
    let mut named = BTreeMap::new();
    for (name, value) in &arguments.0 {
        named.insert(&**name, *value);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::super::run::testing::{result, run};
    use super::*;

    #[test]
    fn greetings() {
        let (result, logs) = run(greeting, r#"{"name":"Ada","place":"London"}"#);
        assert_eq!(result, r#"{"payload":"Hello, Ada from London!"}"#);
        assert_eq!(logs, [r#"params: {"name":"Ada","place":"London"}"#]);
        let (result, _) = run(greeting, r#"{"payload":7,"name":""}"#);
        assert_eq!(result, r#"{"payload":"Hello, 7 from somewhere!"}"#);
        let (result, logs) = run(greeting, "{}");
        assert_eq!(result, r#"{"payload":"Hello, stranger from somewhere!"}"#);
        assert_eq!(logs, ["params: {}"]);
    }

    #[test]
    fn hello() {
        let ran = run(hello_world, r#"{"payload":"you\nall"}"#);
        assert_eq!(ran, ("{}".into(), vec!["hello you".into(), "all!".into()]));
        assert_eq!(run(hello_world, "{}").1, ["hello undefined!"]);
    }

    #[test]
    fn words_are_counted_between_single_spaces() {
        let (result, logs) = run(word_count, r#"{"payload":"a  bc d"}"#);
        assert_eq!(result, r#"{"count":4}"#);
        assert_eq!(logs, ["The message 'a  bc d' has 4 words"]);
        assert_eq!(run(word_count, r#"{"payload":""}"#).0, r#"{"count":1}"#);
        assert_eq!(
            run(word_count, "{}").0,
            r#"{"error":"You must specify a payload parameter!"}"#
        );
    }

    #[test]
    fn params_are_sorted() {
        let (printed, logs) = run(print_params, r#"{"b":1.50,"a":"x","b":[ 2 ]}"#);
        assert_eq!(printed, r#"{"params":{"a":"x","b":[ 2 ]}}"#);
        assert_eq!(logs, ["a: x", "b: [ 2 ]"]);
        assert_eq!(result(print_params, "{}"), r#"{"params":{}}"#);
    }

    #[test]
    fn what_is_printed_is_bounded() {
        let lines = r"\n".repeat(500_000);
        let (_, logs) = run(hello_world, &format!(r#"{{"payload":"{lines}"}}"#));
        assert!(logs.len() < 50_000, "{}", logs.len());
        assert_eq!(
            logs.last().unwrap(),
            "Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes."
        );
        let many: Vec<String> = (0..40_000).map(|i| format!(r#""k{i}":1"#)).collect();
        let (_, logs) = run(print_params, &format!("{{{}}}", many.join(",")));
        assert!(logs.len() < 40_000, "{}", logs.len());
    }
}
