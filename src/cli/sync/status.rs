//! `owl sync status`: the entries of the journal, one after another.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::iso_milliseconds;
use crate::master::journal::{Book, Entry, JournalError, State};
use crate::master::whose;

/// The entries, as text.
pub fn status(book: &Book) -> Result<String, JournalError> {
    let mut text = String::new();
    let master = whose::of(book.store())?.unwrap_or_default();
    let (mut open, mut elsewhere, mut ended) = (0_u64, 0_u64, 0_u64);
    book.visit(&mut |entry, body| {
        if entry.is_open() && !entry.is_for(&master) {
            elsewhere += 1;
        } else if entry.is_open() {
            open += 1;
        } else {
            ended += 1;
        }
        describe(&mut text, &entry, body);
        if entry.is_open() && !entry.is_for(&master) {
            let _ = writeln!(text, "    for another master: {}", entry.master);
        }
        ControlFlow::Continue(())
    })?;
    if open + elsewhere + ended == 0 {
        return Ok("the journal is empty: no write waits for the master\n".to_owned());
    }
    let mut summary = format!("{open} wait for the master");
    if elsewhere > 0 {
        let _ = write!(
            summary,
            ", {elsewhere} for another one (owl sync retry sends them to {master}, owl sync drop \
             gives them up)"
        );
    }
    if ended > 0 {
        let advice = "owl sync diff shows one, owl sync retry and owl sync drop settle them";
        let _ = write!(summary, ", {ended} came to nothing ({advice})");
    }
    Ok(format!("{text}{summary}\n"))
}

/// A line for an entry, and others for what came of it.
fn describe(text: &mut String, entry: &Entry, body: u64) {
    let Entry {
        number,
        state,
        path,
        ..
    } = entry;
    let (method, collection) = (entry.operation.method(), entry.collection.name());
    let written = time(entry.written);
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "{number} {state} {method} {collection} {path} ({body} bytes, {written})"
    );
    if let State::Superseded(end) | State::Failed(end) = state {
        let _ = writeln!(text, "    {}: {}", time(end.at), end.reason);
    }
    if let Some(kept) = &entry.kept {
        let _ = writeln!(text, "    kept as {kept}");
    }
}

fn time(milliseconds: u64) -> String {
    iso_milliseconds(UNIX_EPOCH + Duration::from_millis(milliseconds))
}
