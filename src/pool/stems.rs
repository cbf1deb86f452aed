//! Stem cells: sandboxes that are started before anybody asks for them, so that a request that
//! would have to start one only has to initialise it.
//!
//! They take room that nobody else needs: a stem cell is started while no request waits, and is
//! the first to go when one needs its place. Where they cannot be started, it is tried again after
//! pauses that grow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decision::{Cause, Decision, Slot};
use super::key::{Class, Needs};
use super::room::Room;
use super::slots::{Phase, Sandbox};
use super::state::Pool;

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Stem cells of one class.
#[derive(Debug)]
pub(super) struct Stems {
    class: Arc<Class>,
    /// How many there are to be.
    count: usize,
    /// Failures since one of them was used.
    failures: u32,
    /// When it is tried again.
    retry: Option<Instant>,
}

impl Stems {
    fn failed(&mut self, now: Instant) -> Instant {
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(16));
        self.failures += 1;
        let retry = now + pause.min(LONGEST_PAUSE);
        self.retry = Some(retry);
        retry
    }
}

impl Pool {
    /// So many stem cells of these classes are to be there, and no others. Those that are too many
    /// go.
    pub fn set_stems(&mut self, now: Instant, stems: Vec<(Class, usize)>, out: &mut Vec<Decision>) {
        let stems = stems.into_iter();
        self.stems = stems
            .map(|(class, count)| Stems {
                class: class.into(),
                count,
                failures: 0,
                retry: None,
            })
            .collect();
        let mut left: Vec<usize> = self.stems.iter().map(|stems| stems.count).collect();
        let mut superfluous = Vec::new();
        for sandbox in self.slots.iter().filter(|sandbox| is_stem(sandbox)) {
            let at = self
                .stems
                .iter()
                .position(|stems| stems.class == sandbox.class);
            match at.map(|at| &mut left[at]) {
                Some(left) if *left > 0 => *left -= 1,
                _ => superfluous.push(sandbox.slot),
            }
        }
        self.retire_where(
            now,
            Cause::Stopped,
            |sandbox| superfluous.contains(&sandbox.slot),
            out,
        );
        self.dispatch(now, out);
    }

    /// A stem cell was started, or could not be.
    pub fn grown(&mut self, now: Instant, slot: Slot, is_there: bool, out: &mut Vec<Decision>) {
        let Some(sandbox) = self.slots.get(slot) else {
            return;
        };
        let cause = match sandbox.retired {
            _ if self.stopping => Some(Cause::Stopped),
            None if !is_there => Some(Cause::Failed),
            retired => retired,
        };
        match cause {
            Some(cause) => self.remove(now, slot, cause, out),
            None => self.slots.set(now, slot, Phase::Stem),
        }
        self.dispatch(now, out);
    }

    /// Stem cells of this class fail.
    pub(super) fn stem_failed(&mut self, now: Instant, class: &Class) {
        self.tally.stems_failed += 1;
        let mut stems = self.stems.iter_mut();
        if let Some(stems) = stems.find(|stems| *stems.class == *class) {
            let retry = stems.failed(now);
            self.wake_at(retry);
        }
    }

    /// Stem cells of this class are good for something.
    pub(super) fn stem_used(&mut self, class: &Class) {
        let mut stems = self.stems.iter_mut();
        if let Some(stems) = stems.find(|stems| *stems.class == *class) {
            stems.failures = 0;
        }
    }

    /// Starts stem cells that are missing, where there is room that nobody waits for.
    pub(super) fn grow(&mut self, now: Instant, out: &mut Vec<Decision>) {
        if self.stems.is_empty() || self.queue.waiting() > 0 || self.held || self.stopping {
            return;
        }
        for stems in &self.stems {
            let of_class = |sandbox: &&Sandbox| is_stem(sandbox) && sandbox.class == stems.class;
            let there = self.slots.iter().filter(of_class).count();
            let need = Room::of(&stems.class);
            if self.down.contains(stems.class.engine)
                || stems.retry.is_some_and(|retry| now < retry)
            {
                continue;
            }
            for _ in there..stems.count {
                let free = self.settings.room().minus(self.slots.used());
                if !free.fits(need) || self.slots.being_started() >= self.settings.starts {
                    break;
                }
                let class = stems.class.clone();
                let needs = Needs::of(class.clone());
                let slot = self.slots.add(now, None, &needs, Phase::Growing);
                out.push(Decision::Grow { slot, class });
            }
        }
    }

    /// When stem cells are tried again next.
    pub(super) fn next_retry(&self, now: Instant) -> Option<Instant> {
        let retries = self.stems.iter().filter_map(|stems| stems.retry);
        retries.filter(|retry| *retry > now).min()
    }
}

/// Whether a sandbox is a stem cell that stays, or will be one.
fn is_stem(sandbox: &Sandbox) -> bool {
    matches!(sandbox.phase(), Phase::Growing | Phase::Stem) && sandbox.retired.is_none()
}
