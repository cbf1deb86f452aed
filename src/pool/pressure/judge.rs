//! What readings mean: decisions only, with the time handed in.

use std::fmt;
use std::time::{Duration, Instant};

/// Per cent of ten seconds in which some task stalled for memory, from which on that counts, and
/// below which it is over.
const STALLED: f32 = 10.0;
const CALM: f32 = 5.0;

/// Stalls count while less than one part in so many of the memory is available.
const SCARCE: u64 = 4;

/// What is available must be above the floor by one part in so many of it to be enough again.
const ABOVE: u64 = 4;

/// How old a reading may be when a sandbox is to be started.
const FRESH: Duration = Duration::from_secs(1);

/// Time from the removal of one sandbox to the reading that says whether another goes.
const STEP: Duration = Duration::from_millis(500);

/// Time between readings while the pressure lasts, and without it.
const PRESSED: Duration = Duration::from_secs(1);
const RELAXED: Duration = Duration::from_secs(10);

/// The same where the kernel tells of stalls by itself: what is available may still fall.
const TOLD: Duration = Duration::from_secs(60);

/// What the kernel tells, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// What can be had without swapping; none: the kernel does not tell.
    pub available: Option<u64>,
    /// All that there is.
    pub total: u64,
    /// Per cent of the last ten seconds in which some task stalled for memory; none: the kernel
    /// does not tell.
    pub stalled: Option<f32>,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.available {
            Some(available) => write!(f, "{} MB are available", available >> 20)?,
            None => f.write_str("nobody knows how much is available")?,
        }
        match self.stalled {
            Some(share) => write!(f, ", tasks stall {share} % of the time"),
            None => Ok(()),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing: there is memory.
    #[default]
    Ease,
    /// One idle sandbox goes now, and none is started.
    Shed,
    /// No sandbox is started.
    Hold,
}

/// Keeps account of the pressure.
#[derive(Debug)]
pub struct Judge {
    floor: u64,
    /// Whether less is available than is to be.
    low: bool,
    /// Whether tasks stall while memory is scarce.
    stalled: bool,
    /// When was read last.
    read: Option<Instant>,
    /// When a sandbox had to go last.
    shed: Option<Instant>,
}

impl Judge {
    /// No pressure yet. `floor` is in bytes; 0: only stalls count.
    pub const fn new(floor: u64) -> Self {
        Judge {
            floor,
            low: false,
            stalled: false,
            read: None,
            shed: None,
        }
    }

    /// Bytes that are to stay available.
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// Another floor holds from the next reading on.
    pub const fn set_floor(&mut self, floor: u64) {
        self.floor = floor;
    }

    /// Takes a reading in. `idle` is the number of idle sandboxes; when the answer is
    /// [`Level::Shed`] one of them is taken to go.
    pub fn read(&mut self, now: Instant, reading: &Reading, idle: usize) -> Level {
        self.read = Some(now);
        let enough = match self.low {
            true => self.floor.saturating_add(self.floor / ABOVE),
            false => self.floor,
        };
        self.low = reading.available.is_some_and(|there| there < enough);
        let scarce = match reading.available {
            Some(there) => there < reading.total / SCARCE,
            None => true,
        };
        let bearable = if self.stalled { CALM } else { STALLED };
        self.stalled = scarce && reading.stalled.is_some_and(|share| share >= bearable);
        if !self.is_pressed() {
            return Level::Ease;
        }
        let rested = |shed: Instant| now.saturating_duration_since(shed) >= STEP;
        if idle > 0 && self.shed.is_none_or(rested) {
            self.shed = Some(now);
            return Level::Shed;
        }
        Level::Hold
    }

    /// Whether the pressure lasts.
    pub const fn is_pressed(&self) -> bool {
        self.low || self.stalled
    }

    /// Whether a reading is needed before a sandbox is started.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.read
            .is_none_or(|read| now.saturating_duration_since(read) >= FRESH)
    }

    /// When to read next; none while nothing depends on it: no sandbox is idle that could go, and
    /// nothing waits to be started. `told` is whether the kernel tells of stalls.
    pub fn next_read(&self, idle: usize, waiting: usize, told: bool) -> Option<Instant> {
        let pause = match (self.is_pressed(), idle, waiting) {
            (_, 0, 0) | (false, 0, _) => return None,
            (true, 1.., _) => STEP,
            (true, 0, _) => PRESSED,
            (false, ..) if told => TOLD,
            (false, ..) => RELAXED,
        };
        // What was never read is as old as can be, but no earlier time is known than that of the
        // first event, which reads.
        self.read.map(|read| read + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn reading(available: u64, stalled: f32) -> Reading {
        Reading {
            available: Some(available * MB),
            total: 1024 * MB,
            stalled: Some(stalled),
        }
    }

    /// A judge with a floor of 100 MB that reads each second.
    struct Bench {
        judge: Judge,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Bench {
                judge: Judge::new(100 * MB),
                now: Instant::now(),
            }
        }

        fn read(&mut self, available: u64, stalled: f32, idle: usize) -> Level {
            self.now += Duration::from_secs(1);
            self.judge
                .read(self.now, &reading(available, stalled), idle)
        }
    }

    #[test]
    fn below_the_floor_until_well_above_it() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(100, 0.0, 2), Level::Ease);
        assert_eq!(bench.read(99, 0.0, 2), Level::Shed);
        assert_eq!(bench.read(110, 0.0, 1), Level::Shed);
        assert_eq!(bench.read(124, 0.0, 0), Level::Hold);
        assert!(bench.judge.is_pressed());
        assert_eq!(bench.read(125, 0.0, 0), Level::Ease);
        assert_eq!(bench.read(101, 0.0, 2), Level::Ease);
    }

    #[test]
    fn stalls_count_while_memory_is_scarce() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(800, 60.0, 2), Level::Ease);
        assert_eq!(bench.read(200, 9.0, 2), Level::Ease);
        assert_eq!(bench.read(200, 10.0, 2), Level::Shed);
        assert_eq!(bench.read(200, 6.0, 0), Level::Hold);
        assert_eq!(bench.read(200, 4.0, 1), Level::Ease);
        assert_eq!(bench.read(200, 50.0, 0), Level::Hold);
        // The average takes its time to fall; memory that is there is there.
        assert_eq!(bench.read(256, 50.0, 1), Level::Ease);
    }

    #[test]
    fn idle_ones_go_one_after_the_other() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(50, 0.0, 3), Level::Shed);
        let soon = bench.now + STEP - Duration::from_millis(1);
        let level = bench.judge.read(soon, &reading(50, 0.0), 2);
        assert_eq!(level, Level::Hold, "not yet");
        assert_eq!(bench.read(50, 0.0, 2), Level::Shed);
    }

    #[test]
    fn it_is_read_only_when_it_matters() {
        let mut bench = Bench::new();
        assert!(bench.judge.is_stale(bench.now));
        bench.read(500, 0.0, 0);
        let after = |bench: &Bench, idle, waiting, told| {
            let next = bench.judge.next_read(idle, waiting, told);
            next.map(|next| next - bench.now)
        };
        assert_eq!(after(&bench, 0, 0, false), None);
        assert_eq!(
            after(&bench, 0, 5, false),
            None,
            "starts read by themselves"
        );
        assert_eq!(after(&bench, 1, 0, false), Some(RELAXED));
        assert_eq!(after(&bench, 1, 0, true), Some(TOLD));
        bench.read(50, 0.0, 0);
        assert_eq!(after(&bench, 0, 0, true), None);
        assert_eq!(after(&bench, 0, 1, true), Some(PRESSED));
        assert_eq!(after(&bench, 2, 1, true), Some(STEP));
        assert!(
            !bench
                .judge
                .is_stale(bench.now + FRESH - Duration::from_millis(1))
        );
        assert!(bench.judge.is_stale(bench.now + FRESH));
    }

    #[test]
    fn a_kernel_that_tells_little() {
        let now = Instant::now();
        let mut judge = Judge::new(100 * MB);
        assert_eq!(judge.read(now, &Reading::default(), 1), Level::Ease);
        let stalled = Reading {
            stalled: Some(30.0),
            ..Reading::default()
        };
        assert_eq!(judge.read(now, &stalled, 1), Level::Shed);
        // Without a floor, what is available is nothing to go by.
        let mut judge = Judge::new(0);
        assert_eq!(judge.read(now, &reading(0, 0.0), 1), Level::Ease);
        assert_eq!(judge.read(now, &reading(0, 20.0), 1), Level::Shed);
    }
}
