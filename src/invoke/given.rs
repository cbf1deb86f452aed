//! Ids that somebody else has chosen for what is fired. A gateway that got no answer sends what it
//! has kept once more, under the same id: what was fired under it already is not fired again, also
//! after a restart, because the id is looked for in the store.

use serde::Deserialize;

use super::pending::Document;
use super::{Fire, InvokeError, Invoker};
use crate::entity::{ActivationId, json};
use crate::store::{Store, StoreError};

/// What is known of an id.
enum Known {
    /// No activation has it.
    Free,
    /// It is that of the same trigger, fired in the same namespace.
    Same,
    /// Another activation has it, perhaps one of somebody else.
    Other,
}

/// What is known of an id that is given to a trigger, by its bare name, in a namespace.
fn look(
    store: &Store,
    namespace: &str,
    trigger: &str,
    id: ActivationId,
) -> Result<Known, StoreError> {
    // First what has not ended: it may end in between.
    if let Some(document) = store.pending_document(id)? {
        let text = String::from_utf8_lossy(&document);
        return Ok(match Document::read(&text) {
            Ok(Document::Fired(fired)) if fired.is_of(namespace, trigger) => Known::Same,
            _ => Known::Other,
        });
    }
    Ok(match store.activation(namespace, id)? {
        Some((head, _)) if is_of_trigger(&head, trigger) => Known::Same,
        Some(_) => Known::Other,
        None if store.has_ended(id)? => Known::Other,
        None => Known::Free,
    })
}

/// Whether a trigger, by its bare name, was fired in a namespace under an id before.
///
/// # Errors
/// [`InvokeError::Taken`] if the id is another activation's; [`InvokeError::Unavailable`] if the
/// store fails.
pub fn was_fired(
    store: &Store,
    namespace: &str,
    trigger: &str,
    id: ActivationId,
) -> Result<bool, InvokeError> {
    match look(store, namespace, trigger, id) {
        Ok(Known::Free) => Ok(false),
        Ok(Known::Same) => Ok(true),
        Ok(Known::Other) => Err(InvokeError::Taken(taken(id))),
        Err(error) => Err(InvokeError::Unavailable(error.to_string())),
    }
}

/// What is told of an id that another activation has.
pub(super) fn taken(id: ActivationId) -> String {
    format!("Another activation has the id {id}.")
}

impl Invoker {
    /// Fires a trigger, unless it was fired under this id before.
    pub(super) async fn fire_once(
        &self,
        id: ActivationId,
        fire: Fire,
    ) -> Result<Option<ActivationId>, InvokeError> {
        let (identity, trigger) = (fire.identity.clone(), fire.trigger.name.clone());
        let was_fired = || was_fired(&self.inner.store, &identity.namespace, &trigger, id);
        if was_fired()? {
            return Ok(Some(id));
        }
        match self.fire_as(id, fire).await {
            // Somebody with the same id was faster.
            Err(InvokeError::Taken(text)) => match was_fired()? {
                true => Ok(Some(id)),
                false => Err(InvokeError::Taken(text)),
            },
            fired => fired,
        }
    }
}

/// Whether a summary is that of a trigger: only those have no end.
fn is_of_trigger(head: &[u8], trigger: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        name: String,
        end: Option<u64>,
    }
    let head: Option<Head> = json::stored(head);
    head.is_some_and(|head| head.name == trigger && head.end.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_triggers() {
        assert!(is_of_trigger(br#"{"name":"t","start":1}"#, "t"));
        assert!(!is_of_trigger(br#"{"name":"u","start":1}"#, "t"));
        assert!(!is_of_trigger(br#"{"name":"t","start":1,"end":2}"#, "t"));
        assert!(!is_of_trigger(b"{}", "t"));
    }
}
