//! What answers may have that http_types cannot hold.

use http_types::Response;

/// An extension of a response: a status that http_types does not know, and headers whose values
/// are not ASCII. The server puts both on the wire.
#[derive(Debug, Default)]
pub struct Beyond {
    /// Takes the place of the response's own status: 200 to 599.
    pub status: Option<u16>,
    /// Headers beside the response's own. Names are tokens of HTTP; values are sent in UTF-8.
    pub headers: Vec<(String, String)>,
}

impl Beyond {
    /// The status that a response has on the wire.
    pub fn status_of(response: &Response) -> u16 {
        let beyond = response.ext().get::<Beyond>();
        beyond
            .and_then(|beyond| beyond.status)
            .unwrap_or_else(|| response.status().into())
    }
}
