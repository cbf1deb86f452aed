//! Room for sandboxes: places and memory.

use super::key::Class;

/// So many sandboxes, with so much memory together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) places: usize,
    /// MB
    pub(super) memory: u64,
}

impl Room {
    /// What a sandbox takes.
    pub(super) fn of(class: &Class) -> Self {
        Room {
            places: 1,
            memory: class.memory.into(),
        }
    }

    pub(super) const fn fits(self, need: Room) -> bool {
        need.places <= self.places && need.memory <= self.memory
    }

    pub(super) const fn plus(self, more: Room) -> Self {
        Room {
            places: self.places + more.places,
            memory: self.memory + more.memory,
        }
    }

    /// What is left; nothing, where there is less than what is taken.
    pub(super) const fn minus(self, less: Room) -> Self {
        Room {
            places: self.places.saturating_sub(less.places),
            memory: self.memory.saturating_sub(less.memory),
        }
    }

    /// Takes as much as is there, and tells what is missing.
    pub(super) fn take(&mut self, need: Room) -> Room {
        let missing = need.minus(*self);
        *self = self.minus(need);
        missing
    }
}
