//! Who gets what is free, and who makes room for whom.
//!
//! Each event that changes something leads to a walk over the lines in the order of their turns.
//! A request gets a warm sandbox of its own action, or a place. Where there is none, it is promised
//! one if enough room is coming or idle sandboxes can give it, which go then. What is promised to
//! one is not there for those after it. A request that needs more than all of that is passed over,
//! so that it does not block others: for [`Settings::aging`] at most. From then on nothing is
//! handed out to anybody until it fits, so that it waits for the runs that are under way only.

use std::sync::Arc;
use std::time::Instant;

use super::decision::{Cause, Decision, Ticket};
use super::down::Down;
use super::key::{Class, Key};
use super::preemption;
use super::queue::{Line, Queue};
use super::room::Room;
use super::settings::Settings;
use super::slots::{Phase, Sandbox, Slots};
use super::tally::Tally;
use super::warmth::Warmth;

/// What decides who gets what.
pub(super) struct Bounds<'a> {
    pub(super) settings: &'a Settings,
    /// Knows what idle sandboxes are worth.
    pub(super) warmth: &'a Warmth,
    /// Whether no sandbox is started, because the machine is short of memory.
    pub(super) held: bool,
}

/// One walk over the lines.
pub(super) struct Walk<'a> {
    pub(super) now: Instant,
    pub(super) bounds: Bounds<'a>,
    pub(super) settings: &'a Settings,
    pub(super) queue: &'a Queue,
    pub(super) down: &'a Down,
    pub(super) slots: &'a mut Slots,
    pub(super) tally: &'a mut Tally,
    pub(super) out: &'a mut Vec<Decision>,
    /// What is there for those whose turn comes next.
    free: Room,
    /// What will be there for them.
    coming: Room,
    /// What has to go before anything comes: what stays is more than there may be.
    excess: Room,
    walked: Walked,
    /// Lines that need more than there is, and have not been passed over in this walk.
    short: Vec<(usize, usize)>,
}

/// What came of a walk.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Whose requests have got their sandboxes, in this order.
    pub(super) granted: Vec<Key>,
    /// The classes of the stem cells that were used.
    pub(super) stems: Vec<Arc<Class>>,
    /// Requests whose sandboxes or places are coming.
    pub(super) promised: usize,
    /// The lines that were passed over.
    pub(super) passed_over: Vec<(usize, usize)>,
    /// Whether sandboxes had to go: others may be promised what is left of their room.
    pub(super) made_room: bool,
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provision {
    /// A sandbox or a place.
    Granted,
    /// What it gets is coming.
    Promised,
    /// Nothing yet: others may go on for a while with what it could have.
    Later,
    /// Nothing: it needs more than there is.
    Short,
}

/// How far a walk has come in one line.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    granted: usize,
    promised: usize,
}

/// How far a walk has come in one namespace.
struct Turn {
    /// The line whose turn it is.
    line: usize,
    /// How far it has come in each line.
    places: Vec<Place>,
    /// The lines that get nothing more.
    settled: Vec<bool>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        now: Instant,
        bounds: Bounds<'a>,
        queue: &'a Queue,
        down: &'a Down,
        slots: &'a mut Slots,
        tally: &'a mut Tally,
        out: &'a mut Vec<Decision>,
    ) -> Self {
        let settings = bounds.settings;
        let free = settings.room().minus(slots.used());
        // What leaves makes no room where there are too many.
        let staying = slots.used().minus(down.going(slots));
        Walk {
            bounds,
            free,
            coming: settings.room().minus(staying).minus(free),
            excess: staying.minus(settings.room()),
            now,
            settings,
            queue,
            down,
            slots,
            tally,
            out,
            walked: Walked::default(),
            short: Vec::new(),
        }
    }

    /// Provides for as many as can be.
    pub(super) fn run(mut self) -> Walked {
        let namespaces = self.queue.namespaces().iter();
        let mut turns: Vec<Turn> = namespaces
            .map(|namespace| Turn {
                line: 0,
                places: vec![Place::default(); namespace.lines.len()],
                settled: vec![false; namespace.lines.len()],
            })
            .collect();
        if self.bounds.held || self.aged(&mut turns) {
            while self.round(&mut turns) {}
        }
        self.walked
    }

    /// Provides for those that were passed over for too long, the first of them first. Tells
    /// whether there is something left for others.
    fn aged(&mut self, turns: &mut [Turn]) -> bool {
        let mut aged: Vec<(Instant, usize, usize)> = Vec::new();
        for (n, namespace) in self.queue.namespaces().iter().enumerate() {
            for (l, line) in namespace.lines.iter().enumerate() {
                if self.down.contains(line.needs.class.engine) {
                    continue;
                }
                let passed = line.passed_over.filter(|since| {
                    self.now.saturating_duration_since(*since) >= self.settings.aging
                });
                aged.extend(passed.map(|since| (since, n, l)));
            }
        }
        aged.sort();
        for (_, n, l) in aged {
            let line = &self.queue.namespaces()[n].lines[l];
            match self.provide(line, turns[n].places[l], false) {
                Provision::Granted => turns[n].places[l].granted += 1,
                Provision::Promised => turns[n].places[l].promised += 1,
                Provision::Later | Provision::Short => return false,
            }
        }
        true
    }

    /// Gives each namespace one turn. Tells whether somebody got something.
    fn round(&mut self, turns: &mut [Turn]) -> bool {
        let mut any = false;
        for (n, turn) in turns.iter_mut().enumerate() {
            let lines = &self.queue.namespaces()[n].lines;
            for step in 0..lines.len() {
                let l = (turn.line + step) % lines.len();
                let place = &mut turn.places[l];
                if turn.settled[l] || place.granted + place.promised >= lines[l].waiters.len() {
                    continue;
                }
                let provision = self.provide(&lines[l], *place, true);
                match provision {
                    Provision::Granted | Provision::Promised => {
                        place.granted += usize::from(provision == Provision::Granted);
                        place.promised += usize::from(provision == Provision::Promised);
                        turn.line = l + 1;
                        any = true;
                        self.walked.passed_over.append(&mut self.short);
                        break;
                    }
                    Provision::Later => turn.settled[l] = true,
                    Provision::Short => {
                        turn.settled[l] = true;
                        self.short.push((n, l));
                    }
                }
            }
        }
        any
    }

    /// Provides for one more request of a line. What there is goes to the first that has nothing:
    /// what those before it were promised is as good for this one. `patient` tells whether others
    /// may go on with what it could have.
    fn provide(&mut self, line: &Line, place: Place, patient: bool) -> Provision {
        let waiter = line.waiters[place.granted];
        if self.down.contains(line.needs.class.engine) {
            return Provision::Later;
        }
        if self.give_what_is_there(line, waiter.ticket) {
            self.walked.granted.push(line.key.clone());
            return Provision::Granted;
        }
        // As many as are being frozen are worth waiting for, and as many as sandboxes will take that
        // are being started for others.
        let soon = self.slots.freezing(&line.key) + self.slots.opening(&line.key);
        if place.promised < soon {
            self.walked.promised += 1;
            return Provision::Promised;
        }
        if self.bounds.held {
            return Provision::Later;
        }
        let need = Room::of(&line.needs.class);
        if self.free.fits(need) {
            self.free = self.free.minus(need);
            return self.start(line, waiter.ticket);
        }
        let missing = need.minus(self.free.plus(self.coming));
        if missing != Room::default() {
            let missing = missing.plus(self.excess);
            let waited = self.now.saturating_duration_since(waiter.since);
            let pushes = !patient || waited > self.settings.patience;
            if let Err(nothing) = self.make_room(missing, pushes, !patient) {
                return nothing;
            }
        }
        let rest = self.free.take(need);
        self.coming.take(rest);
        self.walked.promised += 1;
        Provision::Promised
    }

    /// Gives a request a warm sandbox of its own action, or a stem cell.
    fn give_what_is_there(&mut self, line: &Line, ticket: Ticket) -> bool {
        let with_room = self.slots.with_room(&line.key);
        let with_room = with_room.filter(|sandbox| !self.has_to_end(sandbox, line));
        if let Some(sandbox) = with_room.or_else(|| self.slots.freshest_idle(&line.key)) {
            let (slot, frozen) = (sandbox.slot, sandbox.phase() == Phase::Frozen);
            self.slots.enter(self.now, slot);
            self.out.push(Decision::Run {
                ticket,
                slot,
                frozen,
            });
            self.tally.hits += 1;
            return true;
        }
        let Some(slot) = self.slots.stem(&line.needs.class).map(|stem| stem.slot) else {
            return false;
        };
        let concurrency = line.needs.concurrency;
        self.slots.name(self.now, slot, &line.key, concurrency);
        self.walked.stems.push(line.needs.class.clone());
        self.out.push(Decision::Init { ticket, slot });
        self.tally.stems += 1;
        true
    }

    /// Starts a sandbox in a place that is there, or keeps the place until it can be started.
    fn start(&mut self, line: &Line, ticket: Ticket) -> Provision {
        if self.slots.being_started() >= self.settings.starts {
            self.walked.promised += 1;
            return Provision::Promised;
        }
        let (key, needs) = (line.key.clone(), &line.needs);
        let slot = self.slots.add(self.now, Some(key), needs, Phase::Starting);
        self.out.push(Decision::Start { ticket, slot });
        self.tally.colds += 1;
        self.walked.granted.push(line.key.clone());
        Provision::Granted
    }

    /// Whether a sandbox that is busy takes no more runs, though it has room for them, so that it
    /// comes free: it has had its share, and requests of others are passed over.
    fn has_to_end(&self, sandbox: &Sandbox, line: &Line) -> bool {
        let patience = self.settings.patience;
        let long_ago = |since| self.now.saturating_duration_since(since) > patience;
        if !long_ago(sandbox.made) {
            return false;
        }
        let namespaces = self.queue.namespaces().iter();
        let mut others = namespaces.flat_map(|namespace| &namespace.lines);
        others.any(|other| {
            other.key != line.key
                && other.passed_over.is_some_and(long_ago)
                && !self.down.contains(other.needs.class.engine)
        })
    }

    /// Whether somebody waits for just this sandbox.
    fn is_wanted(&self, sandbox: &Sandbox) -> bool {
        let key = sandbox.key.as_ref();
        !self.down.contains(sandbox.class.engine)
            && key.is_some_and(|key| self.queue.waiting_for(key) > 0)
    }

    /// Removes stem cells and idle sandboxes so that as much comes free as is missing. Those that
    /// have requests of their own are spared, unless this one `pushes` and they have had their
    /// share; `all` spares none.
    fn make_room(&mut self, missing: Room, pushes: bool, all: bool) -> Result<(), Provision> {
        let mut idle = preemption::least_first(self.slots, self.bounds.warmth, self.now);
        // What an engine has that does not answer cannot be removed.
        idle.retain(|sandbox| !self.down.contains(sandbox.class.engine));
        let (wanted, mut spare): (Vec<&Sandbox>, Vec<&Sandbox>) =
            idle.iter().partition(|sandbox| self.is_wanted(sandbox));
        let had_share = |sandbox: &&&Sandbox| {
            let there = self.now.saturating_duration_since(sandbox.made);
            all || pushes && there > self.settings.patience
        };
        spare.extend(wanted.iter().filter(had_share));
        let Some(victims) = preemption::enough(&spare, missing) else {
            return Err(match preemption::enough(&idle, missing) {
                Some(_) => Provision::Later,
                None => Provision::Short,
            });
        };
        for slot in victims {
            let room = self.slots.get(slot).map(|sandbox| Room::of(&sandbox.class));
            self.coming = self.coming.plus(room.unwrap_or_default());
            self.slots.set(self.now, slot, Phase::Removing);
            self.tally.count(Cause::Room);
            self.out.push(Decision::Remove { slot });
        }
        self.coming = self.coming.minus(self.excess);
        self.excess = Room::default();
        self.walked.made_room = true;
        Ok(())
    }
}
