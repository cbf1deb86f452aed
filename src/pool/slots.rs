//! The table of sandboxes: numbered slots, each in one phase. A slot counts against the capacity
//! from the decision to start it until its removal is reported.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::decision::{Cause, Slot};
use super::key::{Class, Key, Needs};
use super::room::Room;

/// What a sandbox does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is being started for a request.
    Starting,
    /// It is initialised, or runs.
    Busy,
    /// It is warm and free.
    Idle,
    /// It goes.
    Removing,
}

const PHASES: usize = Phase::Removing as usize + 1;

/// One sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) slot: Slot,
    pub(super) key: Key,
    pub(super) class: Arc<Class>,
    phase: Phase,
    /// Since when it is in its phase.
    pub(super) since: Instant,
    /// Since when it is there.
    pub(super) made: Instant,
    /// Whether it is started ahead of a call, and has not been idle yet.
    pub(super) ahead: bool,
    /// Why it goes as soon as it is not busy.
    pub(super) retired: Option<Cause>,
}

impl Sandbox {
    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether nobody would miss it now.
    pub(super) fn is_free(&self) -> bool {
        self.phase == Phase::Idle
    }
}

/// All sandboxes.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// In the order in which they were made, so that the same events lead to the same decisions.
    table: BTreeMap<Slot, Sandbox>,
    /// Those of each action, in any phase; no empty lists.
    by_key: HashMap<Key, Vec<Slot>>,
    counts: [usize; PHASES],
    /// What all of them take.
    used: Room,
    /// What those take that go.
    leaving: Room,
    next: Slot,
}

impl Slots {
    /// A new sandbox that is started for a request.
    pub(super) fn add(&mut self, now: Instant, key: Key, needs: &Needs) -> Slot {
        let slot = self.next;
        self.next += 1;
        self.used = self.used.plus(Room::of(&needs.class));
        self.counts[Phase::Starting as usize] += 1;
        self.by_key.entry(key.clone()).or_default().push(slot);
        let sandbox = Sandbox {
            slot,
            key,
            class: needs.class.clone(),
            phase: Phase::Starting,
            since: now,
            made: now,
            ahead: false,
            retired: None,
        };
        self.table.insert(slot, sandbox);
        slot
    }

    /// Puts a sandbox into another phase.
    pub(super) fn set(&mut self, now: Instant, slot: Slot, phase: Phase) {
        let Some(sandbox) = self.table.get_mut(&slot) else {
            return;
        };
        self.counts[sandbox.phase as usize] -= 1;
        self.counts[phase as usize] += 1;
        if phase == Phase::Removing && sandbox.phase != Phase::Removing {
            self.leaving = self.leaving.plus(Room::of(&sandbox.class));
        }
        sandbox.phase = phase;
        sandbox.since = now;
    }

    /// A sandbox is no more. Tells whether it was there.
    pub(super) fn forget(&mut self, slot: Slot) -> bool {
        let Some(sandbox) = self.table.remove(&slot) else {
            return false;
        };
        let room = Room::of(&sandbox.class);
        self.used = self.used.minus(room);
        self.counts[sandbox.phase as usize] -= 1;
        if sandbox.phase == Phase::Removing {
            self.leaving = self.leaving.minus(room);
        }
        if let Some(slots) = self.by_key.get_mut(&sandbox.key) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_key.remove(&sandbox.key);
            }
        }
        true
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Sandbox> {
        self.table.get(&slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Sandbox> {
        self.table.get_mut(&slot)
    }

    /// All sandboxes, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sandbox> {
        self.table.values()
    }

    /// The idle sandbox of this key that was used last: its memory is most likely still at hand.
    pub(super) fn freshest_idle(&self, key: &Key) -> Option<Slot> {
        let slots = self.by_key.get(key)?;
        let sandboxes = slots.iter().filter_map(|slot| self.table.get(slot));
        let idle = sandboxes.filter(|sandbox| sandbox.phase == Phase::Idle);
        let freshest = idle.max_by_key(|sandbox| (sandbox.since, sandbox.slot));
        freshest.map(|sandbox| sandbox.slot)
    }

    /// How many sandboxes are in a phase.
    pub(super) const fn count(&self, phase: Phase) -> usize {
        self.counts[phase as usize]
    }

    /// How many sandboxes there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// What all of them take.
    pub(super) const fn used(&self) -> Room {
        self.used
    }

    /// What those take that go.
    pub(super) const fn leaving(&self) -> Room {
        self.leaving
    }
}
