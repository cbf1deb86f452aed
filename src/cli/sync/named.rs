//! What people name to `owl sync retry` and `owl sync drop`.

use std::str::FromStr;

/// Something that waits for the master, or came to nothing there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A write, by the number of its entry in the journal.
    Entry(u64),
    /// All that waits of a trigger: `namespace/name`.
    Trigger(String),
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse() {
            return Ok(Named::Entry(number));
        }
        // As fully qualified names begin elsewhere, too.
        let path = text.strip_prefix('/').unwrap_or(text);
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                Ok(Named::Trigger(path.to_owned()))
            }
            _ => Err(format!(
                "{text:?} is neither the number of a write nor a trigger as namespace/name"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_triggers() {
        let named = |text: &str| text.parse::<Named>();
        assert_eq!(named("7"), Ok(Named::Entry(7)));
        for text in ["guest/my t", "/guest/my t"] {
            assert_eq!(named(text), Ok(Named::Trigger("guest/my t".into())));
        }
        for wrong in [
            "",
            "-1",
            "t",
            "/t",
            "guest/",
            "guest/p/t",
            "guest//t",
            "1.5",
        ] {
            assert!(
                named(wrong).unwrap_err().contains("namespace/name"),
                "{wrong}"
            );
        }
    }
}
