//! Descriptions of answers, and what becomes of them.

use super::*;

const NOT_HTTP: Invalid = Invalid::Media("message/http");

fn of(text: &str) -> Result<Answer, Invalid> {
    answer(&RawValue::from_string(text.into()).unwrap())
}

/// Status, `Content-Type` and body of an answer that has one.
#[track_caller]
fn good(text: &str) -> (u16, String, Vec<u8>) {
    let answer = of(text).expect(text);
    let content = answer.content.expect(text);
    (answer.status, content.header, content.bytes)
}

#[track_caller]
fn header_lines(text: &str) -> Vec<String> {
    let answer = of(text).expect(text);
    let lines = answer.headers.iter();
    lines
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

#[test]
fn empty() {
    // 11.11-270
    for text in [
        "{}",
        r#"{"body":""}"#,
        r#"{"body":null}"#,
        r#"{"headers":{"content-type":"malformed"},"body":""}"#,
        r#"{"headers":{}}"#,
    ] {
        let empty = Answer {
            status: 204,
            headers: Vec::new(),
            content: None,
        };
        assert_eq!(of(text), Ok(empty), "{text}");
    }
    // 11.11-271
    let redirect = of(r#"{"statusCode":302,"headers":{"location":"http://x/"}}"#).unwrap();
    assert_eq!((redirect.status, redirect.content), (302, None));
    assert_eq!(redirect.headers, [("location".into(), "http://x/".into())]);
}

#[test]
fn texts() {
    let html = "text/html; charset=UTF-8";
    // 11.11-272
    assert_eq!(
        good(r#"{"body":"text"}"#),
        (200, html.into(), b"text".into())
    );
    // 11.11-273
    assert_eq!(
        good(r#"{"statusCode":201,"body":"x"}"#),
        (201, html.into(), b"x".into())
    );
    // 11.11-277
    let json = |body: &str| {
        good(&format!(
            r#"{{"headers":{{"Content-Type":"application/json"}},"body":"{body}"}}"#
        ))
    };
    assert_eq!(json("hello world").2, b"hello world");
    assert_eq!(json("eyJhIjoxfQ==").2, b"{\"a\":1}");
    assert_eq!(json("x").1, "application/json");
    assert_eq!(
        good(r#"{"headers":{"content-type":"application/xml"},"body":"main"}"#),
        (200, "application/xml; charset=UTF-8".into(), b"main".into())
    );
}

#[test]
fn other_values() {
    // 11.11-274
    let typed = |media: &str| {
        of(&format!(
            r#"{{"headers":{{"content-type":"{media}"}},"body":{{"a":1.0}}}}"#
        ))
    };
    for media in [
        "application/json",
        "application/json-patch+json",
        "application/hal+json",
    ] {
        let content = typed(media).unwrap().content.unwrap();
        assert_eq!(content.header, media);
        assert_eq!(content.bytes, b"{\n  \"a\": 1.0\n}");
    }
    for media in ["text/html", "image/png", "application/xml"] {
        assert_eq!(typed(media), Err(Invalid::WrongType), "{media}");
    }
    assert_eq!(
        Invalid::WrongType.to_string(),
        "Response type in header did not match generated content type."
    );
    // 11.11-278
    assert_eq!(typed("xyzbar"), Err(Invalid::UnknownType));
    let refused = of(r#"{"headers":{"content-type":"xyzbar"},"body":"x"}"#).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Response did not specify a known content-type."
    );
    // 11.11-275
    for (body, text) in [("3", "3"), ("true", "true"), ("[1]", "[\n  1\n]")] {
        let expected = (200, "application/json".into(), text.into());
        assert_eq!(good(&format!("{{\"body\":{body}}}")), expected);
    }
}

#[test]
fn binary() {
    let png = |body: &str| {
        of(&format!(
            r#"{{"headers":{{"content-type":"image/png"}},"body":"{body}"}}"#
        ))
    };
    // 11.11-276
    let content = png("iVAA/w==").unwrap().content.unwrap();
    assert_eq!(content.bytes, [0x89, b'P', 0, 0xff]);
    assert_eq!(content.header, "image/png");
    assert!(png("iVAA/w").is_ok());
    for bad in ["a", "????", "iVAA\\n/w==", "iVAA /w=="] {
        assert_eq!(png(bad), Err(Invalid::WrongType), "{bad}");
    }
}

#[test]
fn status_codes() {
    let status = |code: &str| of(&format!("{{\"statusCode\":{code}}}")).map(|a| a.status);
    // 11.11-279
    assert_eq!(status("444"), Ok(444));
    assert_eq!(status("\"444\""), Ok(444));
    assert_eq!(status("599"), Ok(599));
    assert_eq!(status("200.0"), Ok(200));
    assert_eq!(status("2e2"), Ok(200));
    for bad in [
        "\"xyz\"",
        "\"\"",
        "\" 200\"",
        "\"200.0\"",
        "200.5",
        "0",
        "-200",
        "100",
        "101",
        "199",
        "600",
        "1e9",
        "null",
        "true",
        "{}",
        "[200]",
    ] {
        assert_eq!(status(bad), Err(NOT_HTTP), "{bad}");
    }
    assert_eq!(
        NOT_HTTP.to_string(),
        "Response is not valid 'message/http'."
    );
}

#[test]
fn repeated_headers() {
    // 11.11-280
    assert_eq!(
        header_lines(
            r#"{"headers":{"Set-Cookie":["a=b","c=d; Path=/"],"X":[1,[true,["t"]]],"n":1.50}}"#
        ),
        [
            "Set-Cookie: a=b",
            "Set-Cookie: c=d; Path=/",
            "X: 1",
            "X: true",
            "X: t",
            "n: 1.50"
        ]
    );
    for bad in [
        r#"{"headers":1}"#,
        r#"{"headers":[]}"#,
        r#"{"headers":null}"#,
        r#"{"headers":{"a":null}}"#,
        r#"{"headers":{"a":{}}}"#,
        r#"{"headers":{"a":["x",[{}]]}}"#,
    ] {
        assert_eq!(of(bad), Err(NOT_HTTP), "{bad}");
    }
    let deep = format!(
        "{{\"headers\":{{\"a\":{}1{}}}}}",
        "[".repeat(9),
        "]".repeat(9)
    );
    assert_eq!(of(&deep), Err(NOT_HTTP));
}

#[test]
fn nothing_is_smuggled() {
    for bad in [
        r#"{"headers":{"a":"x\r\nSet-Cookie: y"}}"#,
        r#"{"headers":{"a":"x\ny"}}"#,
        r#"{"headers":{"a":"x\u0000"}}"#,
        r#"{"headers":{"a":["x","\r"]}}"#,
        r#"{"headers":{"a: b\r\nc":"x"}}"#,
        r#"{"headers":{"a b":"x"}}"#,
        r#"{"headers":{"":"x"}}"#,
        r#"{"headers":{"é":"x"}}"#,
        r#"{"headers":{"content-type":"a/b; c=\"\r\n\""},"body":"x"}"#,
    ] {
        assert_eq!(of(bad), Err(NOT_HTTP), "{bad}");
    }
    assert_eq!(
        header_lines(
            r#"{"headers":{"Connection":"close","Transfer-Encoding":"chunked","CONTENT-LENGTH":9,
                "Keep-Alive":"1","Upgrade":"h2c","TE":"x","Trailer":"x","Proxy-Connection":"x",
                "a":"x\ty é"}}"#
        ),
        ["a: x\ty é"]
    );
}

#[test]
fn only_objects_describe() {
    for other in ["\"text\"", "1", "null", "[]"] {
        assert_eq!(of(other), Err(NOT_HTTP), "{other}");
    }
}

#[test]
fn the_number_of_headers_is_bounded() {
    let with = |count: usize| {
        let headers: Vec<String> = (0..count).map(|i| format!(r#""x-{i}":1"#)).collect();
        of(&format!(r#"{{"headers":{{{}}}}}"#, headers.join(",")))
    };
    assert_eq!(with(MOST_HEADERS).unwrap().headers.len(), MOST_HEADERS);
    assert_eq!(with(MOST_HEADERS + 1), Err(NOT_HTTP));
    let values = ["1"; MOST_HEADERS + 1].join(",");
    assert_eq!(
        of(&format!(r#"{{"headers":{{"x":[{values}]}}}}"#)),
        Err(NOT_HTTP)
    );
}
