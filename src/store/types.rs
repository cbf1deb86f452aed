//! What goes into the store and comes out of it.

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::entity::ActivationId;

/// Which collection an entity is in. All share one key space per namespace (section 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Collection {
    /// Actions.
    Actions = 1,
    /// Packages and bindings.
    Packages = 2,
    /// Triggers.
    Triggers = 3,
    /// Rules.
    Rules = 4,
    /// APIs of the API gateway. Not OpenWhisk's; their paths cannot be those of entities.
    Apis = 5,
}

impl Collection {
    /// What stands for it in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Packages => "packages",
            Self::Triggers => "triggers",
            Self::Rules => "rules",
            Self::Apis => "apis",
        }
    }
}

/// A list of entities, the last updated first.
#[derive(Clone, Copy, Debug)]
pub enum EntityList<'a> {
    /// All of a collection in a namespace; packaged actions, too.
    Collection(&'a str, Collection),
    /// The actions of a package: its path, `ns/package`.
    Package(&'a str),
}

/// An entity as stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its collection.
    pub collection: Collection,
    /// Its document without code: JSON, opaque to the store.
    pub document: Vec<u8>,
    /// Changes with every write, for optimistic concurrency.
    pub revision: u64,
}

/// What happens to the code of an entity when it is written.
#[derive(Clone, Debug)]
pub enum CodeChange {
    /// It stays as it is.
    Keep,
    /// There is none from now on.
    Remove,
    /// It is replaced.
    Set(Vec<u8>),
}

/// What must be there for a write to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: else [`StoreError::Exists`].
    Absent,
    /// This revision: else [`StoreError::Changed`].
    Revision(u64),
    /// Anything or nothing: a copy of what another server has.
    Any,
}

/// A write of an entity.
#[derive(Clone, Debug)]
pub struct EntityWrite {
    /// `ns/name` or `ns/package/name`.
    pub path: String,
    /// Its collection.
    pub collection: Collection,
    /// The document.
    pub document: Vec<u8>,
    /// The code.
    pub code: CodeChange,
    /// Milliseconds since 1970: lists are ordered by it.
    pub updated: u64,
    /// What must be there.
    pub expect: Expect,
}

/// One of several changes that go together.
#[derive(Clone, Debug)]
pub enum Change {
    /// Writes an entity.
    Put(EntityWrite),
    /// Removes an entity, with its code, if it is at a revision.
    Delete {
        /// Its path.
        path: String,
        /// Its revision.
        revision: u64,
    },
    /// Leaves an entity as it is; the others are made only if it is at this revision.
    Stays {
        /// Its path.
        path: String,
        /// Its revision.
        revision: u64,
    },
    /// The others are made only if no action is left in a package but those that they remove.
    Emptied {
        /// Path of the package: `ns/package`.
        path: String,
    },
    /// Removes an entity, with its code, if it is there, whatever its revision.
    Drop {
        /// Its path.
        path: String,
    },
    /// Keeps a note, in place of one that has the same key.
    Note {
        /// Its key.
        key: NoteKey,
        /// What it says, opaque to the store. Shared, because bodies of requests are kept so.
        text: Bytes,
    },
    /// Removes a note, if it is there.
    Unnote {
        /// Its key.
        key: NoteKey,
    },
    /// Keeps the record of an activation, in place of one that has the same id.
    Activation {
        /// The record.
        row: ActivationRow,
        /// The others are made only if no activation has its id, be it ended or not: else
        /// [`StoreError::Exists`].
        new: bool,
    },
    /// Leaves a note as it is; the others are made only if it says this, or is not there: else
    /// [`StoreError::Changed`]. For those who change what another process may change, too.
    Noted {
        /// Its key.
        key: NoteKey,
        /// What it says; none: it is not there.
        text: Option<Vec<u8>>,
    },
}

impl Change {
    /// Whether it needs room.
    pub(super) fn puts(&self) -> bool {
        matches!(self, Change::Put(_) | Change::Note { .. })
    }

    /// The path of the entity, if it is about one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Change::Put(write) => Some(&write.path),
            Change::Delete { path, .. }
            | Change::Stays { path, .. }
            | Change::Emptied { path }
            | Change::Drop { path } => Some(path),
            Change::Note { .. }
            | Change::Unnote { .. }
            | Change::Activation { .. }
            | Change::Noted { .. } => None,
        }
    }
}

/// What a note is about. The number is the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NoteKind {
    /// What is known of the master's entity that a copy was made of.
    Copy = 1,
    /// A write that the master has not got yet, or that came to nothing there.
    Journal = 2,
    /// A fired trigger that is for the master.
    Fire = 3,
    /// A key that the master has accepted.
    Key = 4,
    /// Which master all this is of.
    Master = 5,
    /// A key that another master has accepted, for when that is the master again.
    Aside = 6,
    /// How an action is called, so that its sandboxes are there when they are needed.
    Arrivals = 7,
    /// An image that OWL has pulled.
    Image = 8,
    /// What a stem cell was initialised with.
    Stem = 9,
}

/// The key of a note: notes of a kind are in the order of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey(pub(super) Vec<u8>);

impl NoteKey {
    /// Longest rest of a key in bytes.
    const LONGEST: usize = 500;

    /// The key of a note about something that has a name; long names are shortened by a hash.
    pub fn named(kind: NoteKind, name: &[u8]) -> Self {
        let mut key = vec![kind as u8];
        if name.len() <= Self::LONGEST {
            key.extend_from_slice(name);
        } else {
            key.extend_from_slice(&name[..Self::LONGEST - 33]);
            key.push(0);
            key.extend_from_slice(digest(&SHA256, name).as_ref());
        }
        NoteKey(key)
    }

    /// The key of a note that has a number.
    pub fn numbered(kind: NoteKind, number: u64) -> Self {
        Self::named(kind, &number.to_be_bytes())
    }

    /// What stands behind the kind.
    pub fn name(&self) -> &[u8] {
        &self.0[1..]
    }

    /// The number of a [`NoteKey::numbered`].
    pub fn number(&self) -> Option<u64> {
        self.name().try_into().ok().map(u64::from_be_bytes)
    }
}

/// A finished activation as stored.
#[derive(Clone, Debug)]
pub struct ActivationRow {
    /// Its id.
    pub id: ActivationId,
    /// Namespace that it is listed in.
    pub namespace: String,
    /// `action` or `package/action`.
    pub filter_name: String,
    /// Start in milliseconds since 1970.
    pub start: u64,
    /// The summary: JSON, opaque to the store.
    pub head: Vec<u8>,
    /// The rest (subject, response, logs): JSON, opaque to the store.
    pub tail: Vec<u8>,
}

/// Which activations to list.
#[derive(Clone, Debug, Default)]
pub struct ActivationFilter {
    /// `action` or `package/action`.
    pub name: Option<String>,
    /// Earliest start, inclusive.
    pub since: Option<u64>,
    /// Latest start, inclusive.
    pub upto: Option<u64>,
}

/// How far an accepted activation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Progress {
    /// Not started: it is run after a restart.
    Accepted = 0,
    /// Started: it is closed as an internal error after a restart.
    Started = 1,
}
