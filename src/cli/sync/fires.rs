//! `owl sync status`: the fired triggers that wait for the master, and what has become of others.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::iso_milliseconds;
use crate::master::fires::{Book, Counts};
use crate::store::StoreError;

/// What waits of one trigger.
struct Waiting {
    number: u64,
    bytes: u64,
    /// When the first of them was fired, in milliseconds since 1970.
    since: u64,
}

/// A line for each trigger of which some wait, and one for the others; nothing if there never were
/// any.
pub fn status(book: &Book) -> Result<String, StoreError> {
    let mut triggers: BTreeMap<String, Waiting> = BTreeMap::new();
    book.visit(&mut |_, fire, bytes| {
        let of_trigger = triggers.entry(fire.path()).or_insert(Waiting {
            number: 0,
            bytes: 0,
            since: fire.at,
        });
        of_trigger.number += 1;
        of_trigger.bytes += bytes;
        ControlFlow::Continue(())
    })?;
    let mut text = String::new();
    for (path, waiting) in &triggers {
        let since = iso_milliseconds(UNIX_EPOCH + Duration::from_millis(waiting.since));
        let Waiting { number, bytes, .. } = waiting;
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "trigger {path}: fired {number} times for the master ({bytes} bytes, since {since})"
        );
    }
    let counts = book.counts()?;
    if counts != Counts::default() {
        let waiting: u64 = triggers.values().map(|waiting| waiting.number).sum();
        let Counts {
            stored,
            delivered,
            refused,
            expired,
            displaced,
        } = counts;
        let _ = writeln!(
            text,
            "of {stored} fired triggers that were stored for the master {waiting} wait, \
             {delivered} were delivered, {refused} refused; given up: {expired} for their age \
             (OWL_FIRES_AGE), {displaced} for want of room (OWL_FIRES_SIZE)"
        );
    }
    Ok(text)
}
