//! Writes come into the journal: with what they change here, in one commit.

use std::sync::Arc;

use bytes::Bytes;

use super::book::{self, PLACE};
use super::entry::{Base, Entry, Operation, State};
use super::error::JournalError;
use super::stamp::Stamp;
use super::{Journal, Turn};
use crate::catalog::Catalog;
use crate::clock::now;
use crate::entity::{NewRule, Rule};
use crate::store::{Change, Collection};
use crate::sync::lock;

/// A write for the master.
#[derive(Clone, Debug)]
pub struct Write {
    /// Whose: uuid of the key.
    pub uuid: String,
    /// The entity's collection.
    pub collection: Collection,
    /// The entity: `ns/[package/]name`.
    pub path: String,
    /// What it does.
    pub operation: Operation,
    /// Deletes a package with what is in it.
    pub force: bool,
    /// The body of its request.
    pub body: Bytes,
    /// Whether it was sent, and nobody knows what came of it.
    pub sent: bool,
}

/// A write that is being made here. While there is one, no other entry comes or is settled.
pub struct Recording {
    journal: Arc<Journal>,
    number: u64,
    bytes: u64,
    places: Vec<String>,
    companions: Vec<Change>,
    ended: bool,
    _turn: Turn,
}

/// Whether a write deletes what is a binding here.
fn deletes_binding(catalog: &Catalog, write: &Write) -> bool {
    write.operation == Operation::Delete
        && write.collection == Collection::Packages
        && catalog
            .package(&write.path)
            .is_ok_and(|package| package.binding.is_some())
}

impl Journal {
    /// Begins to make a write here that the master gets later.
    ///
    /// # Errors
    /// [`JournalError::Full`]; the store failed.
    pub async fn record(
        self: &Arc<Self>,
        catalog: &Catalog,
        write: &Write,
    ) -> Result<Recording, JournalError> {
        let turn = self.turn().await;
        let bytes = write.body.len() as u64 + PLACE;
        let has_room = || lock(&self.known).bytes + bytes <= self.limit;
        // What has ended, or was dropped by a tool, has made room.
        if !lock(&self.known).unsure.is_empty() || !has_room() {
            self.refresh_in(&turn).await?;
        }
        if !has_room() {
            return Err(JournalError::Full(self.limit));
        }
        let number = {
            let mut known = lock(&self.known);
            known.last += 1;
            known.last
        };
        let (base, before) = self.base_of(write.collection, &write.path)?;
        let entry = Entry {
            number,
            master: self.master.clone(),
            uuid: write.uuid.clone(),
            collection: write.collection,
            path: write.path.clone(),
            operation: write.operation,
            force: write.force,
            binding: deletes_binding(catalog, write),
            triggers: triggers_of(catalog, write),
            written: now(),
            base,
            state: if write.sent {
                State::Sending
            } else {
                State::Pending
            },
            kept: None,
        };
        let mut companions = book::creation(&entry, &write.body);
        companions.extend(before);
        let places: Vec<String> = entry.places().map(str::to_owned).collect();
        for place in &places {
            self.mirror.hold(place);
        }
        Ok(Recording {
            journal: self.clone(),
            number,
            bytes,
            places,
            companions,
            ended: false,
            _turn: turn,
        })
    }

    /// What a write to a path is made on, and what must not change until it is here.
    fn base_of(
        &self,
        collection: Collection,
        path: &str,
    ) -> Result<(Base, Option<Change>), JournalError> {
        let package = self.package_goes(path, 0, true)?;
        let since = package.as_ref().map_or(0, |entry| entry.number);
        for number in self.open_at(path).into_iter().rev() {
            if number < since {
                break;
            }
            let entry = self.book.entry(number)?.filter(Entry::is_open);
            if let Some(entry) = entry {
                return Ok((Base::Before, Some(book::unchanged(&entry))));
            }
        }
        if self.mirror.is_local(path) {
            return Ok((Base::Absent, None));
        }
        if let Some(package) = package {
            // All that was in it goes first.
            return Ok((Base::Absent, Some(book::unchanged(&package))));
        }
        let here = self.book.store().entity(path)?;
        let stamp = here.and_then(|here| Stamp::of(collection, &here.document));
        Ok((stamp.map_or(Base::Absent, Base::At), None))
    }
}

impl Recording {
    /// The number of its entry.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The changes to make in the commit that makes the write here. They go to who asks first.
    pub fn companions(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.companions)
    }

    /// The write has been made here, or refused: looks which.
    ///
    /// # Errors
    /// The store failed.
    pub fn end(mut self) -> Result<(), JournalError> {
        let made = self.journal.book.entry(self.number)?.is_some();
        self.ended = true;
        let places = std::mem::take(&mut self.places);
        if made {
            let mut known = lock(&self.journal.known);
            known.bytes += self.bytes;
            known.open.insert(self.number, places);
            drop(known);
            self.journal.changed.notify(usize::MAX);
        } else {
            for place in &places {
                self.journal.mirror.release(place);
            }
        }
        Ok(())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Its caller has gone, perhaps while the commit was under way: the next reading of the
        // journal shows whether it was made.
        let places = std::mem::take(&mut self.places);
        lock(&self.journal.known).unsure.extend(places);
        self.journal.changed.notify(usize::MAX);
    }
}

/// The triggers whose documents a write of a rule changes: the one that it has, and the one that it
/// gets.
fn triggers_of(catalog: &Catalog, write: &Write) -> Vec<String> {
    if write.collection != Collection::Rules {
        return Vec::new();
    }
    let namespace = write.path.split('/').next().unwrap_or_default();
    let has = catalog.get::<Rule>(&write.path).ok();
    let gets = match write.operation {
        Operation::Put => NewRule::parse(&write.body, namespace).ok(),
        Operation::Delete | Operation::Status => None,
    };
    let mut triggers: Vec<String> = has
        .map(|rule| rule.trigger)
        .into_iter()
        .chain(gets.and_then(|rule| rule.trigger))
        .map(|name| name.to_string())
        .collect();
    triggers.dedup();
    triggers
}
