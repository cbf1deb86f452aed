//! Watches the memory of the machine for the pool.

use std::time::Instant;

use super::State;
use super::view::MemoryView;
use crate::pool::pressure::{Judge, Level, Read, Trigger};
use crate::pool::{Decision, Pool};

/// What tells of memory, and what follows from it.
pub struct Watch {
    judge: Judge,
    gauge: Box<dyn Read>,
    /// Whether the kernel tells of stalls by itself.
    told: bool,
}

impl Watch {
    /// Keeps so many bytes available, by what `gauge` reads; 0: only stalls count.
    pub fn new(floor: u64, gauge: impl Read + 'static) -> Self {
        Watch {
            judge: Judge::new(floor),
            gauge: Box::new(gauge),
            told: false,
        }
    }

    /// How things stand; nothing follows from it.
    pub(super) fn view(&self) -> MemoryView {
        MemoryView {
            reading: self.gauge.read(),
            floor: self.judge.floor(),
        }
    }

    /// Reads, and tells the pool what follows.
    fn look(&mut self, now: Instant, pool: &mut Pool, out: &mut Vec<Decision>) {
        let reading = self.gauge.read();
        let idle = pool.counts().idle;
        if self.judge.read(now, &reading, idle) == Level::Shed {
            pool.shed(now, out);
        }
        let held = self.judge.is_pressed();
        if held != pool.is_held() {
            match held {
                true => log::warn!(
                    "memory is short ({reading}): idle sandboxes go, and none is started"
                ),
                false => log::info!("memory is there again ({reading})"),
            }
            pool.hold(now, held, out);
        }
    }
}

impl State {
    /// Reads how much memory there is, unless that was done just now: a sandbox may be started.
    pub(super) fn look_again(&mut self, now: Instant, out: &mut Vec<Decision>) {
        if let Some(watch) = &mut self.watch
            && watch.judge.is_stale(now)
        {
            watch.look(now, &mut self.pool, out);
        }
    }

    /// So many bytes are to stay available from now on.
    pub(super) fn set_floor(&mut self, now: Instant, floor: u64, out: &mut Vec<Decision>) {
        if let Some(watch) = &mut self.watch
            && watch.judge.floor() != floor
        {
            watch.judge.set_floor(floor);
            watch.look(now, &mut self.pool, out);
        }
    }

    /// Time has passed, or tasks have `stalled`.
    pub(super) fn tick(&mut self, now: Instant, stalled: bool, out: &mut Vec<Decision>) {
        self.pool.tick(now, out);
        let due = self.next_look();
        if let Some(watch) = &mut self.watch
            && (stalled || due.is_some_and(|due| due <= now))
        {
            watch.look(now, &mut self.pool, out);
        }
    }

    /// When [`State::tick`] has something to do next.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let dues = [self.pool.next_tick(), self.next_look()];
        dues.into_iter().flatten().min()
    }

    fn next_look(&self) -> Option<Instant> {
        let watch = self.watch.as_ref()?;
        let counts = self.pool.counts();
        watch
            .judge
            .next_read(counts.idle, counts.waiting, watch.told)
    }

    /// Asks the kernel to tell of stalls while sandboxes are idle that could go; takes the question
    /// back when there are none.
    pub(super) fn ask_kernel(&mut self, asked: &mut Asked) {
        let Some(watch) = &mut self.watch else { return };
        let idle = self.pool.counts().idle > 0;
        match asked {
            Asked::Not if idle => {
                *asked = match Trigger::new() {
                    Ok(trigger) => Asked::Now(trigger),
                    Err(error) => {
                        log::debug!("the kernel does not tell of memory stalls: {error}");
                        Asked::InVain
                    }
                }
            }
            Asked::Now(_) if !idle => *asked = Asked::Not,
            Asked::Not | Asked::Now(_) | Asked::InVain => {}
        }
        watch.told = matches!(asked, Asked::Now(_));
    }
}

/// Whether the kernel was asked to tell of stalls.
pub(super) enum Asked {
    Not,
    Now(Trigger),
    /// It does not.
    InVain,
}

impl Asked {
    /// Waits until tasks have stalled; for ever, if nobody tells.
    pub(super) async fn stalled(&mut self) {
        if let Asked::Now(trigger) = self {
            match trigger.stalled().await {
                Ok(()) => return,
                Err(error) => {
                    log::debug!("the kernel tells of memory stalls no more: {error}");
                    *self = Asked::InVain;
                }
            }
        }
        std::future::pending().await
    }
}
