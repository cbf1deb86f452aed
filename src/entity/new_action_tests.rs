//! Bodies of actions in, actions out.

use super::super::new_exec::tests::TestKinds;
use super::*;

fn parse(body: &str) -> Result<NewAction, EntityError> {
    NewAction::parse(body.as_bytes(), &TestKinds)
}

fn create(body: &str) -> Action {
    parse(body)
        .unwrap()
        .create("guest", "hello", &ActionRanges::default(), 7)
        .unwrap()
}

fn update(old: &Action, body: &str) -> Action {
    parse(body)
        .unwrap()
        .update(old, &ActionRanges::default(), 9)
        .unwrap()
}

fn show(parameters: &Parameters) -> String {
    serde_json::to_string(parameters).unwrap()
}

const CODE: &str = r#""exec":{"kind":"nodejs:20","code":"x"}"#;

#[test]
fn created() {
    // 11.3-41, 11.3-42, 11.3-54
    let action = create(&format!("{{{CODE},\"updated\":1,\"name\":\"x\"}}"));
    assert_eq!(
        String::from_utf8(action.full(Some("x"))).unwrap(),
        concat!(
            r#"{"namespace":"guest","name":"hello","#,
            r#""exec":{"kind":"nodejs:20","code":"x","binary":false},"parameters":[],"#,
            r#""limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1},"#,
            r#""version":"0.0.1","publish":false,"annotations":["#,
            r#"{"key":"provide-api-key","value":false},{"key":"exec","value":"nodejs:20"}],"#,
            r#""updated":7}"#
        )
    );
    let again = Action::from_document(&action.document(), 3).unwrap();
    assert_eq!(again.document(), action.document());
    assert_eq!(again.revision, 3);
    assert!(!again.provides_api_key());
    // 11.3-87
    assert_eq!(
        action.list_element().get(),
        concat!(
            r#"{"namespace":"guest","name":"hello","version":"0.0.1","publish":false,"#,
            r#""annotations":[{"key":"provide-api-key","value":false},"#,
            r#"{"key":"exec","value":"nodejs:20"}],"#,
            r#""limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1},"#,
            r#""exec":{"binary":false},"updated":7}"#
        )
    );
}

#[test]
fn annotations_at_creation() {
    // 11.3-43, 11.3-44
    let action = create(&format!(
        r#"{{{CODE},"annotations":[{{"key":"exec","value":1}},
            {{"key":"provide-api-key","value":"yes"}}]}}"#
    ));
    assert_eq!(
        show(&action.annotations),
        r#"[{"key":"exec","value":"nodejs:20"},{"key":"provide-api-key","value":"yes"}]"#
    );
    assert!(action.provides_api_key());
}

#[test]
fn updated() {
    let old = create(&format!(
        r#"{{{CODE},"parameters":[{{"key":"a","value":1}}],"limits":{{"memory":128}},
            "annotations":[{{"key":"x","value":1}},{{"key":"y","value":1}}]}}"#
    ));
    // 11.3-49
    let new = update(&old, r#"{"parameters":[{"key":"b","value":2}]}"#);
    assert_eq!(show(&new.parameters), r#"[{"key":"b","value":2}]"#);
    assert_eq!(new.exec, old.exec);
    assert_eq!(new.limits, old.limits);
    assert_eq!(new.version, "0.0.2");
    assert_eq!(new.updated, 9);
    // 11.3-53
    assert_eq!(show(&new.annotations), show(&old.annotations));
    // 11.3-51, 11.3-52
    let new = update(
        &old,
        r#"{"annotations":[{"key":"x","value":2}],
            "delAnnotations":["y","provide-api-key"]}"#,
    );
    assert_eq!(
        show(&new.annotations),
        r#"[{"key":"x","value":2},{"key":"exec","value":"nodejs:20"}]"#
    );
    // 11.3-50, 11.3-55
    let new = update(
        &old,
        r#"{"exec":{"kind":"java:8","code":"","main":"m"},"version":"2.1","publish":true,
            "limits":{"timeout":100}}"#,
    );
    assert_eq!(new.exec.kind(), "java:8");
    assert_eq!(new.version, "2.1.0");
    assert!(new.publish);
    assert_eq!((new.limits.memory, new.limits.timeout), (128, 100));
    assert!(show(&new.annotations).ends_with(r#"{"key":"exec","value":"java:8"}]"#));
}

#[test]
fn sequences() {
    const SEQUENCE: &str = r#""exec":{"kind":"sequence","components":["/ns/a","/ns/p/b"]}"#;
    const COMPONENTS: &str = r#"[{"key":"_actions","value":["/ns/a","/ns/p/b"]}]"#;
    let given = r#""parameters":[{"key":"x","value":1}]"#;
    // 11.9-215
    let sequence = create(&format!("{{{SEQUENCE},{given}}}"));
    assert_eq!(show(&sequence.parameters), COMPONENTS);
    assert!(show(&sequence.annotations).ends_with(r#"{"key":"exec","value":"sequence"}]"#));
    let again = Action::from_document(&sequence.document(), 3).unwrap();
    assert_eq!(again.exec, sequence.exec);

    let kept = update(&sequence, &format!("{{{given}}}"));
    assert_eq!(show(&kept.parameters), COMPONENTS);
    // 11.3-89
    let code = update(&sequence, &format!("{{{CODE}}}"));
    assert_eq!(show(&code.parameters), "[]");
    let code = update(&sequence, &format!("{{{CODE},{given}}}"));
    assert_eq!(show(&code.parameters), r#"[{"key":"x","value":1}]"#);
    // Parameters of code stay when only the code changes.
    let same = update(&code, &format!("{{{CODE}}}"));
    assert_eq!(show(&same.parameters), show(&code.parameters));

    let delete = r#""delAnnotations":["provide-api-key"]"#;
    let sequence = update(&code, &format!("{{{SEQUENCE},{given},{delete}}}"));
    assert_eq!(show(&sequence.parameters), COMPONENTS);
    assert!(sequence.annotations.get("provide-api-key").is_some());
    let sequence = update(&sequence, &format!("{{{delete}}}"));
    assert!(sequence.annotations.get("provide-api-key").is_none());
}

#[test]
fn time_goes_on_in_updates() {
    let mut old = create(&format!("{{{CODE}}}"));
    old.updated = 100;
    assert_eq!(update(&old, "{}").updated, 101);
}

#[test]
fn nulls_are_missing() {
    let action = create(&format!(
        r#"{{{CODE},"parameters":null,"limits":null,"version":null,"publish":null,
            "annotations":null,"delAnnotations":null}}"#
    ));
    assert_eq!(action.version, "0.0.1");
    let error = parse(r#"{"exec":null}"#)
        .unwrap()
        .create("guest", "hello", &ActionRanges::default(), 7)
        .unwrap_err();
    // 11.3-58
    assert_eq!(error.to_string(), "exec undefined");
}

#[test]
fn malformed() {
    for body in [
        "",
        "x",
        "[]",
        "\"\"",
        "{",
        r#"{"version":1}"#,
        r#"{"version":"0.0.0"}"#,
        r#"{"publish":"true"}"#,
        r#"{"delAnnotations":[1]}"#,
        r#"{"annotations":{}}"#,
    ] {
        let error = parse(body).unwrap_err();
        assert!(
            matches!(error, EntityError::Malformed(_)),
            "{body}: {error}"
        );
    }
}

#[test]
fn sizes() {
    let new = parse(&format!(
        r#"{{{CODE},"parameters":[{{"key":"abc","value":1}}],
            "annotations":[{{"key":"abcd","value":1}}]}}"#
    ))
    .unwrap();
    let check = |exec, parameters| {
        let limits = SizeLimits { exec, parameters };
        new.check_sizes(&limits).map_err(|error| error.to_string())
    };
    assert_eq!(check(1, 5), Ok(()));
    // 11.3-74, 11.3-75, 11.3-76
    assert_eq!(
        check(0, 0),
        Err("exec larger than allowed: 1 > 0 bytes.".into())
    );
    assert_eq!(
        check(1, 3),
        Err("parameters larger than allowed: 4 > 3 bytes.".into())
    );
    assert_eq!(
        check(1, 4),
        Err("annotations larger than allowed: 5 > 4 bytes.".into())
    );
}

#[test]
fn what_is_removed_is_bounded() {
    let of = |count: usize| {
        let keys = vec![r#""a""#; count].join(",");
        let body = format!(r#"{{"delAnnotations":[{keys}]}}"#);
        NewAction::parse(body.as_bytes(), &TestKinds).map(|new| new.del_annotations.len())
    };
    assert_eq!(of(2), Ok(2));
    assert!(matches!(of(MOST_REMOVED + 1), Err(EntityError::Invalid(_))));
    let no_texts = NewAction::parse(br#"{"delAnnotations":[1]}"#, &TestKinds).unwrap_err();
    assert!(matches!(no_texts, EntityError::Malformed(_)));
}
