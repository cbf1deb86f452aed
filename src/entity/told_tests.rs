use super::*;

fn action(document: &str, path: &str) -> Option<(Action, Option<String>)> {
    Action::told(document.as_bytes(), path)
}

#[test]
fn actions_with_what_is_theirs() {
    let document = r#"{"namespace":"ns/p","name":"a b","version":"1.2.3","publish":true,
        "updated":77,"exec":{"kind":"nodejs:20","code":"main","binary":false,"main":"go"},
        "parameters":[{"key":"n","value":1.50}],"annotations":[{"key":"exec","value":"nodejs:20"}],
        "limits":{"timeout":1000,"memory":2048,"logs":3,"concurrency":5,"instances":2},
        "binding":"me/b","anything":[]}"#;
    let (read, code) = action(document, "ns/p/a b").unwrap();
    assert_eq!(code.as_deref(), Some("main"));
    let stored = String::from_utf8(read.document()).unwrap();
    assert_eq!(
        stored,
        concat!(
            r#"{"namespace":"ns/p","name":"a b","exec":{"kind":"nodejs:20","binary":false,"#,
            r#""main":"go"},"parameters":[{"key":"n","value":1.50}],"limits":{"timeout":1000,"#,
            r#""memory":2048,"logs":3,"concurrency":5,"instances":2},"version":"1.2.3","#,
            r#""publish":true,"annotations":[{"key":"exec","value":"nodejs:20"}],"updated":77}"#
        )
    );
}

#[test]
fn what_older_ones_leave_out() {
    let document = r#"{"namespace":"ns","name":"a","version":"0.0.1",
        "exec":{"kind":"python:3","code":"bWFpbg=="}}"#;
    let (read, code) = action(document, "ns/a").unwrap();
    assert_eq!(read.limits, ActionRanges::default().defaults());
    assert_eq!((read.updated, read.publish), (0, false));
    assert!(read.exec.binary() && code.is_some());
    let trigger = r#"{"namespace":"ns","name":"t","version":"0.0.1"}"#;
    assert!(Trigger::told(trigger.as_bytes(), "ns/t").is_some());
}

#[test]
fn sequences_and_blackboxes() {
    let exec = |exec: &str| {
        let document =
            format!(r#"{{"namespace":"ns","name":"a","version":"0.0.1","exec":{exec}}}"#);
        action(&document, "ns/a").map(|(action, code)| (action.exec, code))
    };
    let (sequence, _) =
        exec(r#"{"kind":"sequence","components":["/_/x","/o/p/y",{"path":"ns/q","name":"z"}]}"#)
            .unwrap();
    let components = sequence.components().unwrap();
    let names: Vec<String> = components.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["ns/x", "o/p/y", "ns/q/z"]);
    let image = r#"{"kind":"blackbox","image":"me/mine:1","code":" ","binary":false}"#;
    let (blackbox, code) = exec(image).unwrap();
    assert_eq!((blackbox.image(), code), (Some("me/mine:1"), None));
    // An attachment instead of code: not here.
    assert_eq!(
        exec(r#"{"kind":"nodejs:20","code":{"attachmentName":"x"}}"#)
            .unwrap()
            .1,
        None
    );
    for bad in [
        "1",
        "{}",
        r#"{"kind":"sequence"}"#,
        r#"{"kind":"sequence","components":["x"]}"#,
        r#"{"kind":"blackbox"}"#,
    ] {
        assert!(exec(bad).is_none(), "{bad}");
    }
}

#[test]
fn only_what_was_asked_for() {
    let document = r#"{"namespace":"ns","name":"a","version":"0.0.1","exec":{"kind":"k"}}"#;
    assert!(action(document, "ns/a").is_some());
    for other in ["ns/b", "o/a", "ns/p/a"] {
        assert!(action(document, other).is_none(), "{other}");
    }
    for bad in ["", "[]", "{", "null", r#"{"namespace":"ns","name":"a"}"#] {
        assert!(action(bad, "ns/a").is_none(), "{bad}");
    }
    let parameters = document.replace("\"exec\"", r#""parameters":7,"exec""#);
    assert!(action(&parameters, "ns/a").is_none());
}

#[test]
fn packages_and_bindings() {
    let told = |binding: &str| {
        let document = format!(
            r#"{{"namespace":"ns","name":"p","version":"0.0.2","publish":true,"updated":5,
                "binding":{binding},"parameters":[],"annotations":[],"actions":[{{"name":"a"}}],
                "feeds":[]}}"#
        );
        Package::told(document.as_bytes(), "ns/p")
    };
    let package = told("{}").unwrap();
    assert_eq!((package.binding, package.updated), (None, 5));
    let binding = told(r#"{"namespace":"_","name":"q"}"#).unwrap().binding;
    assert_eq!(binding.unwrap().path(), "ns/q");
    assert!(told("7").is_none());
}

#[test]
fn triggers_and_rules() {
    let trigger = r#"{"namespace":"ns","name":"t","version":"0.0.1","limits":{},"rules":{"ns/r":
        {"action":{"name":"a","path":"ns/p","version":"1"},"status":"active"}},"parameters":[]}"#;
    let trigger = Trigger::told(trigger.as_bytes(), "ns/t").unwrap();
    assert_eq!(trigger.status_of("ns/r"), RuleStatus::Active);
    let rule = |status: &str| {
        let document = format!(
            r#"{{"namespace":"ns","name":"r","version":"0.0.1","trigger":{{"path":"ns","name":"t"}},
                "action":{{"path":"ns/p","name":"a"}}{status}}}"#
        );
        Rule::told(document.as_bytes(), "ns/r").unwrap()
    };
    let (read, status) = rule(r#","status":"active""#);
    assert_eq!(
        (read.trigger.to_string(), status),
        ("ns/t".into(), RuleStatus::Active)
    );
    assert_eq!(read.action.to_string(), "ns/p/a");
    assert_eq!(rule(r#","status":"activating""#).1, RuleStatus::Inactive);
    assert_eq!(rule("").1, RuleStatus::Inactive);
}

#[test]
fn nothing_reaches_into_other_namespaces_or_has_names_that_nothing_can_have() {
    let package = |binding: &str| {
        let document =
            format!(r#"{{"namespace":"ns","name":"p","version":"0.0.1","binding":{binding}}}"#);
        Package::told(document.as_bytes(), "ns/p").is_some()
    };
    assert!(package(r#"{"namespace":"o","name":"q"}"#));
    for bad in [
        r#"{"namespace":"o/q","name":"r"}"#,
        r#"{"namespace":"o","name":"q/r"}"#,
        r#"{"namespace":"o","name":""}"#,
        r#"{"namespace":"","name":"q"}"#,
        r#"{"namespace":"o","name":"q\u0000u"}"#,
        r#"{"namespace":"o","name":".."}"#,
    ] {
        assert!(!package(bad), "{bad}");
    }
    // The trigger of a rule is changed along with the copy of the rule.
    let rule = |trigger: &str| {
        let document = format!(
            r#"{{"namespace":"ns","name":"r","version":"0.0.1","trigger":"{trigger}",
                "action":"/o/p/a"}}"#
        );
        Rule::told(document.as_bytes(), "ns/r").is_some()
    };
    assert!(rule("/ns/t") && rule("/_/t"));
    assert!(!rule("/other/t") && !rule("/ns/p/t"));
    let trigger = |rule: &str, path: &str, name: &str| {
        let document = format!(
            r#"{{"namespace":"ns","name":"t","version":"0.0.1","rules":{{"{rule}":
                {{"action":{{"path":"{path}","name":"{name}"}},"status":"active"}}}}}}"#
        );
        Trigger::told(document.as_bytes(), "ns/t").is_some()
    };
    assert!(trigger("ns/r", "o/p", "a"));
    for (rule, path, name) in [
        ("other/r", "ns", "a"),
        ("ns/p/r", "ns", "a"),
        ("r", "ns", "a"),
        ("ns/", "ns", "a"),
        ("ns/r", "ns/p/q", "a"),
        ("ns/r", "ns", "a/b"),
        ("ns/r", "..", "a"),
        ("ns/r", "", ""),
    ] {
        assert!(!trigger(rule, path, name), "{rule} {path} {name}");
    }
    for bad in ["", "x", "0.0.0", "1.2.3.4", "-1.0.0"] {
        let document =
            format!(r#"{{"namespace":"ns","name":"a","version":"{bad}","exec":{{"kind":"k"}}}}"#);
        assert!(action(&document, "ns/a").is_none(), "{bad}");
    }
}
