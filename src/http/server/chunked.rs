//! Follows a chunked body through its raw bytes, to know where it ends and to bound it.
//!
//! hyper decodes it afterwards. What is refused here hyper would refuse as well, most of it, but
//! by closing the connection without a word.

use super::refusal::Refusal;

/// Digits of a chunk size. More would overflow, unless they are zeros, which nobody needs.
const MAX_DIGITS: u32 = 16;

/// Bytes of chunk extensions and trailers in one body. Both are ignored.
const MAX_EXTRA: u32 = 4096;

/// The decoder's place in a chunked body (RFC 9112, section 7.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    place: Place,
    /// Size of the chunk so far, or what is left of it.
    size: u64,
    /// Digits of the size that have come.
    digits: u32,
    /// Data bytes that may still come after this chunk.
    allowed: u64,
    /// Bytes of extensions and trailers that have come.
    extra: u32,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Size,
    /// Between the size and the end of its line.
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk.
    Trailer,
    InTrailer,
    TrailerEnd,
    /// Behind the CR of the last, empty line.
    LastEnd,
    Done,
}

impl Chunked {
    /// At the start of a body of at most `limit` data bytes.
    pub(super) fn new(limit: u64) -> Self {
        Chunked {
            place: Place::Size,
            size: 0,
            digits: 0,
            allowed: limit,
            extra: 0,
        }
    }

    /// Goes over the next bytes; tells how many of them belong to the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < bytes.len() {
            match self.place {
                Place::Done => break,
                Place::Data => {
                    let left = usize::try_from(self.size).unwrap_or(usize::MAX);
                    let taken = left.min(bytes.len() - at);
                    self.size -= taken as u64;
                    at += taken;
                    if self.size == 0 {
                        self.place = Place::DataCr;
                    }
                }
                place => {
                    self.place = self.step(place, bytes[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    /// Whether the body has ended.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.place, Place::Done)
    }

    fn step(&mut self, place: Place, byte: u8) -> Result<Place, Refusal> {
        Ok(match (place, byte) {
            (Place::Size, _) if byte.is_ascii_hexdigit() => {
                self.digits += 1;
                if self.digits > MAX_DIGITS {
                    return Err(Refusal::bad("The size of a chunk has too many digits."));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.size = self.size << 4 | u64::from(digit);
                Place::Size
            }
            (Place::Size, b'\r') if self.digits > 0 => Place::SizeEnd,
            (Place::Size, b';' | b' ' | b'\t') if self.digits > 0 => self.more(Place::Extension)?,
            (Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Extension, b'\t' | b' '..=b'~') => self.more(Place::Extension)?,
            (Place::SizeEnd, b'\n') if self.size == 0 => Place::Trailer,
            (Place::SizeEnd, b'\n') => {
                self.allowed = self
                    .allowed
                    .checked_sub(self.size)
                    .ok_or_else(Refusal::too_large)?;
                Place::Data
            }
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => {
                self.digits = 0;
                Place::Size
            }
            (Place::Trailer, b'\r') => Place::LastEnd,
            (Place::InTrailer, b'\r') => Place::TrailerEnd,
            (Place::Trailer | Place::InTrailer, b'\t' | b' '..=b'~') => {
                self.more(Place::InTrailer)?
            }
            (Place::TrailerEnd, b'\n') => Place::Trailer,
            (Place::LastEnd, b'\n') => Place::Done,
            _ => return Err(Refusal::bad("The chunked body is malformed.")),
        })
    }

    /// Counts a byte that says nothing about the data.
    fn more(&mut self, place: Place) -> Result<Place, Refusal> {
        self.extra += 1;
        if self.extra > MAX_EXTRA {
            return Err(Refusal::bad(
                "The chunk extensions or trailers are too long.",
            ));
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a body in pieces of one size; tells how many bytes belong to it, if it ends.
    fn follow(body: &[u8], piece: usize) -> Result<Option<usize>, u16> {
        let mut chunked = Chunked::new(100);
        let mut taken = 0;
        for piece in body.chunks(piece) {
            taken += chunked
                .advance(piece)
                .map_err(|refusal| refusal.status.as_u16())?;
            if chunked.is_done() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    #[test]
    fn the_end_is_found_however_the_body_is_cut() {
        for body in [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "a\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n",
            "3;x=y\r\nabc\r\n00A \r\n0123456789\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n",
            "64\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n0\r\n\r\n",
        ] {
            let next = format!("{body}GET / HTTP/1.1\r\n");
            for piece in 1..=next.len() {
                let end = follow(next.as_bytes(), piece);
                assert_eq!(end, Ok(Some(body.len())), "{body:?} by {piece}");
            }
        }
    }

    #[test]
    fn unfinished_bodies_have_no_end() {
        let body = b"3\r\nabc\r\n0\r\nA: b\r\n\r\n";
        for cut in 0..body.len() {
            assert_eq!(follow(&body[..cut], 1), Ok(None), "{cut}");
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        for body in [
            "\r\n",
            ";x\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1\n",
            "1;x\ny",
            "1\rx",
            "1;\0",
            "1\r\nab\r\n",
            "1\r\na\n0",
            "1\r\na\r\r",
            "0\r\n\n",
            "0\r\nA: b\n",
            "0\r\nA: b\r\r",
            "0\r\n\rx",
            "00000000000000001\r\n",
            "ffffffffffffffff0\r\n",
        ] {
            assert_eq!(follow(body.as_bytes(), 1), Err(400), "{body:?}");
        }
    }

    #[test]
    fn sizes_are_limited() {
        assert_eq!(follow(b"65\r\n", 1), Err(413));
        assert_eq!(follow(b"ffffffffffffffff\r\n", 1), Err(413));
        let two = format!("60\r\n{}\r\n5\r\n", "a".repeat(96));
        assert_eq!(follow(two.as_bytes(), 7), Err(413));
        let flood = format!("1;{}", "x".repeat(5000));
        assert_eq!(follow(flood.as_bytes(), 100), Err(400));
        // Many short ones are as many bytes as a long one.
        let flood = format!("1;{}\r\na\r\n", "x".repeat(99)).repeat(50);
        assert_eq!(follow(flood.as_bytes(), 100), Err(400));
        let flood = format!("0\r\n{}", "A: b\r\n".repeat(5000));
        assert_eq!(follow(flood.as_bytes(), 100), Err(400));
    }
}
