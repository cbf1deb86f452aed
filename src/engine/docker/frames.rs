//! The frames in which the engine sends what a container without a TTY prints: a byte that names
//! the stream, three zero bytes, the length as a big-endian `u32`, and the payload.

use crate::engine::logs::Stream;

/// Takes frames apart, wherever chunks end. Holds nothing but a header.
#[derive(Default)]
pub(super) struct Frames {
    header: [u8; 8],
    /// Bytes of the header that have come.
    have: usize,
    /// Bytes of the payload that are still to come.
    left: usize,
}

/// The stream is not in frames.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotFrames;

impl Frames {
    /// Takes a chunk and gives the payloads in it, or parts of them, to `each`.
    pub(super) fn push(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(Stream, &[u8]),
    ) -> Result<(), NotFrames> {
        while !chunk.is_empty() {
            if self.left == 0 {
                let take = (self.header.len() - self.have).min(chunk.len());
                self.header[self.have..self.have + take].copy_from_slice(&chunk[..take]);
                self.have += take;
                chunk = &chunk[take..];
                if self.have < self.header.len() {
                    return Ok(());
                }
                let [stream, 0, 0, 0, length @ ..] = self.header else {
                    return Err(NotFrames);
                };
                // 0 is stdin, which some engines use for stdout; 3 is the engine's own error.
                if stream > 3 {
                    return Err(NotFrames);
                }
                self.have = 0;
                self.left = u32::from_be_bytes(length) as usize;
                continue;
            }
            let (payload, rest) = chunk.split_at(self.left.min(chunk.len()));
            let stream = match self.header[0] {
                0 | 1 => Stream::Stdout,
                _ => Stream::Stderr,
            };
            each(stream, payload);
            self.left -= payload.len();
            chunk = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend((payload.len() as u32).to_be_bytes());
        frame.extend(payload);
        frame
    }

    #[test]
    fn payloads_come_out_wherever_chunks_end() {
        let mut stream = frame(1, b"hello\n");
        stream.extend(frame(2, b""));
        stream.extend(frame(2, b"oh\n"));
        stream.extend(frame(1, b"x"));
        for cut in 0..stream.len() {
            let mut frames = Frames::default();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                frames
                    .push(part, |stream, payload| match stream {
                        Stream::Stdout => out.extend_from_slice(payload),
                        Stream::Stderr => err.extend_from_slice(payload),
                    })
                    .expect("are frames");
            }
            assert_eq!((&out[..], &err[..]), (&b"hello\nx"[..], &b"oh\n"[..]));
        }
    }

    #[test]
    fn a_stream_without_frames_is_refused() {
        // What a container with a TTY prints.
        let result = Frames::default().push(b"hello, world", |_, _| panic!("a payload"));
        assert_eq!(result, Err(NotFrames));
        let result = Frames::default().push(&frame(9, b"x"), |_, _| panic!("a payload"));
        assert_eq!(result, Err(NotFrames));
    }
}
