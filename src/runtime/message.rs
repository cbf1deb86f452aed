//! The bodies of `/init` and `/run` (reference sections 7.2 and 7.3). No I/O.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Largest `/init` body in bytes: 48 MB of code as base64, and room for the rest.
pub const INIT_LIMIT: u64 = 64 << 20;

/// Largest `/run` body in bytes. OpenWhisk's limit is 1 MB for each of the payload, the action's,
/// the binding's and the package's parameters; the rest is slack for installations that allow more.
pub const RUN_LIMIT: u64 = 8 << 20;

/// What `/init` asks for.
#[derive(Debug)]
pub struct InitRequest {
    /// Entry point.
    pub main: String,
    /// Source text, or base64 if `binary`; none for an image that holds its own code.
    pub code: Option<String>,
    /// Whether `code` is base64.
    pub binary: bool,
    /// Variables for the life of the sandbox.
    pub env: Vec<(String, String)>,
}

/// What `/run` asks for.
#[derive(Debug)]
pub struct RunRequest<'a> {
    /// The arguments: an object or an array, as they came.
    pub value: &'a str,
    /// `__OW_*` variables of this run.
    pub env: Vec<(String, String)>,
    /// When the platform gives up on this run, in milliseconds since 1970.
    pub deadline: Option<u64>,
}

#[derive(Deserialize)]
struct InitEnvelope {
    value: InitValue,
}

#[derive(Deserialize)]
struct InitValue {
    #[serde(default)]
    main: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    binary: bool,
    #[serde(default)]
    env: Option<BTreeMap<String, Value>>,
}

/// Reads the body of `/init`. The error says what is wrong with it.
pub fn parse_init(body: &[u8]) -> Result<InitRequest, serde_json::Error> {
    let InitEnvelope { value } = serde_json::from_slice(body)?;
    Ok(InitRequest {
        main: value
            .main
            .filter(|main| !main.is_empty())
            .unwrap_or_else(|| "main".to_owned()),
        code: value.code.filter(|code| !code.is_empty()),
        binary: value.binary,
        env: value
            .env
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, variable_text(value)))
            .collect(),
    })
}

/// Reads the body of `/run`: every top-level key but `value` becomes `__OW_<KEY>`.
pub fn parse_run(body: &[u8]) -> Result<RunRequest<'_>, serde_json::Error> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body)?;
    let mut request = RunRequest {
        value: "{}",
        env: Vec::with_capacity(fields.len()),
        deadline: None,
    };
    for (key, raw) in fields {
        if key == "value" {
            // Apache's proxies take a missing or null value for no arguments.
            if raw.get() != "null" {
                request.value = raw.get();
            }
            continue;
        }
        let text = variable_text(serde_json::from_str(raw.get())?);
        if key == "deadline" {
            request.deadline = text.parse().ok();
        }
        request
            .env
            .push((format!("__OW_{}", key.to_uppercase()), text));
    }
    Ok(request)
}

/// Time left until a deadline in milliseconds since 1970; zero if it has passed.
pub fn time_left(deadline: u64, now: SystemTime) -> Duration {
    // Far-off deadlines (a clock not yet set) must not overflow an `Instant`.
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(deadline))
        .and_then(|deadline| deadline.duration_since(now).ok())
        .unwrap_or_default()
        .min(LONGEST)
}

/// A value as text for a variable: strings as they are, null as nothing, all else as JSON.
fn variable_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_takes_defaults_for_what_is_missing() {
        let init = parse_init(br#"{"value":{"code":"x","main":"","env":null}}"#).unwrap();
        assert_eq!(init.main, "main");
        assert_eq!(init.code.as_deref(), Some("x"));
        assert!(!init.binary && init.env.is_empty());
        assert!(
            parse_init(br#"{"value":{"code":""}}"#)
                .unwrap()
                .code
                .is_none()
        );
    }

    #[test]
    fn init_variables_are_texts() {
        let body = br#"{"value":{"env":{"a":"x","b":null,"c":[1,{"d":true}],"e":1.50}}}"#;
        let texts: Vec<_> = parse_init(body)
            .unwrap()
            .env
            .into_iter()
            .map(|(_, v)| v)
            .collect();
        assert_eq!(texts, ["x", "", r#"[1,{"d":true}]"#, "1.5"]);
    }

    #[test]
    fn run_keeps_the_arguments_as_they_came() {
        let body =
            br#" {"value": {"n": 1.50, "s":"\u0041"}, "activation_id":"a1","deadline":"12"}"#;
        let run = parse_run(body).unwrap();
        assert_eq!(run.value, r#"{"n": 1.50, "s":"\u0041"}"#);
        assert_eq!(run.deadline, Some(12));
        assert_eq!(run.env[0], ("__OW_ACTIVATION_ID".into(), "a1".into()));
    }

    #[test]
    fn run_without_arguments_gets_an_empty_object() {
        assert_eq!(parse_run(b"{}").unwrap().value, "{}");
        assert_eq!(parse_run(br#"{"value":null}"#).unwrap().value, "{}");
        assert_eq!(parse_run(br#"{"value":[1]}"#).unwrap().value, "[1]");
    }

    #[test]
    fn other_bodies_are_refused() {
        for body in [&b""[..], b"x", b"[]", b"{\"value\":", b"\xff"] {
            assert!(parse_run(body).is_err());
            assert!(parse_init(body).is_err());
        }
    }

    #[test]
    fn a_deadline_is_never_far_off_nor_negative() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000);
        assert_eq!(time_left(1_500, now), Duration::from_millis(500));
        assert_eq!(time_left(900, now), Duration::ZERO);
        assert_eq!(time_left(u64::MAX, now), Duration::from_secs(24 * 3600));
    }
}
