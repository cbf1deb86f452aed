//! Bodies of answers that are in memory which others use, too.

use bytes::Bytes;
use http_types::{Body, Response};
use smol::io::Cursor;

/// An extension of a response: what its body reads. The server writes it from where it is, instead
/// of copying it piece by piece out of the body.
pub struct InMemory(Bytes);

impl InMemory {
    /// Gives a response these bytes as its body.
    pub fn set(response: &mut Response, bytes: Bytes) {
        let length = bytes.len();
        response.set_body(Body::from_reader(Cursor::new(bytes.clone()), Some(length)));
        response.ext_mut().insert(InMemory(bytes));
    }

    /// The bytes that are the body of a response, unless it has been given another since.
    pub(super) fn take(response: &mut Response) -> Option<Bytes> {
        let InMemory(bytes) = response.ext_mut().remove()?;
        (response.len() == Some(bytes.len())).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_was_set_last() {
        let mut response = Response::new(200);
        assert_eq!(InMemory::take(&mut response), None);
        InMemory::set(&mut response, Bytes::from_static(b"text"));
        assert_eq!(InMemory::take(&mut response).as_deref(), Some(&b"text"[..]));
        assert_eq!(InMemory::take(&mut response), None);

        InMemory::set(&mut response, Bytes::from_static(b"text"));
        response.set_body("other");
        assert_eq!(InMemory::take(&mut response), None);

        InMemory::set(&mut response, Bytes::from_static(b"text"));
        let read = smol::block_on(response.body_string()).unwrap();
        assert_eq!(read, "text");
    }
}
