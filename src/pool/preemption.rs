//! Which idle sandboxes go first.

use std::time::{Duration, Instant};

use super::decision::Slot;
use super::room::Room;
use super::slots::{Sandbox, Slots};
use super::warmth::Warmth;

/// How long a sandbox counts as idle: divided by the factor of its kind, since those that are
/// costly to start live longer.
fn weight(sandbox: &Sandbox, now: Instant) -> Duration {
    now.saturating_duration_since(sandbox.since) / sandbox.class.factor()
}

/// Sorts idle sandboxes and stem cells: what goes first comes first. Those are stem cells: nobody
/// has used them yet.
pub(super) fn sort(sandboxes: &mut [&Sandbox], now: Instant) {
    sandboxes.sort_by(|one, other| {
        let stems = other.is_stem().cmp(&one.is_stem());
        let weights = weight(other, now).cmp(&weight(one, now));
        stems.then(weights).then(one.slot.cmp(&other.slot))
    });
}

/// All idle sandboxes and stem cells: what is worth least comes first.
pub(super) fn least_first<'a>(slots: &'a Slots, warmth: &Warmth, now: Instant) -> Vec<&'a Sandbox> {
    let all = slots.iter();
    let idle = all.filter(|sandbox| sandbox.is_free() || sandbox.is_stem());
    let mut idle: Vec<&Sandbox> = idle.collect();
    sort(&mut idle, now);
    // Where nothing is known of calls, that stays the order.
    let worth = warmth.worths(now);
    let worth = |sandbox: &Sandbox| worth.get(&sandbox.slot).copied().unwrap_or(0.0);
    idle.sort_by(|one, other| worth(one).total_cmp(&worth(other)));
    idle
}

/// The sandboxes that go so that as much room comes free as is missing: in the order that is
/// given, without those that turn out not to be needed. None if all of them are not enough.
pub(super) fn enough(sorted: &[&Sandbox], missing: Room) -> Option<Vec<Slot>> {
    let mut chosen = Vec::new();
    let mut room = Room::default();
    for sandbox in sorted {
        if room.fits(missing) {
            break;
        }
        room = room.plus(Room::of(&sandbox.class));
        chosen.push(*sandbox);
    }
    if !room.fits(missing) {
        return None;
    }
    // The last one was needed; with it, those before it may not be.
    let mut spared = Vec::new();
    for sandbox in chosen.iter().rev() {
        let without = room.minus(Room::of(&sandbox.class));
        if without.fits(missing) {
            room = without;
            spared.push(sandbox.slot);
        }
    }
    let slots = chosen.iter().map(|sandbox| sandbox.slot);
    Some(slots.filter(|slot| !spared.contains(slot)).collect())
}
