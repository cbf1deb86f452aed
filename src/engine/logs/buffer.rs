//! Chunks of two streams in, log entries out, within a limit. No waiting here.

use std::time::SystemTime;

use super::{SENTINEL, Stream};
use crate::clock::Stamp;

/// Bytes that an entry has besides the text of its line: the timestamp, a space, the name of the
/// stream and a colon with a space, and the line end.
///
/// They count against the limit. So do the records in which Docker keeps logs count in OpenWhisk,
/// and without that an action that prints empty lines would cost many times the limit.
const OVERHEAD: u64 = 30 + 1 + 6 + 2 + 1;

/// What one activation printed so far.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    entries: Vec<String>,
    /// Bytes of `entries`, with line ends.
    used: u64,
    /// 0 for actions without logs: only sentinels are looked for.
    limit: u64,
    truncated: bool,
    stdout: Progress,
    stderr: Progress,
}

/// How far one stream has come.
#[derive(Debug, Default)]
struct Progress {
    /// The start of a line whose end has not come; once nothing is kept any more, only so much of
    /// its end as a sentinel has.
    partial: Vec<u8>,
    sentinel: bool,
}

impl Progress {
    /// Looks for the sentinel in a piece of a line of which nothing else is kept.
    fn skip(&mut self, text: &[u8], whole: bool) {
        // A carriage return may stand before the line end.
        const WINDOW: usize = SENTINEL.len() + 1;
        let text = &text[text.len().saturating_sub(WINDOW)..];
        self.partial.extend_from_slice(text);
        let excess = self.partial.len().saturating_sub(WINDOW);
        self.partial.drain(..excess);
        if whole {
            let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
            self.sentinel |= line.ends_with(SENTINEL.as_bytes());
            self.partial.clear();
        }
    }
}

impl Buffer {
    pub(super) fn new(limit: u64) -> Self {
        Buffer {
            limit,
            ..Buffer::default()
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn truncated(&self) -> bool {
        self.truncated
    }

    /// Whether both sentinels came.
    pub(super) fn ended(&self) -> bool {
        self.stdout.sentinel && self.stderr.sentinel
    }

    /// As if both sentinels came.
    pub(super) fn end(&mut self) {
        self.stdout.sentinel = true;
        self.stderr.sentinel = true;
    }

    /// Whether the sentinel of a stream came.
    pub(super) fn has_ended(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout.sentinel,
            Stream::Stderr => self.stderr.sentinel,
        }
    }

    /// A buffer that only looks for the sentinels that have not come.
    pub(super) fn rest(&self) -> Self {
        let progress = |progress: &Progress| {
            let mut rest = Progress {
                sentinel: progress.sentinel,
                ..Progress::default()
            };
            rest.skip(&progress.partial, false);
            rest
        };
        Buffer {
            stdout: progress(&self.stdout),
            stderr: progress(&self.stderr),
            ..Buffer::default()
        }
    }

    /// Takes a piece of a chunk: a line, or a part of one. Only a line end may be its last byte.
    pub(super) fn push(&mut self, stream: Stream, piece: &[u8], now: SystemTime) {
        let (text, whole) = match piece.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (piece, false),
        };
        if self.limit == 0 || self.truncated {
            self.progress(stream).skip(text, whole);
            return;
        }
        let mut partial = std::mem::take(&mut self.progress(stream).partial);
        if whole && partial.is_empty() {
            self.line(stream, text, now);
            return;
        }
        // A sentinel must be recognised even when nothing else fits.
        let room = (self.room() as usize).saturating_add(SENTINEL.len() + 1);
        if partial.len() + text.len() > room {
            partial.extend_from_slice(&text[..room.saturating_sub(partial.len())]);
            self.truncated = true;
            self.cut(stream, &partial, now);
            self.progress(stream).skip(text, whole);
            return;
        }
        partial.extend_from_slice(text);
        if whole {
            self.line(stream, &partial, now);
            // Keeps the allocation for the next line that comes in pieces.
            partial.clear();
        }
        self.progress(stream).partial = partial;
    }

    /// All entries, with unfinished lines as they are.
    pub(super) fn take(mut self, now: SystemTime) -> Vec<String> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let partial = std::mem::take(&mut self.progress(stream).partial);
            if !partial.is_empty() && !self.truncated {
                self.line(stream, &partial, now);
            }
        }
        self.entries
    }

    fn progress(&mut self, stream: Stream) -> &mut Progress {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Bytes that the text of one more entry may have.
    fn room(&self) -> u64 {
        self.limit.saturating_sub(self.used + OVERHEAD)
    }

    fn line(&mut self, stream: Stream, line: &[u8], now: SystemTime) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = match line.strip_suffix(SENTINEL.as_bytes()) {
            Some(before) => {
                self.progress(stream).sentinel = true;
                // An action may print without a line end just before its runtime's sentinel.
                if before.is_empty() {
                    return;
                }
                before
            }
            None => line,
        };
        let text = String::from_utf8_lossy(text);
        if self.used + OVERHEAD + text.len() as u64 > self.limit {
            self.truncated = true;
            self.cut(stream, text.as_bytes(), now);
        } else {
            self.entry(stream, &text, now);
        }
    }

    /// Adds what fits of a line.
    fn cut(&mut self, stream: Stream, line: &[u8], now: SystemTime) {
        let text = String::from_utf8_lossy(line);
        let mut end = text.len().min(self.room() as usize);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if end > 0 {
            self.entry(stream, &text[..end], now);
        }
    }

    fn entry(&mut self, stream: Stream, text: &str, now: SystemTime) {
        self.used += OVERHEAD + text.len() as u64;
        self.entries.push(entry(stream, text, now));
    }
}

/// One line in OpenWhisk's form.
pub(super) fn entry(stream: Stream, text: &str, now: SystemTime) -> String {
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    let stamp = Stamp(now);
    // One allocation of the exact size: there may be hundreds of thousands of lines.
    let mut entry = String::with_capacity(OVERHEAD as usize + text.len());
    std::fmt::Write::write_fmt(&mut entry, format_args!("{stamp:<30} {stream}: {text}"))
        .expect("writing to a text cannot fail");
    entry
}

#[cfg(test)]
mod tests {
    use super::Stream::{Stderr, Stdout};
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const PREFIX: &str = "2016-02-04T22:04:05.817450000Z ";

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::new(1_454_623_445, 817_450_000)
    }

    impl Buffer {
        /// Takes a chunk, which may hold several lines, none, or parts of them.
        fn chunk(&mut self, stream: Stream, bytes: &[u8], now: SystemTime) {
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                self.push(stream, piece, now);
            }
        }
    }

    /// The texts of the entries, after checking their prefix.
    fn texts(buffer: Buffer) -> Vec<String> {
        let entries = buffer.take(now());
        entries
            .iter()
            .map(|entry| entry.strip_prefix(PREFIX).expect("a timestamp").to_owned())
            .collect()
    }

    #[test]
    fn lines_of_both_streams_keep_their_order() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.chunk(Stdout, b"hello\n\nworld\r\n", now());
        buffer.chunk(Stderr, "oh, caf\u{e9}\n".as_bytes(), now());
        buffer.chunk(Stdout, b"again\n", now());
        assert_eq!(
            texts(buffer),
            [
                "stdout: hello",
                "stdout: ",
                "stdout: world",
                "stderr: oh, caf\u{e9}",
                "stdout: again"
            ]
        );
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        let mut buffer = Buffer::new(1 << 20);
        let long = "x".repeat(16 * 1024);
        buffer.chunk(Stdout, long.as_bytes(), now());
        buffer.chunk(Stderr, b"other\n", now());
        buffer.chunk(Stdout, long.as_bytes(), now());
        buffer.chunk(Stdout, b"\n", now());
        buffer.chunk(Stdout, b"no end", now());
        assert_eq!(
            texts(buffer),
            [
                "stderr: other".to_owned(),
                format!("stdout: {long}{long}"),
                "stdout: no end".to_owned()
            ]
        );
    }

    #[test]
    fn sentinels_are_removed_wherever_chunks_end() {
        let stream = format!("a\n{SENTINEL}\nlate\n");
        for cut in 0..stream.len() {
            let mut buffer = Buffer::new(1 << 20);
            buffer.chunk(Stdout, &stream.as_bytes()[..cut], now());
            buffer.chunk(Stdout, &stream.as_bytes()[cut..], now());
            assert!(!buffer.ended());
            buffer.chunk(Stderr, format!("{SENTINEL}\r\n").as_bytes(), now());
            assert!(buffer.ended(), "cut at {cut}");
            assert_eq!(texts(buffer), ["stdout: a", "stdout: late"]);
        }
    }

    #[test]
    fn one_stream_cannot_end_both() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.chunk(
            Stdout,
            format!("{SENTINEL}\n{SENTINEL}\n").as_bytes(),
            now(),
        );
        assert!(!buffer.ended());
    }

    #[test]
    fn text_right_before_a_sentinel_is_kept() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.chunk(
            Stdout,
            format!("progress 100%{SENTINEL}\n").as_bytes(),
            now(),
        );
        assert!(buffer.stdout.sentinel);
        assert_eq!(texts(buffer), ["stdout: progress 100%"]);
    }

    #[test]
    fn the_limit_counts_entries_and_cuts_the_last() {
        // Two entries of 40 + 5 bytes fit into 100 bytes, and the last 10 bytes hold no third.
        let mut buffer = Buffer::new(100);
        buffer.chunk(Stdout, b"12345\n12345\n", now());
        assert!(!buffer.truncated());
        buffer.chunk(Stdout, b"12345\n12345\n", now());
        assert!(buffer.truncated());
        assert_eq!(texts(buffer), ["stdout: 12345", "stdout: 12345"]);

        // What fits of the line that reaches the limit is kept, without breaking a character.
        let mut buffer = Buffer::new(45);
        buffer.chunk(Stdout, "1234\u{e9}6789\n".as_bytes(), now());
        assert!(buffer.truncated());
        assert_eq!(texts(buffer), ["stdout: 1234"]);
    }

    #[test]
    fn a_sentinel_is_seen_although_the_limit_is_reached_exactly() {
        let mut buffer = Buffer::new(90);
        buffer.chunk(Stdout, b"12345\n12345\n", now());
        let (start, end) = SENTINEL.split_at(20);
        buffer.chunk(Stdout, start.as_bytes(), now());
        buffer.chunk(Stdout, end.as_bytes(), now());
        buffer.chunk(Stdout, b"\n", now());
        buffer.chunk(Stderr, format!("{SENTINEL}\n").as_bytes(), now());
        assert!(buffer.ended() && !buffer.truncated());
    }

    #[test]
    fn memory_is_bounded_by_the_limit() {
        let mut buffer = Buffer::new(1000);
        // A line without an end, in a hundred chunks of 1 MB.
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            buffer.chunk(Stdout, &chunk, now());
            assert!(buffer.stdout.partial.capacity() < 8192);
        }
        assert!(buffer.truncated());
        let text: usize = texts(buffer).iter().map(String::len).sum();
        assert_eq!(text, "stdout: ".len() + 960);

        // Empty lines, as many as there is place for.
        let mut buffer = Buffer::new(1000);
        buffer.chunk(Stderr, &vec![b'\n'; 1 << 20], now());
        assert_eq!(texts(buffer).len(), 25);
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.chunk(Stdout, b"a\xffb\n", now());
        assert_eq!(texts(buffer), ["stdout: a\u{fffd}b"]);
    }

    #[test]
    fn sentinels_are_seen_when_nothing_else_is_kept() {
        for mut buffer in [Buffer::new(0), Buffer::new(50)] {
            buffer.chunk(Stdout, &[b'x'; 1000], now());
            let (start, end) = SENTINEL.split_at(7);
            buffer.chunk(
                Stdout,
                format!("\nlong enough to be cut\n{start}").as_bytes(),
                now(),
            );
            assert!(!buffer.has_ended(Stdout));
            buffer.chunk(Stdout, format!("{end}\r\n").as_bytes(), now());
            assert!(buffer.has_ended(Stdout) && !buffer.has_ended(Stderr));
            buffer.chunk(Stderr, format!("no {SENTINEL} here\n").as_bytes(), now());
            assert!(!buffer.has_ended(Stderr));
        }
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        let mut buffer = Buffer::new(0);
        buffer.chunk(Stdout, b"x\ny", now());
        assert!(!buffer.truncated());
        assert!(buffer.take(now()).is_empty());
    }
}
