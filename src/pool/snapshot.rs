//! What the pool holds at one moment, for people: every sandbox, and everybody who waits.

use std::time::{Duration, Instant};

use super::decision::{Cause, Slot};
use super::key::Key;
use super::slots::{Phase, Sandbox};
use super::state::Pool;

/// Lines that are told: those with the longest waits.
const MOST_LINES: usize = 100;

/// What a sandbox does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It is being started.
    Starting,
    /// It is being initialised, or runs.
    Busy,
    /// It is warm and free.
    Idle,
    /// It is warm, free and frozen.
    Frozen,
    /// It is a stem cell.
    Stem,
    /// It goes.
    Removing,
}

impl Doing {
    /// How the status calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Doing::Starting => "starting",
            Doing::Busy => "busy",
            Doing::Idle => "idle",
            Doing::Frozen => "frozen",
            Doing::Stem => "stem",
            Doing::Removing => "removing",
        }
    }
}

impl From<Phase> for Doing {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Starting | Phase::Growing => Doing::Starting,
            Phase::Busy => Doing::Busy,
            Phase::Idle | Phase::Freezing => Doing::Idle,
            Phase::Frozen => Doing::Frozen,
            Phase::Stem => Doing::Stem,
            Phase::Removing => Doing::Removing,
        }
    }
}

/// One sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxView {
    /// Its number.
    pub slot: Slot,
    /// What it is for; none for a stem cell.
    pub key: Option<Key>,
    /// Name of its engine.
    pub engine: &'static str,
    /// Its kind.
    pub kind: String,
    /// Its image; none for the process engine.
    pub image: Option<String>,
    /// MB of memory that it may take.
    pub memory: u32,
    /// What it does.
    pub doing: Doing,
    /// For how long it has done that; frozen ones count from when they became idle.
    pub lasts: Duration,
    /// Runs that it has had, those that are under way among them.
    pub runs: u64,
    /// Why it goes as soon as it is not busy.
    pub retired: Option<Cause>,
}

/// The requests for one action of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineView {
    /// Action and namespace.
    pub key: Key,
    /// How many wait.
    pub waiting: usize,
    /// How long the first of them has waited.
    pub longest: Duration,
}

/// What the pool holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The sandboxes, in the order in which they were made.
    pub sandboxes: Vec<SandboxView>,
    /// Who waits, the longest wait first; at most 100 lines.
    pub lines: Vec<LineView>,
    /// Lines beyond those.
    pub more_lines: usize,
    /// The engines that do not answer.
    pub down: Vec<&'static str>,
    /// Whether no sandbox is started, because the machine is short of memory.
    pub held: bool,
}

impl Pool {
    /// What there is now.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let namespaces = self.queue.namespaces().iter();
        let lines = namespaces.flat_map(|namespace| &namespace.lines);
        let mut lines: Vec<LineView> = lines
            .map(|line| LineView {
                key: line.key.clone(),
                waiting: line.waiters.len(),
                longest: line.waiters.front().map_or(Duration::ZERO, |first| {
                    now.saturating_duration_since(first.since)
                }),
            })
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.longest));
        let more_lines = lines.len().saturating_sub(MOST_LINES);
        lines.truncate(MOST_LINES);
        Snapshot {
            sandboxes: self
                .slots
                .iter()
                .map(|sandbox| view(sandbox, now))
                .collect(),
            lines,
            more_lines,
            down: self.down.away().clone(),
            held: self.held,
        }
    }
}

fn view(sandbox: &Sandbox, now: Instant) -> SandboxView {
    SandboxView {
        slot: sandbox.slot,
        key: sandbox.key.clone(),
        engine: sandbox.class.engine,
        kind: sandbox.class.kind.clone(),
        image: sandbox.class.image.clone(),
        memory: sandbox.class.memory,
        doing: sandbox.phase().into(),
        lasts: now.saturating_duration_since(sandbox.since),
        runs: sandbox.runs,
        retired: sandbox.retired,
    }
}
