//! `owl sync diff`: what a write asked for, and what is kept of it against what the master has.

use serde_json::value::RawValue;

use super::lines;
use crate::entity::json;
use crate::master::journal::{Book, Entry, JournalError};
use crate::store::StoreError;

/// What there is to tell of an entry, as text: lines that begin with `-` are the master's, those
/// with `+` are ours.
pub fn diff(book: &Book, number: u64) -> Result<String, JournalError> {
    let entry = book.entry(number)?.ok_or(JournalError::NoEntry(number))?;
    let mut text = format!("{} {}\n", entry.operation.method(), entry.target());
    match &entry.kept {
        Some(kept) if !entry.is_open() => {
            text.push_str(&format!("--- {} (the master's)\n+++ {kept}\n", entry.path));
            let theirs = shown(book, &entry.path)?;
            lines::diff(&theirs, &shown(book, kept)?, &mut text);
        }
        _ => text.push_str(&body(book, &entry)?),
    }
    Ok(text)
}

/// The body of the request.
fn body(book: &Book, entry: &Entry) -> Result<String, JournalError> {
    let body = book.body(entry.number)?;
    Ok(pretty(&body))
}

/// An entity as text: its document, and its code. Empty if there is none.
fn shown(book: &Book, path: &str) -> Result<String, StoreError> {
    let Some(stored) = book.store().entity(path)? else {
        return Ok(String::new());
    };
    let mut text = pretty(&stored.document);
    if let Some(code) = book.store().code(path)? {
        text.push_str(&String::from_utf8_lossy(&code));
        text.push('\n');
    }
    Ok(text)
}

/// A JSON text for people; anything else as it is.
fn pretty(text: &[u8]) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text = String::from_utf8_lossy(text);
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(document) => format!("{}\n", json::pretty(document)),
        Err(_) => format!("{text}\n"),
    }
}
