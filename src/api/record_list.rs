//! A list of full activation records as a body.
//!
//! Two hundred records with logs can be gigabytes. So they are read from the store one by one as
//! the client takes them.

use http_types::Body;
use serde::Deserialize;

use super::chunks;
use crate::entity::{ActivationId, json, record};
use crate::store::Store;

/// The records with these heads, in their order.
pub(super) fn body(store: Store, namespace: String, heads: Vec<Vec<u8>>) -> Body {
    // A record that retention took meanwhile is left out, as it would be a moment later.
    let records = heads
        .into_iter()
        .filter_map(move |head| full_record(&store, &namespace, &head));
    chunks::body(chunks::array(records))
}

fn full_record(store: &Store, namespace: &str, head: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(rename = "activationId")]
        id: ActivationId,
    }
    let id: Id = json::stored(head)?;
    stored_record(store, namespace, id.id)
}

/// The full record of an activation; none if it is not there any more.
pub(super) fn stored_record(store: &Store, namespace: &str, id: ActivationId) -> Option<Vec<u8>> {
    match store.activation(namespace, id) {
        Ok(found) => found.and_then(|(head, tail)| record(&head, &tail)),
        Err(error) => {
            log::warn!("activation {id} is left out of a list: {error}");
            None
        }
    }
}
