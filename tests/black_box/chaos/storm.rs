//! Chaos on a real engine, while clients invoke without pause and count: whatever goes wrong, each
//! request is answered, what was accepted gets its record, nothing is run twice, the bounds of the
//! pool hold, and everything comes back by itself.
//!
//! `OWL_TEST_ROUNDS` sets how often each fault strikes, `OWL_TEST_SEED` in which order.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::census::Census;
use super::faults::{FAULTS, Fault};
use super::load::{Accounts, Ledger, Load, Target};
use super::memory::{FLOOR, Group};
use super::runs::Runs;
use super::{FAKE, Made};
use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::dice::{Dice, say, seed, setting};
use crate::docker::{PrivateEngine, docker, gateway};
use crate::relay::Relay;

/// How often each fault strikes, if nobody says so.
const ROUNDS: u64 = 1;

const CLIENTS: u64 = 6;
const CAPACITY: usize = 4;
const MEMORY: u64 = 768;

/// How long everything may take to come back. Many times what it takes.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn nothing_is_lost_while_everything_goes_wrong() {
    let seed = seed();
    let rounds = setting("OWL_TEST_ROUNDS").unwrap_or(ROUNDS);
    say(&format!(
        "chaos: seed {seed} (OWL_TEST_SEED), {rounds} rounds"
    ));
    let mut storm = Storm::begin();
    let mut dice = Dice::new(seed);
    for _ in 0..rounds {
        storm.round(&mut dice);
    }
    storm.end();
}

/// A daemon with a relay to an engine of its own, and what is known of both.
pub struct Storm {
    pub owl: Daemon,
    pub relay: Relay,
    pub engine: PrivateEngine,
    pub group: Group,
    runs: Runs,
    census: Census,
    targets: Vec<Target>,
    gateway: Mutex<String>,
    tokens: AtomicU64,
    accounts: Accounts,
    /// The longest time that a call in a new container took after each fault.
    back: BTreeMap<Fault, Duration>,
    began: Instant,
}

impl Storm {
    fn begin() -> Storm {
        let engine = PrivateEngine::start(FAKE);
        let relay = Relay::start(engine.socket());
        let group = Group::create();
        let owl = Setup::with_docker()
            .group(group.folder())
            .env("DOCKER_HOST", relay.host())
            .env("OWL_HOST_CAPACITY", CAPACITY.to_string())
            .env("OWL_HOST_MEMORY", MEMORY.to_string())
            .env("OWL_MEMORY_FLOOR", FLOOR.to_string())
            .env("OWL_FREEZE_AFTER", "1")
            .env("OWL_PREEMPTION_IDLE", "5")
            .env("OWL_QUEUE_LENGTH", "20")
            .env("OWL_RETRIES_NUMBER", "150")
            .env("OWL_ACTION_INIT_TIMEOUT", "60")
            .start();
        let targets = vec![
            Made::Fake.target("fake0", 128),
            Made::Fake.target("fake1", 256),
            Made::Fake.target("fake2", 128),
            Made::Blackbox.target("own", 128),
            Made::QuickJs.target("script0", 128),
            Made::QuickJs.target("script1", 128),
        ];
        let client = owl.client();
        for target in &targets {
            target.create(&client);
        }
        // Those that clients do not use.
        for name in ["quiet", "probe"] {
            Made::Fake.target(name, 128).create(&client);
        }
        Storm {
            gateway: Mutex::new(gateway(&engine.host(), "bridge")),
            census: Census::of(&engine.host(), "guest"),
            owl,
            relay,
            engine,
            group,
            runs: Runs::listen(),
            targets,
            tokens: AtomicU64::new(0),
            accounts: Accounts::default(),
            back: BTreeMap::new(),
            began: Instant::now(),
        }
    }

    fn load(&self) -> Load<'_> {
        Load {
            runs: &self.runs,
            gateway: &self.gateway,
            tokens: &self.tokens,
        }
    }

    /// Each fault once, in any order, while clients work; then looks at what came of it.
    fn round(&mut self, dice: &mut Dice) {
        let mut faults = FAULTS.to_vec();
        let stop = AtomicBool::new(false);
        let mut back = BTreeMap::new();
        let ledgers: Vec<Ledger> = thread::scope(|scope| {
            let storm = &*self;
            let work = |seed| {
                let (stop, client) = (&stop, storm.owl.client());
                scope.spawn(move || {
                    let mut dice = Dice::new(seed);
                    storm.load().work(&client, &storm.targets, &mut dice, stop)
                })
            };
            let workers: Vec<_> = (0..CLIENTS).map(|_| work(dice.below(u64::MAX))).collect();
            // If a fault is not survived, the clients are to end, too.
            let struck = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                while !faults.is_empty() {
                    let fault = faults.swap_remove(dice.below(faults.len() as u64) as usize);
                    storm.strike(fault, dice);
                    let took = storm.comes_back(fault);
                    let longest: &mut Duration = back.entry(fault).or_default();
                    *longest = took.max(*longest);
                    thread::sleep(Duration::from_millis(dice.below(1500)));
                }
            }));
            stop.store(true, Ordering::Relaxed);
            let joined = workers.into_iter().map(|worker| worker.join());
            let ledgers = joined.map(|ledger| ledger.expect("a client")).collect();
            struck.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ledgers
        });
        for (fault, took) in back {
            let longest = self.back.entry(fault).or_default();
            *longest = took.max(*longest);
        }
        let client = self.owl.client();
        for ledger in &ledgers {
            self.accounts
                .extend(Accounts::of(&client, &self.runs, ledger));
        }
        say(&format!(
            "chaos: after {:.0} s {}",
            self.began.elapsed().as_secs_f64(),
            self.accounts
        ));
        self.accounts.expect_right(&self.owl.log());
        let most = self.census.most();
        let fits = most.containers <= CAPACITY && most.memory <= MEMORY;
        let counts = self.census.counts();
        assert!(
            fits && most.containers > 0,
            "{most:?}: {counts:?}\n{}",
            self.owl.log()
        );
    }

    /// Waits until a container can be started and used again; gives how long that took.
    fn comes_back(&self, fault: Fault) -> Duration {
        let began = Instant::now();
        // Another one after the engine was started again.
        if let Fault::EngineKilled | Fault::EngineStopped = fault {
            *self.gateway.lock().expect("the address") = gateway(&self.engine.host(), "bridge");
        }
        // A container of an action that was changed is not used again.
        Made::Fake.target("probe", 128).create(&self.owl.client());
        self.probe("probe");
        let took = began.elapsed();
        say(&format!("chaos: {fault:?}, back after {took:.1?}"));
        took
    }

    /// Invokes until it works.
    pub fn probe(&self, action: &str) {
        self.until(action, None, 200, 0);
    }

    /// Invokes an action of the kind that does what it is told, until this is answered; expects
    /// that that is not.
    pub fn until(&self, action: &str, told: Option<&'static str>, status: u16, wrong: u16) {
        let target = Made::Fake.target(action, 128);
        let client = self.owl.client();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sent = self.load().send(&client, &target, true, told, 0);
            if sent.status == Some(status) {
                return;
            }
            let goes_on = sent.status != Some(wrong) && Instant::now() < deadline;
            assert!(goes_on, "{sent:?}\n{}", self.owl.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Changes an action, without a difference.
    pub fn change(&self, dice: &mut Dice) {
        let client: Client = self.owl.client();
        dice.of(&self.targets).create(&client);
    }

    fn end(self) {
        let log = self.owl.log();
        assert!(!log.contains("panicked"), "{log}");
        self.owl.client().expect_alive();
        let (status, log) = self.owl.terminate();
        assert!(status.success(), "{log}");
        let left = docker(&self.engine.host(), &["ps", "--all", "--quiet"]);
        assert_eq!(left, "", "containers are left:\n{log}");
        say(&format!(
            "chaos: {:.0} s; {}; {} runs counted; {} containers, {:?} at most at a time; back after \
             at most {:.1?}",
            self.began.elapsed().as_secs_f64(),
            self.accounts,
            self.runs.all(),
            self.census.created(),
            self.census.most(),
            self.back
        ));
    }
}
