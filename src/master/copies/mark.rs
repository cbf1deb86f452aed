//! What is kept beside a copy: of which entity of the master's it was made, and for whom.

use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::entity::{Identity, json, names};
use crate::store::{Change, NoteKey, NoteKind};

/// Who may see a copy. What one key has fetched of another namespace is not shown to other keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Viewer {
    /// Every key of the namespace that it is in.
    Owner,
    /// The key of this uuid, of another namespace.
    Other(String),
}

impl Viewer {
    /// As whom a caller sees what has this path.
    pub(super) fn of(identity: &Identity, path: &str) -> Self {
        if names::namespace_and_package(path).0 == identity.namespace {
            Viewer::Owner
        } else {
            Viewer::Other(identity.uuid.clone())
        }
    }

    /// Empty for owners.
    fn uuid(&self) -> &str {
        match self {
            Viewer::Owner => "",
            Viewer::Other(uuid) => uuid,
        }
    }
}

/// Which state of an entity of the master's something was made on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its version.
    pub version: String,
    /// Its last change there, in milliseconds since 1970; 0 if the master does not tell.
    pub updated: u64,
}

/// What there is at a path, beside what the master has there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    /// A copy of this state.
    Copy(Base),
    /// A copy that its owners may not see for now.
    Hidden,
    /// One that is only here, and stays so whatever the master has.
    Kept,
    /// One that was made here before there was a master, which had none when it was asked.
    Local,
    /// Nothing: it was deleted, here and there.
    Gone,
}

/// What is known of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Path of the entity. Long ones are not whole in the key.
    pub(super) path: String,
    /// What there is.
    pub(super) standing: Standing,
    /// When the master was asked, in milliseconds since 1970.
    pub(super) checked: u64,
}

impl Mark {
    /// Reads a stored mark; none if it is not one.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        json::stored(text)
    }

    /// A mark that is made now.
    pub(super) fn new(path: &str, standing: Standing) -> Self {
        Mark {
            path: path.to_owned(),
            standing,
            checked: now(),
        }
    }

    /// What a copy was made of.
    pub(super) fn base(&self) -> Option<&Base> {
        match &self.standing {
            Standing::Copy(base) => Some(base),
            _ => None,
        }
    }

    /// Whether it is of an entity that is never fetched.
    pub(super) fn is_kept(&self) -> bool {
        self.standing == Standing::Kept
    }

    /// Whether it is of a copy.
    pub(super) fn is_copy(&self) -> bool {
        matches!(self.standing, Standing::Copy(_) | Standing::Hidden)
    }

    /// The change that keeps it for a viewer.
    pub(super) fn kept_for(&self, viewer: &Viewer) -> Change {
        Change::Note {
            key: key(&self.path, viewer),
            text: serde_json::to_vec(self)
                .expect("texts and numbers are always valid JSON")
                .into(),
        }
    }
}

/// Under which key a mark is kept.
pub(super) fn key(path: &str, viewer: &Viewer) -> NoteKey {
    let name = [path, viewer.uuid()].join("\0");
    NoteKey::named(NoteKind::Copy, name.as_bytes())
}

/// With what the names of all marks of a path begin, and those of few others.
pub(super) fn prefix(path: &str) -> Vec<u8> {
    begin(path, 0)
}

/// With what the names of all marks of what is in a package begin, and those of few others.
pub(super) fn prefix_inside(package: &str) -> Vec<u8> {
    begin(package, b'/')
}

fn begin(path: &str, then: u8) -> Vec<u8> {
    /// As much as is left of a name that is too long for a key.
    const WHOLE: usize = 400;
    let mut prefix = path.as_bytes().to_vec();
    if prefix.len() < WHOLE {
        prefix.push(then);
    }
    prefix.truncate(WHOLE);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Secret;

    fn caller(namespace: &str, uuid: &str) -> Identity {
        Identity {
            subject: namespace.into(),
            namespace: namespace.into(),
            uuid: uuid.into(),
            key: Secret::new(String::new()),
            limits: Default::default(),
        }
    }

    #[test]
    fn who_sees_what() {
        let (one, other) = (caller("ns", "1"), caller("ns", "2"));
        for path in ["ns/a", "ns/p/a"] {
            assert_eq!(Viewer::of(&one, path), Viewer::Owner);
            assert_eq!(Viewer::of(&other, path), Viewer::Owner);
        }
        assert_eq!(Viewer::of(&one, "o/p"), Viewer::Other("1".into()));
        assert!(key("o/p", &Viewer::of(&one, "o/p")) != key("o/p", &Viewer::of(&other, "o/p")));
        assert!(key("ns/p", &Viewer::Owner) != key("ns/p/a", &Viewer::Owner));
    }

    #[test]
    fn kept_and_read() {
        let mark = Mark {
            path: "ns/a".into(),
            standing: Standing::Copy(Base {
                version: "0.0.1".into(),
                updated: 7,
            }),
            checked: 9,
        };
        let Change::Note { key, text } = mark.kept_for(&Viewer::Owner) else {
            panic!("no note");
        };
        assert_eq!(Mark::read(&text), Some(mark));
        assert_eq!(Mark::read(b"{}"), None);
        assert!(key.name().starts_with(&prefix("ns/a")));
        assert!(!key.name().starts_with(&prefix("ns")));
    }

    #[test]
    fn long_paths() {
        let path = format!("{}/{}", "n".repeat(256), "a".repeat(256));
        let key = key(&path, &Viewer::Other("u".repeat(36)));
        assert!(key.name().starts_with(&prefix(&path)));
    }
}
