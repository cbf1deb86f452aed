//! What is known of a call that was sent to a tier, for those who write down what is under way, and
//! what its answer holds of the memory.

use std::sync::Mutex;

use crate::entity::{ActivationId, Whereabouts};
use crate::invoke::budget::Room;
use crate::sync::lock;

/// Where a call is; it goes with it.
#[derive(Default)]
pub struct Sent(Mutex<State>);

#[derive(Default)]
struct State {
    to: Option<Whereabouts<'static>>,
    room: Option<Room>,
}

impl Sent {
    /// It is about to be sent to a tier with this URL, for this reason.
    pub fn to(&self, url: &str, reason: &str) {
        lock(&self.0).to = Some(Whereabouts {
            url: Some(url.to_owned().into()),
            reason: reason.to_owned().into(),
            activation_id: None,
        });
    }

    /// The tier has taken it under this id.
    pub fn taken_as(&self, id: ActivationId) {
        if let Some(to) = &mut lock(&self.0).to {
            to.activation_id = Some(id);
        }
    }

    /// The tier has not taken it.
    pub fn not_taken(&self) {
        lock(&self.0).to = None;
    }

    /// Where it was sent, if it may be there.
    pub fn place(&self) -> Option<Whereabouts<'static>> {
        lock(&self.0).to.clone()
    }

    /// Whether there is room for its answer.
    pub fn has_room(&self) -> bool {
        lock(&self.0).room.is_some()
    }

    /// Keeps the room for its answer until the call is dropped.
    pub fn keep(&self, room: Room) {
        lock(&self.0).room = Some(room);
    }
}
