//! The engines on which nothing is started, and whose sandboxes cannot be removed: those that do not
//! answer, and those of which it is not known yet what they have of an earlier process.

use super::room::Room;
use super::slots::{Phase, Slots};

/// Which engines those are.
#[derive(Debug, Default)]
pub(super) struct Down {
    /// Those that do not answer.
    away: Vec<&'static str>,
    /// Those whose sandboxes of an earlier process are being looked for.
    settling: Vec<&'static str>,
}

impl Down {
    pub(super) fn contains(&self, engine: &str) -> bool {
        self.is_away(engine) || self.settling.contains(&engine)
    }

    /// Whether an engine does not answer.
    pub(super) fn is_away(&self, engine: &str) -> bool {
        self.away.contains(&engine)
    }

    /// The engines that do not answer.
    pub(super) const fn away(&self) -> &Vec<&'static str> {
        &self.away
    }

    /// An engine does not answer. Tells whether that changes something.
    pub(super) fn goes(&mut self, engine: &'static str) -> bool {
        let changes = !self.contains(engine);
        if !self.is_away(engine) {
            self.away.push(engine);
        }
        changes
    }

    /// An engine answers again.
    pub(super) fn comes(&mut self, engine: &str) {
        self.away.retain(|away| *away != engine);
    }

    /// It is being looked for what an engine has, or not any more.
    pub(super) fn settle(&mut self, engine: &'static str, begins: bool) {
        self.settling.retain(|settling| *settling != engine);
        if begins {
            self.settling.push(engine);
        }
    }

    /// What those sandboxes take that go and will be gone: what an engine has that does not answer
    /// stays until it does.
    pub(super) fn going(&self, slots: &Slots) -> Room {
        if self.away.is_empty() && self.settling.is_empty() {
            return slots.leaving();
        }
        let going = slots.iter().filter(|sandbox| {
            sandbox.phase() == Phase::Removing && !self.contains(sandbox.class.engine)
        });
        going.fold(Room::default(), |room, sandbox| {
            room.plus(Room::of(&sandbox.class))
        })
    }
}
