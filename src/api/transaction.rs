//! Transaction ids (reference section 1.6).

use http_types::headers::HeaderValues;

use crate::random;

/// The header that carries them in both directions.
pub(super) const HEADER: &str = "x-request-id";

/// The id of a request: its own, unless it looks like one of the platform's.
pub(super) fn id(header: Option<&HeaderValues>) -> String {
    match header.map(|values| values.last().as_str()) {
        Some(id) if !id.is_empty() && !id.starts_with("sid_") => id.into(),
        _ => random(),
    }
}

/// 32 random letters and digits.
fn random() -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let bytes: [u8; 32] = random::bytes();
    // Some letters come a little more often than others; ids need not be secret, only different.
    bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use http_types::headers::HeaderValue;

    use super::*;

    fn of(value: &str) -> String {
        let value: HeaderValue = value.parse().unwrap();
        id(Some(&value.into()))
    }

    #[test]
    fn own_or_random() {
        // 11.1-10
        assert_eq!(of("mine"), "mine");
        // 11.1-11, 11.1-12
        for id in [of("sid_1"), of(""), id(None)] {
            assert_eq!(id.len(), 32, "{id}");
            assert!(id.bytes().all(|c| c.is_ascii_alphanumeric()), "{id}");
        }
        assert_ne!(id(None), id(None));
    }
}
