//! What clients send for `exec`, and what is stored of it.

use super::super::exec::Fields;
use super::*;

/// Kinds for the tests of this room.
pub(in crate::entity) struct TestKinds;

impl Kinds for TestKinds {
    fn resolve(&self, kind: &str) -> Option<(&str, bool)> {
        match kind {
            "nodejs:20" | "nodejs:default" => Some(("nodejs:20", false)),
            "java:8" => Some(("java:8", true)),
            _ => None,
        }
    }

    fn names(&self) -> Vec<&str> {
        vec!["nodejs:20", "java:8"]
    }
}

fn parse(json: &str) -> Result<NewExec, EntityError> {
    NewExec::parse(&RawValue::from_string(json.into()).unwrap(), &TestKinds)
}

fn detail(json: &str) -> String {
    match parse(json) {
        Err(EntityError::Malformed(detail)) => detail,
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn kinds() {
    // 11.3-45
    let new = parse(r#"{"kind":"nodejs:default","code":"x","binary":true}"#).unwrap();
    assert_eq!(new.exec.kind(), "nodejs:20");
    assert!(!new.exec.binary());
    // 11.3-46
    let new = parse(r#"{"kind":" NodeJS:20 ","jar":"","main":"go"}"#).unwrap();
    assert_eq!(new.exec.kind(), "nodejs:20");
    assert_eq!(new.exec.main(), Some("go"));
    assert_eq!(new.code.as_deref(), Some(""));
    assert_eq!(new.size(), 2);
    // 11.3-61
    for kind in ["nodejs", "nodejs:3", "go:default"] {
        assert_eq!(
            detail(&format!(r#"{{"kind":"{kind}","code":"x"}}"#)),
            format!(
                "The specified runtime '{kind}' is not supported by this platform. Valid \
                 values are: 'nodejs:20', 'java:8', 'sequence', 'blackbox'."
            )
        );
    }
}

#[test]
fn sequences() {
    let new = parse(
        r#"{"kind":"Sequence","code":"x","main":"m",
            "components":["/_/a",{"path":"ns/p","name":"b"}]}"#,
    );
    let new = new.unwrap().resolved("me");
    assert_eq!(new.code, None);
    assert_eq!(new.size(), 4 + 6);
    let shown = serde_json::to_string(&new.exec.fields(None)).unwrap();
    assert_eq!(
        shown,
        r#"{"kind":"sequence","components":["/me/a","/ns/p/b"]}"#
    );
    // 11.9-217
    for json in [
        r#"{"kind":"sequence"}"#,
        r#"{"kind":"sequence","components":null}"#,
    ] {
        assert_eq!(
            detail(json),
            "'components' must be defined for sequence kind"
        );
    }
    for json in [
        r#"{"kind":"sequence","components":{}}"#,
        r#"{"kind":"sequence","components":"/_/a"}"#,
    ] {
        assert_eq!(detail(json), "'components' must be an array");
    }
    // 11.9-221
    assert_eq!(
        detail(r#"{"kind":"sequence","components":["a"]}"#),
        "requirement failed: The fully qualified name of the entity must contain at least \
         the namespace and the name of the entity."
    );
    assert_eq!(
        detail(r#"{"kind":"sequence","components":[1]}"#),
        "fully qualified name malformed"
    );
}

#[test]
fn a_sequence_is_not_read_beyond_what_any_may_have() {
    let of = |count: usize| {
        let names = vec![r#""_/a""#; count].join(",");
        parse(&format!(r#"{{"kind":"sequence","components":[{names}]}}"#))
    };
    let most = of(MOST_COMPONENTS).unwrap().exec;
    assert_eq!(most.components().unwrap().len(), MOST_COMPONENTS);
    let too_many = EntityError::Invalid("Too many actions in the sequence.".into());
    assert_eq!(of(MOST_COMPONENTS + 1).unwrap_err(), too_many);
    assert_eq!(of(100 * MOST_COMPONENTS).unwrap_err(), too_many);
}

#[test]
fn malformed() {
    // 11.3-59
    assert_eq!(detail("\"\""), "'exec' must be a JSON object");
    assert_eq!(
        detail(r#"["nodejs:20","x",null,null]"#),
        "'exec' must be a JSON object"
    );
    // 11.3-60
    for json in [
        "{}",
        r#"{"code":"x"}"#,
        r#"{"kind":null}"#,
        r#"{"kind":20}"#,
    ] {
        assert_eq!(detail(json), "'kind' must be a string defined in 'exec'");
    }
    let code = "'code' must be a string or attachment object defined in 'exec' for";
    assert_eq!(
        detail(r#"{"kind":"nodejs:default"}"#),
        format!("{code} 'nodejs:20' actions")
    );
    assert_eq!(
        detail(r#"{"kind":"blackbox","image":"x","code":{}}"#),
        format!("{code} 'blackbox' actions")
    );
    assert_eq!(
        detail(r#"{"kind":"nodejs:20","code":"x","main":1}"#),
        "if defined, 'main' be a string in 'exec' for 'nodejs:20' actions"
    );
    // 11.3-63
    assert_eq!(
        detail(r#"{"kind":"java:8","code":"x"}"#),
        "'main' must be a string defined in 'exec' for 'java:8' actions"
    );
    assert_eq!(
        detail(r#"{"kind":"blackbox"}"#),
        "'image' must be a string defined in 'exec' for 'blackbox' actions"
    );
    assert_eq!(
        detail(r#"{"kind":"blackbox","image":"A B"}"#),
        "could not parse image name"
    );
}

#[test]
fn blackbox_code() {
    // 11.3-64
    for code in ["", r#","code":"""#, r#","code":" \n""#, r#","code":null"#] {
        let new = parse(&format!(r#"{{"kind":"blackbox","image":"a/b"{code}}}"#)).unwrap();
        assert_eq!(new.code, None);
        assert!(!new.exec.binary());
        assert_eq!(new.size(), 3);
    }
    // 11.3-65
    let new = parse(r#"{"kind":"blackbox","image":"a/b","code":"RHViZWU="}"#).unwrap();
    assert_eq!(new.code.as_deref(), Some("RHViZWU="));
    assert!(new.exec.binary());
}

#[test]
fn base64_is_guessed() {
    // 11.3-66
    for yes in ["RHViZWU=", "main", " RHViZWU=\n", "AA==", "+/+/"] {
        assert!(is_base64(yes), "{yes:?}");
    }
    for no in ["", "??", "mai", "A===", "====", "AA=A", "a b c d ", "mäin"] {
        assert!(!is_base64(no), "{no:?}");
    }
}

#[test]
fn stored_and_back() {
    for json in [
        r#"{"kind":"nodejs:20","code":"c","main":"m"}"#,
        r#"{"kind":"blackbox","image":"a/b:c"}"#,
        r#"{"kind":"sequence","components":[]}"#,
        r#"{"kind":"sequence","components":["/ns/p/a","ns/b"]}"#,
    ] {
        let exec = parse(json).unwrap().exec;
        let stored = serde_json::to_string(&exec.fields(None)).unwrap();
        assert!(!stored.contains("code"), "{stored}");
        let back: Fields = serde_json::from_str(&stored).unwrap();
        assert_eq!(Exec::try_from(back).unwrap(), exec);
    }
}
