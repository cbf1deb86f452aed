//! The elements of a JSON array that comes in pieces, one after another, so that no more than one
//! of them is in memory.

use std::io;

use bytes::{Bytes, BytesMut};

use crate::upstream::{Held, IncomingBody, Room, SMALL};

/// Bytes of the largest element: a record with a result and logs as large as they may be.
const LARGEST: u64 = 32 << 20;

/// Finds where elements of an array end.
#[derive(Default)]
struct Scan {
    /// Arrays and objects that are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// What a byte of an array is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Of an element.
    Element,
    /// Between elements: white space, a comma, the bracket at the beginning.
    Between,
    /// The bracket at the end.
    End,
}

impl Scan {
    fn byte(&mut self, byte: u8) -> Part {
        if self.in_string {
            (self.in_string, self.escaped) = match byte {
                _ if self.escaped => (true, false),
                b'\\' => (true, true),
                b'"' => (false, false),
                _ => (true, false),
            };
            return Part::Element;
        }
        match byte {
            b'[' if self.depth == 0 => {
                self.depth = 1;
                Part::Between
            }
            b']' if self.depth == 1 => {
                self.depth = 0;
                Part::End
            }
            b',' | b' ' | b'\t' | b'\r' | b'\n' if self.depth <= 1 => Part::Between,
            b'[' | b'{' => {
                self.depth += 1;
                Part::Element
            }
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                Part::Element
            }
            b'"' => {
                self.in_string = true;
                Part::Element
            }
            _ => Part::Element,
        }
    }
}

/// The elements of an array on its way.
pub(super) struct Elements {
    body: IncomingBody,
    scan: Scan,
    /// Came, and was not looked at yet.
    piece: Bytes,
    /// The beginning of an element.
    element: BytesMut,
    room: Room,
    /// For an element that is not small, until the next.
    held: Option<Held>,
    ended: bool,
}

impl Elements {
    /// The elements of the array that a body is.
    pub(super) fn of(body: IncomingBody, room: Room) -> Self {
        Elements {
            body,
            scan: Scan::default(),
            piece: Bytes::new(),
            element: BytesMut::new(),
            room,
            held: None,
            ended: false,
        }
    }

    /// The next element; none at the end of the array. To be asked for when the one before it is
    /// gone.
    ///
    /// # Errors
    /// The body broke off before the array ended, an element is larger than any can be, or there is
    /// no memory for a large one.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        self.held = None;
        while !self.ended {
            let mut at = 0;
            while at < self.piece.len() {
                let part = self.scan.byte(self.piece[at]);
                at += 1;
                if part == Part::Element {
                    continue;
                }
                self.ended = part == Part::End;
                self.element.extend_from_slice(&self.piece[..at - 1]);
                let _ = self.piece.split_to(at);
                at = 0;
                if !self.element.is_empty() {
                    return Ok(Some(self.element.split().freeze()));
                }
                if self.ended {
                    return Ok(None);
                }
            }
            self.element.extend_from_slice(&self.piece);
            let bytes = self.element.len() as u64;
            if bytes > LARGEST {
                let reason = format!("an activation of the master has more than {LARGEST} bytes");
                return Err(io::Error::other(reason));
            }
            if bytes > SMALL && self.held.is_none() {
                let held = self.room.take(LARGEST).await;
                self.held = Some(held.map_err(io::Error::other)?);
            }
            self.piece = self
                .body
                .piece()
                .await?
                .ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::body;
    use smol::block_on;

    /// The elements of a text that comes in pieces of a size.
    fn read(text: &str, size: usize) -> io::Result<Vec<String>> {
        let (sender, pieces) = body();
        let fed = async move {
            for piece in text.as_bytes().chunks(size) {
                sender.send(Ok(piece.to_vec().into())).await.unwrap();
            }
        };
        let taken = async {
            let mut elements = Elements::of(IncomingBody::new(None, pieces), Room::default());
            let mut all = Vec::new();
            while let Some(element) = elements.next().await? {
                all.push(String::from_utf8(element.to_vec()).unwrap());
            }
            Ok(all)
        };
        block_on(smol::future::zip(fed, taken)).1
    }

    #[test]
    fn wherever_the_pieces_end() {
        let first = r#"{"a":"]}\"[,","b":[1,{"c":[]}], "d": 1}"#;
        let text = format!("[\n {first} ,{{}},\"x,y\", 17 ]");
        for size in 1..=text.len() {
            assert_eq!(read(&text, size).unwrap(), [first, "{}", "\"x,y\"", "17"]);
            assert_eq!(read("[ ]", size.min(3)).unwrap(), [""; 0]);
        }
    }

    #[test]
    fn what_breaks_off() {
        for text in ["", "[", "[{}", "[{},", "[\"]"] {
            assert!(read(text, 2).is_err(), "{text}");
        }
    }
}
