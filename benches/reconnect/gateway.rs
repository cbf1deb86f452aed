//! One gateway: OWL's own decisions, and for comparison those of one that looks after itself only.

use std::time::{Duration, Instant};

use owl::upstream::{Circuit, Epoch, Failure, Load, Pacing, Turn};

use crate::master::Answer;

/// Pauses of the eager one between probes: the first, and the longest.
const PROBES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// How long an eager one waits when it was refused.
const AGAIN: Duration = Duration::from_secs(1);

/// How a gateway comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// As OWL does.
    Paced,
    /// It probes at exponential times without any chance in them, and sends what it has kept
    /// without a pause.
    Eager,
}

/// What a gateway knows of its master.
pub struct Gateway {
    manners: Manners,
    circuit: Circuit,
    pacing: Pacing,
    /// When an eager one probes next, and after what pause.
    probe: Option<(Instant, Duration)>,
    /// When an eager one may send.
    again: Instant,
    /// Things that wait for the master.
    pub kept: u32,
    /// Whether one of them is under way.
    pub replays: bool,
    /// When the last of them had arrived.
    pub settled: Option<Duration>,
}

impl Gateway {
    pub fn new(manners: Manners, now: Instant) -> Self {
        Gateway {
            manners,
            circuit: Circuit::new(),
            pacing: Pacing::new(),
            probe: None,
            again: now,
            kept: 0,
            replays: false,
            settled: None,
        }
    }

    pub fn is_down(&self) -> bool {
        self.circuit.is_open()
    }

    pub fn epoch(&self) -> Epoch {
        self.circuit.epoch()
    }

    /// When it probes next.
    pub fn probe_at(&self) -> Option<Instant> {
        match self.manners {
            Manners::Paced => self.circuit.probe_at(),
            Manners::Eager => self.probe.map(|(at, _)| at),
        }
    }

    /// When it may send one more thing that it has kept.
    pub fn turn(&mut self, now: Instant, chance: f64) -> Instant {
        match self.manners {
            Manners::Paced => self.pacing.turn(now, chance),
            Manners::Eager => self.again.max(now),
        }
    }

    /// A request has ended.
    pub fn learn(
        &mut self,
        answer: Answer,
        epoch: Epoch,
        now: Instant,
        took: Duration,
        chance: f64,
    ) {
        let turn = match answer {
            Answer::Done => self.circuit.answered(now),
            Answer::Refused => self.circuit.failed(Failure::Unwell, epoch, now, chance),
            Answer::Away => self.circuit.failed(Failure::Unreached, epoch, now, chance),
        };
        self.pacing.heard(
            match answer {
                Answer::Done => Load::Borne(took),
                Answer::Refused | Answer::Away => Load::TooMuch(None),
            },
            now,
        );
        if answer != Answer::Done {
            self.again = now + AGAIN;
        }
        self.turned(turn, now, chance);
    }

    /// A probe has ended.
    pub fn learn_of_probe(&mut self, answer: Answer, epoch: Epoch, now: Instant, chance: f64) {
        let failure = match answer {
            Answer::Done => None,
            Answer::Refused => Some(Failure::Unwell),
            Answer::Away => Some(Failure::Unreached),
        };
        let turn = match failure {
            None => self.circuit.probe_answered(now),
            Some(failure) => self.circuit.probe_failed(failure, epoch, now, chance),
        };
        if let Some((_, pause)) = self.probe.filter(|_| self.is_down()) {
            let pause = (pause * 2).min(PROBES[1]);
            self.probe = Some((now + pause, pause));
        }
        self.turned(turn, now, chance);
    }

    fn turned(&mut self, turn: Option<Turn>, now: Instant, chance: f64) {
        match turn {
            Some(Turn::Opened) => self.probe = Some((now + PROBES[0], PROBES[0])),
            Some(Turn::Closed(outage)) => {
                self.probe = None;
                self.pacing.reconnected(now, outage, chance);
            }
            Some(Turn::Doubted) | None => {}
        }
    }
}
