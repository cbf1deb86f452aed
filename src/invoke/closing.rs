//! Records that end what an earlier run of the daemon has left.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use super::record::{Executed, Reached, activation};
use super::{Call, Inner};
use crate::clock::now;
use crate::entity::{Activation, ActivationId, Identity, Response, Whereabouts};

/// How many records are written at the same time.
pub const CLOSED_AT_A_TIME: usize = 64;

/// A record that is to be stored.
pub struct Closing {
    /// Whose it is.
    pub identity: Arc<Identity>,
    /// It, without its log.
    pub record: Activation,
    /// Its log.
    pub logs: Vec<String>,
}

impl Closing {
    /// The record of an activation that is not run, or not run again.
    pub fn not_run(
        call: &Call,
        id: ActivationId,
        cause: Option<ActivationId>,
        reached: Reached,
        response: Response,
    ) -> Self {
        let executed = Executed::not_run(now(), reached, response);
        Closing {
            identity: call.identity.clone(),
            record: activation(call, id, cause, executed),
            logs: Vec::new(),
        }
    }
}

impl Closing {
    /// The same with the annotation that says where it may have run.
    pub fn sent_to(mut self, tier: &Whereabouts<'_>) -> Self {
        self.record.annotations.push(tier.annotation());
        self
    }
}

impl Inner {
    /// Stores records at the same time, so that they share commits: a restart may have hundreds to
    /// write, and serves nobody until they are durable. They go in their order, so that none is in
    /// the store before those of its children.
    pub async fn store_all(&self, closings: &mut Vec<Closing>) {
        let stored = closings.iter().map(|closing| {
            let Closing {
                identity,
                record,
                logs,
            } = closing;
            self.store_record(identity, record, logs, false)
        });
        let mut waiting: Vec<_> = stored.map(Box::pin).collect();
        poll_fn(|context| {
            waiting.retain_mut(|stored| stored.as_mut().poll(context).is_pending());
            match waiting.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        drop(waiting);
        closings.clear();
    }
}
