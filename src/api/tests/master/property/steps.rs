//! What may happen, chosen by chance.

use super::random::Random;
use super::writes::{PLACES, Write};
use super::*;

/// What happens to a request on its way to the master, and to the answer on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// There is no connection.
    Unsent,
    /// It is lost before it has an effect.
    LostThere,
    /// It has its effect, and the answer is lost.
    LostBack,
    /// Somebody on the way answers, and it has no effect.
    Refused(u16),
    /// It has its effect, and somebody on the way answers.
    Instead(u16),
    /// It takes so many turns of others until it arrives.
    Late(u8),
}

/// One of what happens at a time. Gateways are told by their numbers.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// At a gateway.
    Here(usize, Write),
    /// At the master, by somebody else.
    There(Write),
    /// At a gateway, by one of a namespace.
    Read(usize, &'static str, Collection, &'static str),
    /// An action, as one of guest.
    Invoke(usize, &'static str),
    /// The first entry of a gateway's journal.
    Replay(usize),
    /// The master is asked whether it is there.
    Probe(usize),
    /// `owl sync retry` of one of the entries.
    Retry(usize, u64),
    /// `owl sync drop` of one of the entries.
    Drop(usize, u64),
}

/// How a gateway is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    /// Its copies are fresh for long, or never.
    pub(super) fresh: bool,
    /// Bytes that its journal may have; none: writes are refused without the master.
    pub(super) journal: Option<u64>,
}

/// What happens, one after another.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// These at the same time, with what happens to the requests to the master.
    Acts(Vec<Act>, Vec<Fault>),
    /// The same, but after so many turns of theirs a gateway is gone, and begins anew.
    Crash(usize, u64, Vec<Act>, Vec<Fault>),
    /// From now on there is no way from a gateway to the master, or there is one again.
    Cut(usize, bool),
    /// A gateway is stopped and begins anew.
    Restart(usize, Setup),
}

/// What happens with a seed.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) gateways: usize,
    pub(super) steps: Vec<Step>,
}

/// Chooses.
struct Chooser {
    random: Random,
    /// Tokens that were given.
    number: u64,
    gateways: usize,
}

impl Chooser {
    fn gateway(&mut self) -> usize {
        self.random.below(self.gateways as u64) as usize
    }

    fn write(&mut self) -> Write {
        Write::by_chance(&mut self.random, &mut self.number)
    }

    fn fault(&mut self) -> Fault {
        match self.random.below(14) {
            0 => Fault::Unsent,
            1 | 2 => Fault::LostThere,
            3..=6 => Fault::LostBack,
            7 => Fault::Refused(503),
            8 => Fault::Refused(429),
            9 => Fault::Refused(500),
            10 => Fault::Instead(502),
            11 => Fault::Instead(504),
            _ => Fault::Late(1 + self.random.below(20) as u8),
        }
    }

    /// Faults of the next requests: as a rule none, or one at any of them.
    fn faults(&mut self) -> Vec<Fault> {
        if self.random.is_in(2) {
            return Vec::new();
        }
        let mut faults = vec![Fault::None; self.random.below(5) as usize];
        faults.push(self.fault());
        faults
    }

    fn act(&mut self) -> Act {
        let gateway = self.gateway();
        match self.random.below(42) {
            0..=13 => Act::Here(gateway, self.write()),
            14..=17 => Act::There(self.write()),
            18..=23 => {
                let (collection, path) = self.random.one(&PLACES);
                let who = self.random.one(&["guest", "guest", "other"]);
                Act::Read(gateway, who, collection, path)
            }
            24 | 25 => {
                let names = ["guest/a", "guest/p/a", "guest/q/a", "guest/s", "other/p/a"];
                Act::Invoke(gateway, self.random.one(&names))
            }
            26..=29 => Act::Probe(gateway),
            30 => Act::Retry(gateway, self.random.below(8)),
            31 => Act::Drop(gateway, self.random.below(8)),
            _ => Act::Replay(gateway),
        }
    }

    fn setup(&mut self) -> Setup {
        Setup {
            fresh: self.random.is_in(2),
            journal: match self.random.below(6) {
                0 => None,
                1 => Some(SMALL_JOURNAL),
                _ => Some(JOURNAL_BYTES),
            },
        }
    }

    fn step(&mut self) -> Step {
        let gateway = self.gateway();
        match self.random.below(16) {
            0 | 1 => Step::Cut(gateway, true),
            2 | 3 => Step::Cut(gateway, false),
            4 => Step::Restart(gateway, self.setup()),
            _ => {
                let at_once = 1 + [0, 0, 0, 1, 1, 2][self.random.below(6) as usize];
                let acts = (0..at_once).map(|_| self.act()).collect();
                let faults = self.faults();
                if self.random.is_in(5) {
                    Step::Crash(gateway, 1 + self.random.below(24), acts, faults)
                } else {
                    Step::Acts(acts, faults)
                }
            }
        }
    }
}

/// What happens with a seed.
pub(super) fn scenario(seed: u64, count: usize) -> Scenario {
    let mut random = Random::new(seed);
    let mut choose = Chooser {
        gateways: if random.is_in(3) { 2 } else { 1 },
        random,
        number: 0,
    };
    let mut steps = Vec::new();
    // Something is there at the beginning.
    for place in PLACES {
        let gateway = choose.gateway();
        let write = Write::first(&mut choose.random, &mut choose.number, place);
        let act = match choose.random.below(7) {
            0..=2 => Act::Here(gateway, write),
            3..=5 => Act::There(write),
            _ => continue,
        };
        steps.push(Step::Acts(vec![act], Vec::new()));
    }
    while steps.len() < count {
        let step = choose.step();
        steps.push(step);
    }
    Scenario {
        gateways: choose.gateways,
        steps,
    }
}
