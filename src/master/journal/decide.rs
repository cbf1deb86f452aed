//! What people decide about entries, in the store itself, whether a daemon has it or not: all goes
//! by what the entries say, so it and the daemon cannot get in each other's way.

use std::ops::ControlFlow;

use smol::block_on;

use super::book::{self, Book};
use super::entry::{Base, Entry, State};
use super::error::JournalError;
use crate::master::copies::outdated;
use crate::master::whose;
use crate::store::{Change, StoreError};

/// Drops an entry: what the master has is what counts. One that waits is not sent, and with it go
/// the later ones for the same entity; what was made here is given up for a new copy. With one that
/// came to nothing, and perhaps waits again, goes what was kept of it. `forget` makes the change after which nothing is known
/// of the master's entity of a path. Gives the numbers of the entries that have gone.
///
/// # Errors
/// There is no such entry; the daemon is just changing it; the store failed.
pub fn discard(
    book: &Book,
    number: u64,
    forget: &dyn Fn(&str) -> Change,
) -> Result<Vec<u64>, JournalError> {
    let entry = match book.entry(number) {
        Err(JournalError::Damaged(_)) => {
            write(book, book::unread_removal(number).into())?;
            return Ok(vec![number]);
        }
        entry => entry?.ok_or(JournalError::NoEntry(number))?,
    };
    let master = whose::of(book.store())?.unwrap_or_default();
    let mut gone = vec![entry.clone()];
    if entry.is_open() {
        gone.extend(
            open_at(book, &entry.path)?
                .into_iter()
                .filter(|other| other.number > number && other.master == entry.master),
        );
    }
    let numbers: Vec<u64> = gone.iter().map(|entry| entry.number).collect();
    let mut dropped: Vec<&str> = Vec::new();
    // What was opened again has not been made here a second time. With another master, what is here
    // may be a copy of that one's.
    let is_made_here = gone.iter().any(|entry| entry.kept.is_none());
    if entry.is_open() && is_made_here && entry.is_for(&master) {
        dropped.push(&entry.path);
    }
    for kept in gone.iter().filter_map(|entry| entry.kept.as_deref()) {
        if !dropped.contains(&kept) && !book.keeps(kept, &numbers)? {
            dropped.push(kept);
        }
    }
    let mut changes = Vec::new();
    // They know the rule as it was made here.
    let triggers = gone.iter().filter(|entry| entry.is_open());
    for trigger in triggers.flat_map(|entry| &entry.triggers) {
        changes.extend(outdated(book.store(), trigger)?);
    }
    for path in dropped {
        changes.push(Change::Drop { path: path.into() });
        changes.push(forget(path));
    }
    for entry in &gone {
        changes.extend(book::removal(entry));
    }
    write(book, changes)?;
    Ok(numbers)
}

/// Opens an entry that came to nothing again, or one for another master: it is sent once more, to
/// the one that is set, whatever it has.
///
/// # Errors
/// There is no such entry, it waits already, or a newer write for the same entity does; the daemon
/// is just changing it; the store failed.
pub fn retry(book: &Book, number: u64) -> Result<(), JournalError> {
    let entry = book.entry(number)?.ok_or(JournalError::NoEntry(number))?;
    let master = whose::of(book.store())?.unwrap_or_default();
    if entry.is_open() && entry.is_for(&master) {
        return Err(JournalError::Refused(format!(
            "entry {number} is {} already: it is sent as soon as the master can be reached",
            entry.state
        )));
    }
    let newer = open_at(book, &entry.path)?;
    let mut newer = newer.iter().filter(|other| other.is_for(&master));
    if let Some(newer) = newer.find(|other| other.base != Base::Any) {
        return Err(JournalError::Refused(format!(
            "entry {} for the same entity waits for the master: it would be sent after this one \
             and not fit any more; drop one of them",
            newer.number
        )));
    }
    let opened = Entry {
        state: State::Pending,
        master,
        base: Base::Any,
        ..entry.clone()
    };
    write(book, book::change(&entry, &opened).into())
}

fn open_at(book: &Book, path: &str) -> Result<Vec<Entry>, JournalError> {
    let mut open = Vec::new();
    book.visit(&mut |entry, _| {
        if entry.is_open() && entry.path == path {
            open.push(entry);
        }
        ControlFlow::Continue(())
    })?;
    Ok(open)
}

fn write(book: &Book, changes: Vec<Change>) -> Result<(), JournalError> {
    match block_on(book.store().write_all(changes)) {
        Err(StoreError::Changed) => Err(JournalError::Refused(
            "the daemon has just changed that entry: look at owl sync status again".to_owned(),
        )),
        written => Ok(written.map(drop)?),
    }
}
