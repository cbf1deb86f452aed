//! What is kept of a write that came to nothing: the entity as it was here, under another name.

use std::time::{Duration, UNIX_EPOCH};

use crate::catalog::creation;
use crate::clock::iso_milliseconds;
use crate::entity::names::{MAX_NAME, place_and_name};
use crate::entity::{Action, Package, Rule, Trigger};
use crate::store::{CodeChange, Collection, EntityWrite, Stored};

/// The name under which something is kept: `<name>.kept-<date>`, with a number at its end if that
/// is taken. `at` is in milliseconds since 1970; long names lose their end.
pub fn name(name: &str, at: u64, taken: impl Fn(&str) -> bool) -> String {
    let date = iso_milliseconds(UNIX_EPOCH + Duration::from_millis(at));
    let date = date.get(.."2026-11-23".len()).unwrap_or_default();
    let with = |number: u32| {
        let mut end = format!(".kept-{date}");
        if number > 1 {
            end.push_str(&format!("-{number}"));
        }
        // All characters of names are single bytes.
        let begin = name.get(..MAX_NAME - end.len()).unwrap_or(name);
        format!("{begin}{end}")
    };
    let mut number = 1;
    while taken(&with(number)) {
        number += 1;
    }
    with(number)
}

/// The write of an entity at another path, where nothing is: as it was, but for its name and what
/// would let it act. None if it cannot be read.
pub fn copy(stored: &Stored, code: Option<Vec<u8>>, path: &str) -> Option<EntityWrite> {
    let (place, name) = place_and_name(path);
    let (document, revision) = (&stored.document, stored.revision);
    let code = code.map_or(CodeChange::Remove, CodeChange::Set);
    Some(match stored.collection {
        Collection::Actions => {
            let read = Action::from_document(document, revision)?;
            let action = Action {
                namespace: place.into(),
                name: name.into(),
                ..read
            };
            creation(&action, code)
        }
        Collection::Packages => {
            let read = Package::from_document(document, revision)?;
            let package = Package {
                name: name.into(),
                // Nobody else is to find it.
                publish: false,
                ..read
            };
            creation(&package, code)
        }
        Collection::Triggers => {
            let read = Trigger::from_document(document, revision)?;
            let trigger = Trigger {
                name: name.into(),
                // Its rules are the other one's.
                rules: None,
                ..read
            };
            creation(&trigger, code)
        }
        Collection::Rules => {
            let read = Rule::from_document(document, revision)?;
            let rule = Rule {
                name: name.into(),
                ..read
            };
            creation(&rule, code)
        }
        Collection::Apis => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::names::is_name;

    /// 2026-11-23.
    const AT: u64 = 1_795_428_000_000;

    #[test]
    fn names() {
        assert_eq!(name("a", AT, |_| false), "a.kept-2026-11-23");
        let taken = ["a.kept-2026-11-23", "a.kept-2026-11-23-2"];
        let third = name("a", AT, |name| taken.contains(&name));
        assert_eq!(third, "a.kept-2026-11-23-3");
        let long = name(&"n".repeat(MAX_NAME), AT, |_| false);
        assert!(long.len() == MAX_NAME && is_name(&long) && long.ends_with("n.kept-2026-11-23"));
    }

    #[test]
    fn a_kept_trigger_fires_nothing() {
        let document =
            br#"{"namespace":"ns","name":"t","parameters":[],"limits":{},"version":"0.0.3",
            "publish":false,"annotations":[],"updated":7,
            "rules":{"ns/r":{"action":{"path":"ns","name":"a"},"status":"active"}}}"#;
        let stored = Stored {
            collection: Collection::Triggers,
            document: document.to_vec(),
            revision: 1,
        };
        let write = copy(&stored, None, "ns/t.kept").unwrap();
        let kept = Trigger::from_document(&write.document, 1).unwrap();
        assert_eq!((write.path.as_str(), &*kept.name), ("ns/t.kept", "t.kept"));
        assert_eq!((kept.version.as_str(), kept.rules), ("0.0.3", None));
    }
}
