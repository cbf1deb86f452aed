//! Generated traces, as those that the pool's state machine is tested with, played to the real
//! daemon with a real engine: the capacity and the memory hold at every instant, each invocation
//! is answered, runs once at most and leaves its record, nobody waits for ever, and no container is
//! left.
//!
//! `OWL_TEST_CASES` sets how many traces are played, beginning with `OWL_TEST_SEED`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Made;
use super::census::Census;
use super::load::{Accounts, Ledger, Load, Target};
use super::runs::Runs;
use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::dice::{Dice, say, seed, setting};
use crate::docker::{Network, docker_if_it_can, gateway, host};
use crate::namespaces::owl_key;

/// Traces, if nobody says how many.
const CASES: u64 = 2;

/// How long a trace is.
const LENGTH: Duration = Duration::from_secs(12);

/// How long an invocation may wait for a sandbox: many times what those before it take.
const LONGEST_WAIT: u64 = 60;

/// The bounds of a pool.
#[derive(Debug)]
struct Bounds {
    capacity: u64,
    memory: u64,
}

/// The clients of one namespace.
struct Tenant {
    key: String,
    targets: Vec<Target>,
}

#[test]
fn generated_traces_on_a_real_engine() {
    let first = seed();
    for seed in first..first + setting("OWL_TEST_CASES").unwrap_or(CASES) {
        play(seed);
    }
}

fn play(seed: u64) {
    let mut dice = Dice::new(seed);
    let bounds = Bounds {
        capacity: 2 + dice.below(4),
        memory: 512 + 128 * dice.below(6),
    };
    let network = Network::create(&format!("traces-{seed}"));
    let folder = tempfile::tempdir().expect("make a folder");
    let namespaces = format!("t{}x", std::process::id());
    let census = Census::of(&host(), &namespaces);
    let setup = setup(&mut dice, &bounds);
    let owl = setup
        .data_dir(folder.path())
        .env("OWL_NET_NAME", network.name())
        .start();
    let mut tenant = |number| {
        let namespace = format!("{namespaces}{number}");
        let key = owl_key(folder.path(), &["create", &namespace], "").expect("a key");
        let tenant = Tenant {
            key: key.trim().to_owned(),
            targets: (0..3).map(|number| target(&mut dice, number)).collect(),
        };
        let client = owl.client_with(Some(&tenant.key));
        tenant
            .targets
            .iter()
            .for_each(|target| target.create(&client));
        tenant
    };
    let tenants: Vec<Tenant> = (0..3).map(&mut tenant).collect();
    let runs = Runs::listen();
    let load = Load {
        runs: &runs,
        gateway: &Mutex::new(gateway(&host(), network.name())),
        tokens: &AtomicU64::new(0),
    };
    say(&format!("traces: seed {seed} (OWL_TEST_SEED), {bounds:?}"));
    let ledgers = under_load(&owl, &tenants, &load, &network, &mut dice);
    let mut accounts = Accounts::default();
    for (key, ledger) in &ledgers {
        accounts.extend(Accounts::of(&owl.client_with(Some(key)), &runs, ledger));
    }
    say(&format!(
        "traces: {accounts}; {} containers",
        census.created()
    ));
    accounts.expect_right(&owl.log());
    let most = census.most();
    let fits = most.containers as u64 <= bounds.capacity && most.memory <= bounds.memory;
    assert!(
        fits && most.containers > 0,
        "{most:?} of {bounds:?}: {:?}",
        census.counts()
    );
    let in_vain = ["503", "whisk internal error"].map(|outcome| accounts.outcomes.get(outcome));
    assert_eq!(
        in_vain,
        [None; 2],
        "{accounts}: waited in vain\n{}",
        owl.log()
    );
    let (status, log) = owl.terminate();
    assert!(status.success() && !log.contains("panicked"), "{log}");
    assert_eq!(network.containers(), Vec::<String>::new(), "{log}");
}

/// A daemon with bounds and habits by chance.
fn setup(dice: &mut Dice, bounds: &Bounds) -> Setup {
    let marks = dice.percent(50).to_string();
    Setup::with_docker()
        .env("OWL_HOST_CAPACITY", bounds.capacity.to_string())
        .env("OWL_HOST_MEMORY", bounds.memory.to_string())
        .env("OWL_PARALLEL_STARTS", (1 + dice.below(3)).to_string())
        .env("OWL_QUEUE_LENGTH", (10 * (1 + dice.below(3))).to_string())
        .env("OWL_FREEZE_AFTER", *dice.of(&["off", "0", "1"]))
        .env("OWL_PREEMPTION_IDLE", *dice.of(&["1", "2", "5"]))
        .env("OWL_PREEMPTION_ENABLED", marks)
        .env("OWL_PREEMPTION_PERIOD", "1")
        .env("OWL_ACTION_INIT_TIMEOUT", "60")
        .env("OWL_RETRIES_NUMBER", LONGEST_WAIT.to_string())
        .env("OWL_RETRIES_TIMEOUT", "1000")
}

fn target(dice: &mut Dice, number: u64) -> Target {
    let made = *dice.of(&[
        Made::Fake,
        Made::Fake,
        Made::Node,
        Made::Blackbox,
        Made::QuickJs,
    ]);
    let memory = *dice.of(&[128, 128, 256, 256, 512]);
    made.target(&format!("a{number}"), memory)
}

/// Lets clients of all namespaces work, and meanwhile changes actions and kills containers.
fn under_load(
    owl: &Daemon,
    tenants: &[Tenant],
    load: &Load,
    network: &Network,
    dice: &mut Dice,
) -> Vec<(String, Ledger)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let work = |(tenant, seed): (&Tenant, u64)| {
            let client = owl.client_with(Some(&tenant.key));
            let (key, targets) = (tenant.key.clone(), tenant.targets.clone());
            let stop = &stop;
            scope.spawn(move || {
                let mut dice = Dice::new(seed);
                (key, load.work(&client, &targets, &mut dice, stop))
            })
        };
        let twice = tenants.iter().chain(tenants);
        let workers: Vec<_> = twice
            .map(|tenant| work((tenant, dice.below(u64::MAX))))
            .collect();
        let ends = Instant::now() + LENGTH;
        while Instant::now() < ends {
            thread::sleep(Duration::from_millis(500 + dice.below(1500)));
            match dice.below(2) {
                0 => {
                    let tenant = dice.of(tenants);
                    let client: Client = owl.client_with(Some(&tenant.key));
                    dice.of(&tenant.targets).create(&client);
                }
                _ => {
                    let containers = network.containers();
                    if !containers.is_empty() {
                        // It may be gone by now.
                        let container = dice.of(&containers).as_str();
                        docker_if_it_can(&host(), &["kill", container]);
                    }
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.map(|ledger| ledger.expect("a client")).collect()
    })
}
