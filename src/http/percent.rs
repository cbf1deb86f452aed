//! Texts in URLs.

use std::fmt::Write;

/// Encodes a segment of a path, or a value for a query.
pub(crate) fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => write!(encoded, "%{byte:02X}").expect("writing to a text cannot fail"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_encoded() {
        assert_eq!(encode("a-b.c_d~9"), "a-b.c_d~9");
        assert_eq!(
            encode("{\"label\":[\"a=b c\"]}\u{e9}&"),
            "%7B%22label%22%3A%5B%22a%3Db%20c%22%5D%7D%C3%A9%26"
        );
    }
}
