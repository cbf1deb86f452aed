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
    /// It is warm and free, and is being frozen.
    Freezing,
    /// It is warm, free and frozen.
    Frozen,
    /// It is being started as a stem cell.
    Growing,
    /// It is a stem cell.
    Stem,
    /// It goes.
    Removing,
}

const PHASES: usize = Phase::Removing as usize + 1;

/// One sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) slot: Slot,
    /// What it has run; none for a stem cell.
    pub(super) key: Option<Key>,
    pub(super) class: Arc<Class>,
    phase: Phase,
    /// Since when it is busy, or idle, frozen or not, or in another phase.
    pub(super) since: Instant,
    /// Since when it is there for its action.
    pub(super) made: Instant,
    /// Runs that it has had, those that are under way among them.
    pub(super) runs: u64,
    /// Whether it is started ahead of a call, and has not been idle yet.
    pub(super) ahead: bool,
    /// When it is frozen, if it stays idle; none: not before its next run.
    pub(super) freezes: Option<Instant>,
    /// Whether it cannot be frozen at all.
    pub(super) freezable: bool,
    /// Why it goes as soon as it is not busy.
    pub(super) retired: Option<Cause>,
    /// Runs that it may have at the same time.
    most: u32,
    /// Runs that it has, while it is busy.
    under_way: u32,
    /// Whether it takes further runs while it is busy: it is initialised, and not frozen.
    open: bool,
}

impl Sandbox {
    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it is warm, and nobody would miss it now.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Frozen)
    }

    /// Whether it is time to freeze it.
    pub(super) fn freezes(&self, now: Instant) -> bool {
        self.phase == Phase::Idle && self.freezes.is_some_and(|at| at <= now)
    }

    /// Whether it is busy, and can take one more run.
    pub(super) const fn has_room(&self) -> bool {
        self.open && self.under_way < self.most && self.retired.is_none() && self.is_busy()
    }

    /// It is initialised and awake, and takes further runs while it is busy, if it may have several.
    /// Tells whether it does.
    pub(super) const fn open(&mut self) -> bool {
        self.open = self.is_busy() && self.is_shared();
        self.open
    }

    /// One of several runs is over. Tells whether there are others.
    pub(super) const fn leave(&mut self) -> bool {
        let has_others = self.under_way > 1;
        self.under_way -= has_others as u32;
        has_others
    }

    /// Whether it may have several runs at the same time.
    pub(super) const fn is_shared(&self) -> bool {
        self.most > 1
    }

    /// Runs that it has, while it is busy.
    pub(super) const fn under_way(&self) -> u32 {
        self.under_way
    }

    /// Runs that it takes as soon as it is there, initialised, and thawed.
    const fn opening(&self) -> usize {
        let comes = matches!(self.phase, Phase::Starting | Phase::Busy) && !self.open;
        let taken = if self.under_way > 1 {
            self.under_way
        } else {
            1
        };
        match comes && self.retired.is_none() {
            true => self.most.saturating_sub(taken) as usize,
            false => 0,
        }
    }

    const fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Busy)
    }

    /// Whether it is a stem cell that nobody would miss now.
    pub(super) fn is_stem(&self) -> bool {
        self.phase == Phase::Stem
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
    /// How many of them may have several runs at the same time.
    shared: usize,
    next: Slot,
}

impl Slots {
    /// A new sandbox.
    pub(super) fn add(
        &mut self,
        now: Instant,
        key: Option<Key>,
        needs: &Needs,
        phase: Phase,
    ) -> Slot {
        let class = &needs.class;
        let slot = self.next;
        self.next += 1;
        self.used = self.used.plus(Room::of(class));
        self.counts[phase as usize] += 1;
        if let Some(key) = key.clone() {
            self.by_key.entry(key).or_default().push(slot);
        }
        let sandbox = Sandbox {
            slot,
            key,
            class: class.clone(),
            phase,
            since: now,
            made: now,
            runs: 0,
            ahead: false,
            freezes: None,
            freezable: true,
            retired: None,
            most: needs.concurrency.max(1),
            under_way: 0,
            open: false,
        };
        self.shared += usize::from(sandbox.is_shared());
        self.table.insert(slot, sandbox);
        slot
    }

    /// A stem cell is given to an action.
    pub(super) fn name(&mut self, now: Instant, slot: Slot, key: &Key, concurrency: u32) {
        if let Some(sandbox) = self.table.get_mut(&slot) {
            sandbox.key = Some(key.clone());
            sandbox.made = now;
            sandbox.most = concurrency.max(1);
            self.shared += usize::from(sandbox.is_shared());
            self.by_key.entry(key.clone()).or_default().push(slot);
            self.set(now, slot, Phase::Busy);
        }
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
        // Freezing does not make it less idle.
        let stays = sandbox.phase == Phase::Freezing || phase == Phase::Freezing;
        if !(stays && matches!(phase, Phase::Idle | Phase::Freezing | Phase::Frozen)) {
            sandbox.since = now;
        }
        // One that is made ready is busy, too, and runs nothing.
        sandbox.runs += u64::from(phase == Phase::Busy && !sandbox.ahead);
        sandbox.under_way = u32::from(phase == Phase::Busy);
        sandbox.open = sandbox.is_shared() && sandbox.phase == Phase::Idle && phase == Phase::Busy;
        sandbox.phase = phase;
    }

    /// A run is sent to a sandbox that is free, or has room for one more.
    pub(super) fn enter(&mut self, now: Instant, slot: Slot) {
        match self.table.get_mut(&slot) {
            Some(sandbox) if sandbox.is_busy() => {
                sandbox.under_way += 1;
                sandbox.runs += 1;
            }
            _ => self.set(now, slot, Phase::Busy),
        }
    }

    /// A sandbox is no more. Tells whether it was there.
    pub(super) fn forget(&mut self, slot: Slot) -> bool {
        let Some(sandbox) = self.table.remove(&slot) else {
            return false;
        };
        let room = Room::of(&sandbox.class);
        self.used = self.used.minus(room);
        self.counts[sandbox.phase as usize] -= 1;
        self.shared -= usize::from(sandbox.is_shared());
        if sandbox.phase == Phase::Removing {
            self.leaving = self.leaving.minus(room);
        }
        if let Some(key) = sandbox.key
            && let Some(slots) = self.by_key.get_mut(&key)
        {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_key.remove(&key);
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

    /// Shows each sandbox, for what is said of it to be changed.
    pub(super) fn each_mut(&mut self, change: impl FnMut(&mut Sandbox)) {
        self.table.values_mut().for_each(change);
    }

    /// All sandboxes, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sandbox> {
        self.table.values()
    }

    /// The sandbox that the next run of this key goes to. One that is busy and has room comes first,
    /// so that as few as possible are needed, and the others may be frozen.
    pub(super) fn ready(&self, key: &Key) -> Option<&Sandbox> {
        self.with_room(key).or_else(|| self.freshest_idle(key))
    }

    /// The sandbox of this key that is busy and has room for one more run; of several the one with
    /// the fewest.
    pub(super) fn with_room(&self, key: &Key) -> Option<&Sandbox> {
        if self.shared == 0 {
            return None;
        }
        let with_room = self.of(key).filter(|sandbox| sandbox.has_room());
        with_room.min_by_key(|sandbox| sandbox.under_way)
    }

    /// How many runs of this key sandboxes will take that are being started, initialised or thawed,
    /// besides the one for which that is done.
    pub(super) fn opening(&self, key: &Key) -> usize {
        match self.shared {
            0 => 0,
            _ => self.of(key).map(Sandbox::opening).sum(),
        }
    }

    /// Whether there are sandboxes that may have several runs at the same time.
    pub(super) const fn are_shared(&self) -> bool {
        self.shared > 0
    }

    /// The idle sandbox of this key that was used last: its memory is most likely still at hand.
    /// Frozen ones come after all others.
    pub(super) fn freshest_idle(&self, key: &Key) -> Option<&Sandbox> {
        let idle = self.of(key).filter(|sandbox| sandbox.is_free());
        idle.max_by_key(|sandbox| (sandbox.phase == Phase::Idle, sandbox.since, sandbox.slot))
    }

    /// How many sandboxes of this key are being frozen: they are free again soon.
    pub(super) fn freezing(&self, key: &Key) -> usize {
        let freezing =
            |sandbox: &&Sandbox| sandbox.phase == Phase::Freezing && sandbox.retired.is_none();
        self.of(key).filter(freezing).count()
    }

    fn of(&self, key: &Key) -> impl Iterator<Item = &Sandbox> {
        let slots = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
        slots.iter().filter_map(|slot| self.table.get(slot))
    }

    /// The oldest stem cell of a class: it has had the most time to boot.
    pub(super) fn stem(&self, class: &Class) -> Option<&Sandbox> {
        if self.count(Phase::Stem) == 0 {
            return None;
        }
        self.iter()
            .find(|sandbox| sandbox.is_stem() && *sandbox.class == *class)
    }

    /// How many sandboxes are warm and free, frozen or not.
    pub(super) const fn free(&self) -> usize {
        self.count(Phase::Idle) + self.count(Phase::Frozen)
    }

    /// How many sandboxes are in a phase.
    pub(super) const fn count(&self, phase: Phase) -> usize {
        self.counts[phase as usize]
    }

    /// How many sandboxes are being started.
    pub(super) const fn being_started(&self) -> usize {
        self.count(Phase::Starting) + self.count(Phase::Growing)
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
