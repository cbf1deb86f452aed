//! `owl sync status`: the fired triggers that wait for the master, and what has become of others.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::iso_milliseconds;
use crate::master::fires::{Book, Counts};
use crate::master::whose;
use crate::store::StoreError;

/// What waits of one trigger for one master.
struct Waiting {
    number: u64,
    bytes: u64,
    /// When the first of them was fired, in milliseconds since 1970.
    since: u64,
}

/// A line for each trigger of which some wait, and one for the others; nothing if there never were
/// any.
pub fn status(book: &Book) -> Result<String, StoreError> {
    let master = whose::of(book.store())?.unwrap_or_default();
    // By trigger, and by another master that they are for.
    let mut triggers: BTreeMap<(String, String), Waiting> = BTreeMap::new();
    book.visit(&mut |_, fire, bytes| {
        let other = match fire.is_for(&master) {
            true => String::new(),
            false => fire.master.clone(),
        };
        let of_trigger = triggers.entry((fire.path(), other)).or_insert(Waiting {
            number: 0,
            bytes: 0,
            since: fire.at,
        });
        of_trigger.number += 1;
        of_trigger.bytes += bytes;
        ControlFlow::Continue(())
    })?;
    let (mut text, mut elsewhere, mut all) = (String::new(), 0, 0);
    for ((path, other), waiting) in &triggers {
        let since = iso_milliseconds(UNIX_EPOCH + Duration::from_millis(waiting.since));
        let Waiting { number, bytes, .. } = waiting;
        let times = times(*number);
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "trigger {path}: fired {times} for the master ({bytes} bytes, since {since})"
        );
        all += number;
        if !other.is_empty() {
            let _ = writeln!(text, "    for another master: {other}");
            elsewhere += number;
        }
    }
    let counts = book.counts()?;
    if counts != Counts::default() {
        let waiting = all - elsewhere;
        let Counts {
            stored,
            delivered,
            refused,
            expired,
            displaced,
            dropped,
        } = counts;
        let for_another = match elsewhere {
            0 => String::new(),
            elsewhere => format!(
                ", {elsewhere} for another one (owl sync retry NAMESPACE/TRIGGER sends them to \
                 {master})"
            ),
        };
        let _ = writeln!(
            text,
            "of {stored} fired triggers that were stored for the master {waiting} wait\
             {for_another}, {delivered} were delivered, {refused} refused; given up: {expired} for \
             their age (OWL_FIRES_AGE), {displaced} for want of room (OWL_FIRES_SIZE), {dropped} \
             with owl sync drop"
        );
    }
    Ok(text)
}

/// How often, for people.
pub fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        number => format!("{number} times"),
    }
}
