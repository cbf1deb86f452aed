//! A list of full activation records as a body.
//!
//! Two hundred records with logs can be gigabytes. So they are read from the store one by one as
//! the client takes them: no more than one is in memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Deserialize;
use smol::io::{AsyncBufRead, AsyncRead};

use crate::entity::{ActivationId, record};
use crate::store::Store;

/// The text of the array, made while it is read.
pub(super) struct RecordList {
    store: Store,
    namespace: String,
    heads: std::vec::IntoIter<Vec<u8>>,
    /// What is to be read next.
    buffer: Vec<u8>,
    /// How much of it has been read.
    read: usize,
    separator: &'static [u8],
    ended: bool,
}

impl RecordList {
    /// The records with these heads, in their order.
    pub(super) fn new(store: Store, namespace: String, heads: Vec<Vec<u8>>) -> Self {
        RecordList {
            store,
            namespace,
            heads: heads.into_iter(),
            buffer: b"[".to_vec(),
            read: 0,
            separator: b"",
            ended: false,
        }
    }

    /// Puts what comes next into the empty buffer; leaves it empty at the end.
    fn refill(&mut self) {
        self.read = 0;
        self.buffer.clear();
        for head in self.heads.by_ref() {
            // A record that retention took meanwhile is left out, as it would be a moment later.
            if let Some(record) = full_record(&self.store, &self.namespace, &head) {
                self.buffer = record;
                self.buffer.splice(..0, self.separator.iter().copied());
                self.separator = b",";
                return;
            }
        }
        if !self.ended {
            self.ended = true;
            self.buffer = b"]".to_vec();
        }
    }
}

fn full_record(store: &Store, namespace: &str, head: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(rename = "activationId")]
        id: &'a str,
    }
    let id: Id = serde_json::from_slice(head).ok()?;
    let id: ActivationId = id.id.parse().ok()?;
    match store.activation(namespace, id) {
        Ok(found) => found.and_then(|(head, tail)| record(&head, &tail)),
        Err(error) => {
            log::warn!("activation {id} is left out of a list: {error}");
            None
        }
    }
}

impl AsyncBufRead for RecordList {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let list = self.get_mut();
        if list.read == list.buffer.len() {
            list.refill();
        }
        Poll::Ready(Ok(&list.buffer[list.read..]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let list = self.get_mut();
        list.read = list.buffer.len().min(list.read + amount);
    }
}

impl AsyncRead for RecordList {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let available = std::task::ready!(self.as_mut().poll_fill_buf(context))?;
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Poll::Ready(Ok(length))
    }
}
