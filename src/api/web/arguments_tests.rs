//! Requests in, arguments out.

use serde_json::{Value as Json, json};

use super::*;

const NOT_ALLOWED: &str =
    "Request defines parameters that are not allowed (e.g., reserved properties).";

fn received<'a>(query: &'a str, media: &str, body: &[u8]) -> Received<'a> {
    Received {
        method: "POST",
        headers: vec![("accept", "*/*"), ("x-a", "1")],
        path: "/content",
        user: None,
        query,
        media: MediaType::parse(media),
        body: body.to_vec(),
    }
}

fn value(payload: &RawValue) -> Json {
    serde_json::from_str(payload.get()).unwrap()
}

/// The arguments beside those that every request gives.
fn fields(query: &str, media: &str, body: &[u8]) -> Json {
    let mut all = value(&promoted(received(query, media, body), None).unwrap());
    let object = all.as_object_mut().unwrap();
    for key in [METHOD, HEADERS, PATH] {
        object.remove(key).unwrap();
    }
    all
}

#[test]
fn what_is_said_of_a_request() {
    // 11.11-256
    let all = value(&promoted(received("", "", b""), None).unwrap());
    assert_eq!(
        all,
        json!({"__ow_method": "post", "__ow_headers": {"accept": "*/*", "x-a": "1"},
            "__ow_path": "/content"})
    );
    // 11.11-253
    let mut known = received("", "", b"");
    known.user = Some("guest");
    known.path = "";
    let all = value(&promoted(known, None).unwrap());
    assert_eq!((&all[USER], &all[PATH]), (&json!("guest"), &json!("")));
}

#[test]
fn query_and_objects() {
    // 11.11-257
    assert_eq!(
        fields(
            "a=1&b=x%20y+z&b=%C3%A9&c",
            "application/json",
            br#"{"a":{"n":1},"d":[]}"#
        ),
        json!({"a": {"n": 1}, "b": "é", "c": "", "d": []})
    );
    // Numbers are not understood; of several fields of one name the last counts.
    let body = br#"{"n":1.00,"n":12345678901234567890.10}"#;
    let payload = promoted(received("n=1", "application/json", body), None).unwrap();
    assert!(
        payload.get().ends_with(r#","n":12345678901234567890.10}"#),
        "{payload}"
    );
    assert_eq!(payload.get().matches(r#""n""#).count(), 1);
    // 11.11-261
    for media in [
        "application/vnd.api+json",
        "text/x+json; charset=utf-8",
        "application/JSON",
    ] {
        assert_eq!(
            fields("", media, br#" {"a":1} "#),
            json!({"a": 1}),
            "{media}"
        );
    }
}

#[test]
fn other_json() {
    // 11.11-258
    for body in ["[1,2.50]", "\"text\"", "1", "true", "null", "\"\""] {
        let payload = promoted(received("", "application/json", body.as_bytes()), None).unwrap();
        assert!(
            payload.get().ends_with(&format!(",\"__ow_body\":{body}}}")),
            "{payload}"
        );
    }
    assert_eq!(fields("", "application/json", b"{}"), json!({}));
    assert_eq!(fields("", "application/json", b""), json!({}));
    for bad in [
        &b"{\"a\":"[..],
        b"{} {}",
        b" ",
        b"{\"a\":\xff}",
        b"{\"\\ud800\":1}",
    ] {
        let refused = promoted(received("", "application/json", bad), None).unwrap_err();
        assert!(matches!(refused, EntityError::Malformed(_)), "{bad:?}");
    }
}

#[test]
fn forms_texts_and_bytes() {
    // 11.11-259
    assert_eq!(
        fields(
            "a=0&q=1",
            "application/x-www-form-urlencoded",
            b"a=1&b=x+y&b=%26&1=2"
        ),
        json!({"a": "1", "b": "&", "q": "1", "1": "2"})
    );
    // 11.11-260
    assert_eq!(
        fields("", "text/html", "<p>é</p>".as_bytes()),
        json!({"__ow_body": "<p>é</p>"})
    );
    let png = [0x89, b'P', 0, 0xff];
    for media in ["image/png", "application/octet-stream", "", "malformed"] {
        let expected = json!({"__ow_body": STANDARD.encode(png)});
        assert_eq!(fields("", media, &png), expected, "{media}");
    }
    assert_eq!(fields("a=1", "image/png", b""), json!({"a": "1"}));
}

#[test]
fn raw_requests() {
    let body = |media: &str, body: &[u8]| value(&raw(received("a=1&__ow_user=x", media, body)));
    // 11.11-264
    let all = body("text/plain", "é".as_bytes());
    assert_eq!(all[QUERY], "a=1&__ow_user=x");
    assert_eq!(all[BODY], "é");
    assert_eq!(all.as_object().unwrap().len(), 5);
    assert_eq!(body("application/json", b"{}")[BODY], STANDARD.encode("{}"));
    assert_eq!(body("application/json", b"")[BODY], "");
    assert_eq!(body("image/png", &[0xff])[BODY], "/w==");
    assert_eq!(body("", &[0xff])[BODY], "/w==");
    assert_eq!(body("", b"")[BODY], "");
    assert_eq!(body("application/hal+json", b"{}")[BODY], "{}");
    assert_eq!(
        body("application/x-www-form-urlencoded", b"a=%31")[BODY],
        "a=%31"
    );
}

#[test]
fn reserved_keys() {
    // 11.11-262
    for key in RESERVED {
        let body = format!("{{\"a\":1,\"{key}\":1}}");
        let form = format!("a=1&{key}=1");
        for (query, media, body) in [
            (form.as_str(), "", ""),
            ("", "application/json", body.as_str()),
            ("", "application/x-www-form-urlencoded", form.as_str()),
        ] {
            let refused = promoted(received(query, media, body.as_bytes()), None).unwrap_err();
            assert_eq!(refused, EntityError::Invalid(NOT_ALLOWED.into()), "{key}");
        }
    }
    // They are keys only at the top.
    assert_eq!(
        fields("", "application/json", br#"{"a":{"__ow_user":1}}"#),
        json!({"a": {"__ow_user": 1}})
    );
    assert_eq!(
        fields("", "application/json", br#"["__ow_user"]"#),
        json!({"__ow_body": ["__ow_user"]})
    );
}

#[test]
fn final_parameters() {
    let parameters = RawValue::from_string(
        r#"[{"key":"set","value":1},{"key":"open","value":null},{"key":"__ow_body","value":1}]"#
            .into(),
    )
    .unwrap();
    let parameters = Parameters::parse(&parameters).unwrap();
    let give = |query, media, body: &str| {
        promoted(received(query, media, body.as_bytes()), Some(&parameters))
    };
    // 11.11-263
    assert!(give("set=2", "", "").is_err());
    assert!(give("", "application/json", r#"{"set":2}"#).is_err());
    assert!(give("", "application/x-www-form-urlencoded", "set=2").is_err());
    assert!(give("open=2", "application/json", r#"{"open":3}"#).is_ok());
    // What OWL itself sets is no request of the caller.
    assert!(give("", "text/plain", "text").is_ok());
}
