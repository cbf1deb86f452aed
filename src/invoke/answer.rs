//! The answer to who waits for an activation that has ended: at once, or when its record is on the
//! disk (`OWL_DURABLE_ANSWERS`).

use std::sync::Arc;

use smol::channel::Sender;
use smol::future::yield_now;

use super::record::json;
use super::{Call, Inner, InvokeError};
use crate::entity::Activation;

/// The annotation of an answer whose record could not be stored.
pub(super) const UNRECORDED: &str = "owl-unrecorded";

/// An activation that has its result, on its way to whoever waits for it.
pub(super) struct Landed {
    /// Its record.
    pub(super) activation: Arc<Activation>,
    /// Why it was not run, if a limit of this gateway was in the way.
    pub(super) refusal: Option<Box<InvokeError>>,
}

/// An answer that waits for its record.
#[must_use]
pub(super) struct Answer {
    sender: Sender<Landed>,
    landed: Landed,
}

impl Inner {
    /// Answers, and lets the answer leave before the caller goes on to store the record. Where
    /// answers wait for their records, gives one back that has to be given when that is stored.
    /// What goes to a sequence or composition (`is_part`) does not wait, as that itself does.
    pub(super) async fn answer(
        &self,
        call: &Call,
        is_part: bool,
        sender: Option<Sender<Landed>>,
        landed: Landed,
    ) -> Option<Answer> {
        let sender = sender?;
        let leaves_record = call.identity.limits.stores_activations();
        if self.settings.durable_answers && !is_part && leaves_record {
            return Some(Answer { sender, landed });
        }
        let _ = sender.try_send(landed);
        // The task that got it writes it to its connection now.
        yield_now().await;
        None
    }
}

impl Answer {
    /// Gives it. Whether its record is `stored`, the answer tells: nobody is to look for it in vain.
    pub(super) fn give(mut self, stored: bool) {
        if !stored {
            let activation = Arc::make_mut(&mut self.landed.activation);
            activation.annotations.push((UNRECORDED, json(true)));
        }
        let _ = self.sender.try_send(self.landed);
    }
}
