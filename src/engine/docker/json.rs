//! Docker's small JSON answers, and its endless ones with an object a line.

use bytes::Bytes;
use miniserde::Deserialize;

use super::error::DockerError;

/// Characters of an unreadable answer that its error shows.
const SHOWN: usize = 200;

/// Bytes of one line of a stream: longer ones are not from an engine.
const MAX_LINE: usize = 1 << 20;

/// Reads an answer to `what`.
pub(super) fn parse<T: Deserialize>(what: &str, document: &[u8]) -> Result<T, DockerError> {
    std::str::from_utf8(document)
        .ok()
        .and_then(|text| miniserde::json::from_str(text).ok())
        .ok_or_else(|| DockerError::Unreadable {
            what: what.to_owned(),
            // miniserde's errors have no text, so the document has to speak for itself.
            start: String::from_utf8_lossy(document)
                .chars()
                .take(SHOWN)
                .collect(),
        })
}

/// Cuts a stream into lines. A line that is too long is dropped.
#[derive(Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    /// What is pending is too long: skip to the next line.
    skipping: bool,
}

impl Lines {
    /// Takes a chunk and gives the lines that it completes to `each`, without their ends. Empty
    /// lines are left out.
    pub(super) fn push(&mut self, chunk: &Bytes, mut each: impl FnMut(&[u8])) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.skipping |= self.pending.len() + text.len() > MAX_LINE;
            if self.skipping {
                self.pending.clear();
            } else {
                self.pending.extend_from_slice(text);
            }
            if whole {
                let line = self.pending.trim_ascii();
                if !line.is_empty() {
                    each(line);
                }
                self.pending.clear();
                self.skipping = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug)]
    struct Named {
        #[serde(rename = "Name")]
        name: String,
        #[serde(rename = "Gone")]
        gone: Option<u64>,
    }

    #[test]
    fn unknown_fields_do_not_matter_and_options_may_be_missing() {
        let document = br#"{"Other":[1,{"x":null}],"Name":"a\u00e9"}"#;
        let named: Named = parse("look", document).expect("is one");
        assert_eq!((named.name.as_str(), named.gone), ("a\u{e9}", None));
    }

    #[test]
    fn an_unreadable_answer_is_shown_by_its_start() {
        let page = format!("<html>{}", "x".repeat(10_000));
        for document in [page.as_bytes(), b"", b"{}", b"\xff"] {
            let error = parse::<Named>("look at it", document).expect_err("is none");
            let text = error.to_string();
            assert!(
                text.starts_with("cannot look at it: unexpected answer"),
                "{text}"
            );
            assert!(text.len() < 400);
        }
    }

    #[test]
    fn lines_come_out_whole_wherever_chunks_end() {
        let stream = b"{\"a\":1}\r\n\n{\"b\":2}\n";
        for cut in 0..stream.len() {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                lines.push(&Bytes::copy_from_slice(part), |line| {
                    got.push(line.to_vec())
                });
            }
            assert_eq!(got, [&b"{\"a\":1}"[..], b"{\"b\":2}"]);
        }
    }

    #[test]
    fn an_endless_line_is_dropped() {
        let mut lines = Lines::default();
        let mut got = 0;
        for _ in 0..8 {
            lines.push(&Bytes::from(vec![b'x'; 300_000]), |_| got += 1);
            assert!(lines.pending.len() <= MAX_LINE);
        }
        lines.push(&Bytes::from_static(b"\nshort\n"), |line| {
            assert_eq!(line, b"short");
            got += 1;
        });
        assert_eq!(got, 1);
    }
}
