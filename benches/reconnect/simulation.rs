//! A fleet of gateways that lose their master and find it again, with a clock of their own: the
//! same at each run.
//!
//! When a gateway probes, and when it sends what it has kept, is decided by OWL's own code
//! (`gateway`); users and the master are models.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use owl::upstream::Epoch;

use crate::gateway::Gateway;
pub use crate::gateway::Manners;
use crate::master::{Answer, Master};

/// What the chances of the published plot begin with.
pub const SEED: u64 = 1;

/// What happens.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub gateways: usize,
    /// Requests that the master answers in a second.
    pub capacity: u32,
    /// Pause between two requests of the users of a gateway, on average.
    pub between_requests: Duration,
    /// When the master goes away.
    pub lost: Duration,
    /// When it is back.
    pub back: Duration,
    /// Pause between two things that a gateway keeps for it meanwhile. Each is two requests: a
    /// look at what is there, and the thing itself.
    pub between_kept: Duration,
    pub end: Duration,
}

impl Scenario {
    /// A thousand gateways whose master is away for ten minutes.
    pub fn thousand() -> Self {
        let seconds = Duration::from_secs;
        Scenario {
            gateways: 1000,
            capacity: 500,
            between_requests: seconds(20),
            lost: seconds(60),
            back: seconds(660),
            between_kept: seconds(20),
            end: seconds(1200),
        }
    }
}

/// What the master has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Requests in each second, those that came while it was away included.
    pub rates: Vec<u32>,
    /// Longest time that an answer took, by the second of its request.
    pub waits: Vec<Duration>,
    /// Requests that were refused because too many waited.
    pub refused: u64,
    /// When all that was kept had arrived; none: not by the end.
    pub settled: Option<Duration>,
}

impl Seen {
    /// The most requests in a second while the master was away.
    pub fn peak_away(&self, scenario: &Scenario) -> u32 {
        let [lost, back] = [scenario.lost, scenario.back].map(|time| time.as_secs() as usize);
        self.rates[lost..back].iter().copied().max().unwrap_or(0)
    }

    /// The most requests in a second from when it was back.
    pub fn peak_back(&self, scenario: &Scenario) -> u32 {
        let back = scenario.back.as_secs() as usize;
        self.rates[back..].iter().copied().max().unwrap_or(0)
    }

    /// The longest time that an answer took.
    pub fn longest_wait(&self) -> Duration {
        self.waits.iter().copied().max().unwrap_or_default()
    }
}

#[derive(Clone, Copy)]
enum Event {
    /// A user of a gateway asks for something of the master's.
    Asked,
    /// A probe, if it is due.
    Probe,
    /// It is the turn of the next thing that was kept.
    Turn,
    Ended(Request, Answer, Instant, Epoch),
}

#[derive(Clone, Copy)]
enum Request {
    Users,
    Probe,
    Look,
    Kept,
}

struct World<'a> {
    scenario: &'a Scenario,
    /// The beginning, on the gateways' clocks.
    begun: Instant,
    now: Duration,
    /// What is due: by time, and as it came.
    due: BTreeMap<(Duration, u64), (usize, Event)>,
    number: u64,
    random: u64,
    master: Master,
    gateways: Vec<Gateway>,
    seen: Seen,
}

/// Lets it happen.
pub fn simulate(scenario: &Scenario, manners: Manners, seed: u64) -> Seen {
    let begun = Instant::now();
    let seconds = scenario.end.as_secs() as usize;
    let gateway = |_| Gateway::new(manners, begun);
    let mut world = World {
        scenario,
        begun,
        now: Duration::ZERO,
        due: BTreeMap::new(),
        number: 0,
        random: seed,
        master: Master::new(scenario.lost, scenario.back, scenario.capacity),
        gateways: (0..scenario.gateways).map(gateway).collect(),
        seen: Seen {
            rates: vec![0; seconds],
            waits: vec![Duration::ZERO; seconds],
            refused: 0,
            settled: None,
        },
    };
    for gateway in 0..scenario.gateways {
        world.later(gateway, scenario.between_requests, Event::Asked);
    }
    while let Some(((time, _), (gateway, event))) = world.due.pop_first() {
        if time >= scenario.end {
            break;
        }
        world.now = time;
        world.happens(gateway, event);
    }
    let settled = world.gateways.iter().map(|gateway| gateway.settled);
    world.seen.settled = settled
        .collect::<Option<Vec<_>>>()
        .and_then(|all| all.into_iter().max());
    world.seen
}

impl World<'_> {
    fn happens(&mut self, at: usize, event: Event) {
        let now = self.begun + self.now;
        match event {
            Event::Asked => {
                if !self.gateways[at].is_down() {
                    self.send(at, Request::Users);
                }
                self.later(at, self.scenario.between_requests, Event::Asked);
            }
            Event::Probe => {
                let due = self.gateways[at].probe_at();
                if due.is_some_and(|due| due <= now) {
                    self.send(at, Request::Probe);
                }
            }
            Event::Turn => {
                if self.gateways[at].is_down() {
                    self.gateways[at].replays = false;
                } else {
                    self.send(at, Request::Look);
                }
            }
            Event::Ended(request, answer, sent, epoch) => {
                self.ended(at, request, answer, sent, epoch);
            }
        }
    }

    fn send(&mut self, at: usize, request: Request) {
        let second = self.now.as_secs() as usize;
        let (ends, answer) = self.master.asked(self.now);
        self.seen.rates[second] += 1;
        self.seen.refused += u64::from(answer == Answer::Refused);
        if answer == Answer::Done {
            self.seen.waits[second] = self.seen.waits[second].max(ends - self.now);
        }
        let sent = self.begun + self.now;
        let epoch = self.gateways[at].epoch();
        self.at(ends, at, Event::Ended(request, answer, sent, epoch));
    }

    fn ended(&mut self, at: usize, request: Request, answer: Answer, sent: Instant, epoch: Epoch) {
        let (now, chance) = (self.begun + self.now, self.chance());
        let gateway = &mut self.gateways[at];
        let was_down = gateway.is_down();
        match request {
            Request::Probe => gateway.learn_of_probe(answer, epoch, now, chance),
            _ => gateway.learn(answer, epoch, now, now - sent, chance),
        }
        let is_down = gateway.is_down();
        if was_down && !is_down {
            let outage = self.now.saturating_sub(self.scenario.lost);
            let kept = outage.as_secs() / self.scenario.between_kept.as_secs();
            gateway.kept = gateway.kept.max(kept as u32);
        }
        match (request, answer) {
            (Request::Look, Answer::Done) => self.send(at, Request::Kept),
            (Request::Kept, Answer::Done) => {
                gateway.kept -= 1;
                gateway.replays = false;
                if gateway.kept == 0 {
                    gateway.settled = Some(self.now);
                }
            }
            (Request::Look | Request::Kept, _) => gateway.replays = false,
            (Request::Users | Request::Probe, _) => {}
        }
        let gateway = &mut self.gateways[at];
        if let Some(due) = gateway.probe_at() {
            self.at(due - self.begun, at, Event::Probe);
        }
        self.replay(at);
    }

    /// Takes a turn for what was kept, if that is the next thing to do.
    fn replay(&mut self, at: usize) {
        let (now, chance) = (self.begun + self.now, self.chance());
        let gateway = &mut self.gateways[at];
        if gateway.kept == 0 || gateway.replays || gateway.is_down() {
            return;
        }
        gateway.replays = true;
        let turn = gateway.turn(now, chance);
        self.at(turn - self.begun, at, Event::Turn);
    }

    /// After `mean`, on average.
    fn later(&mut self, gateway: usize, mean: Duration, event: Event) {
        let time = self.now + mean.mul_f64(2.0 * self.chance());
        self.at(time, gateway, event);
    }

    fn at(&mut self, time: Duration, gateway: usize, event: Event) {
        self.number += 1;
        self.due.insert((time, self.number), (gateway, event));
    }

    /// From 0 to 1, evenly: SplitMix64, which is the same everywhere.
    fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}
