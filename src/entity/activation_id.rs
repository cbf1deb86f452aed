//! Activation ids: 32 lower-case hexadecimal digits (reference section 2.6).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::random;

/// A random (version 4) UUID, written without dashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActivationId([u8; 16]);

impl ActivationId {
    /// Header of the answer to an invocation that has the id of the activation.
    pub const HEADER: &str = "x-openwhisk-activation-id";

    /// Header of a request to fire a trigger that names the activation beforehand. Sent again, the
    /// request does nothing more. OWL's own.
    pub const GIVEN: &str = "x-owl-activation-id";

    /// A new random id.
    pub fn random() -> Self {
        let mut bytes: [u8; 16] = random::bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        ActivationId(bytes)
    }

    /// The id with these bytes, as the store keeps it.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        ActivationId(bytes)
    }

    /// The 16 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ActivationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ActivationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not an activation id. The texts are OpenWhisk's (reference section 3.7.2).
#[derive(Debug, PartialEq, Eq)]
pub enum ActivationIdError {
    /// It has this many characters instead of 32.
    Length(usize),
    /// It has other characters than `0-9a-f`.
    Characters,
}

impl fmt::Display for ActivationIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(is) => write!(f, "Activation id length is {is} but must be 32."),
            Self::Characters => f.write_str("The activation id is not valid."),
        }
    }
}

impl std::error::Error for ActivationIdError {}

impl FromStr for ActivationId {
    type Err = ActivationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        if length != 32 {
            return Err(ActivationIdError::Length(length));
        }
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(ActivationIdError::Characters),
        };
        let text = text.as_bytes();
        if text.len() != 32 {
            return Err(ActivationIdError::Characters);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(ActivationId(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id = ActivationId::random();
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(&text[12..13], "4");
        assert_eq!(text.parse(), Ok(id));
        assert_ne!(id, ActivationId::random());
    }

    #[test]
    fn what_is_not_an_id() {
        let parse = |s: &str| s.parse::<ActivationId>().unwrap_err().to_string();
        assert_eq!(
            parse(&"0".repeat(31)),
            "Activation id length is 31 but must be 32."
        );
        assert_eq!(
            parse(&format!("{}z", "0".repeat(31))),
            "The activation id is not valid."
        );
        assert_eq!(
            parse(&format!("{}A", "0".repeat(31))),
            "The activation id is not valid."
        );
        assert_eq!(
            parse(&format!("{}é", "0".repeat(31))),
            "The activation id is not valid."
        );
    }
}
