//! JSON texts for people: indented, but not understood.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json;

/// Bytes that indentation may always add.
const ROOM: usize = 64 * 1024;
/// How many times its own size a text may become.
const MOST_GROWTH: usize = 4;

/// A JSON text indented by two spaces a level, as web actions answer (reference section 6.6).
/// Names, numbers and strings stay as they were written.
///
/// A deep nest of small values would grow with the square of its size: a text that would become
/// larger than four times its size and 64 KiB is given compact instead.
pub fn pretty(json: &RawValue) -> Cow<'_, str> {
    let text = json.get();
    match indented(text, text.len() * MOST_GROWTH + ROOM) {
        Some(pretty) => Cow::Owned(pretty),
        None => match json::compact(json) {
            Cow::Borrowed(same) => Cow::Borrowed(same.get()),
            Cow::Owned(compact) => Cow::Owned(String::from(Box::<str>::from(compact))),
        },
    }
}

/// The indented text; none if it would be longer than `most` bytes.
fn indented(text: &str, most: usize) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut depth = 0;
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '{' | '[' => {
                out.push(first);
                let inside = rest[length..].trim_start();
                if let Some(end) = inside.chars().next().filter(|c| matches!(c, '}' | ']')) {
                    out.push(end);
                    rest = inside[end.len_utf8()..].trim_start();
                    continue;
                }
                depth += 1;
                new_line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push(first);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                length = scalar_length(rest);
                out.push_str(&rest[..length]);
            }
        }
        if out.len() > most {
            return None;
        }
        rest = rest[length..].trim_start();
    }
    Some(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Bytes of the string, number or word that a text begins with.
fn scalar_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if bytes[0] != b'"' {
        let end = |c: &u8| c.is_ascii_whitespace() || matches!(c, b',' | b']' | b'}' | b':');
        return bytes.iter().position(end).unwrap_or(bytes.len());
    }
    let mut escaped = false;
    for (at, c) in bytes.iter().enumerate().skip(1) {
        match c {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let raw = RawValue::from_string(text.into()).unwrap();
        pretty(&raw).into_owned()
    }

    #[test]
    fn two_spaces_a_level() {
        for text in [
            r#"{"a":1,"b":[1,{"c":null}],"d":{},"e":[],"f":{"g":"x"}}"#,
            r#"[ [ ] , [ [1 , 2] ] , { } , "a,b:{}[]" ]"#,
            r#"{"":"","quoted \" \\":"\\","é":"ü"}"#,
            "true",
            "\"text\"",
            "{}",
        ] {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(of(text), serde_json::to_string_pretty(&value).unwrap());
        }
    }

    #[test]
    fn numbers_and_strings_stay_as_written() {
        assert_eq!(
            of("[1.50,12345678901234567890123,1e5,-0.0,\"\\u00e9\\/\"]"),
            "[\n  1.50,\n  12345678901234567890123,\n  1e5,\n  -0.0,\n  \"\\u00e9\\/\"\n]"
        );
    }

    #[test]
    fn depth_is_not_paid_for() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(of(&deep), deep);
        let spaced = deep.replace("[[", "[ [");
        assert_eq!(of(&spaced), deep);
        // What is shallow is indented, however long it is.
        let long = format!("[{}1]", "1,".repeat(100_000));
        assert_eq!(of(&long).lines().count(), 100_003);
    }
}
