//! What the sandbox prints: the action's lines, and the marks that end an activation's log.

use std::io::{self, Write};

use crate::engine::logs::{SENTINEL, Stream};

/// Writes a line. A closed stream is no failure of the action: the text is lost.
pub fn line(stream: Stream, text: &str) {
    match stream {
        Stream::Stdout => put(io::stdout().lock(), text),
        Stream::Stderr => put(io::stderr().lock(), text),
    }
}

/// Ends the log of an activation on both streams (reference section 7.7).
pub fn end_activation() {
    line(Stream::Stdout, SENTINEL);
    line(Stream::Stderr, SENTINEL);
}

fn put(mut stream: impl Write, text: &str) {
    // One write for text and line end: readers then see whole lines where they are short.
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
}
