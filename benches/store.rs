//! What the store costs: durable commits alone and in groups, lists, look-ups, and memory.
//!
//! `cargo bench --bench store [FOLDER]` puts its store into the folder, which decides what a commit
//! costs: a memory card is far slower than a disk, and a file system in memory tells nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl::entity::ActivationId;
use owl::store::{ActivationFilter, ActivationRow, Options, Store};
use smol::block_on;

const RECORD: usize = 1024;

fn main() {
    // Cargo adds arguments of its own, which begin with dashes.
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(folder).expect("a folder for the store");
    let options = Options {
        // Each commit is measured: none waits for company.
        linger: Duration::ZERO,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options).expect("the store opens");
    println!(
        "store in {}, records of {RECORD} bytes",
        dir.path().display()
    );

    fill(&store, 1000);
    lists(&store);
    row(
        "commit of one record",
        &each(300, || block_on(store.put_activation(record(0))).unwrap()),
    );
    for size in [16, 128] {
        let mut times = each(100, || group(&store, size));
        times.iter_mut().for_each(|time| *time /= size);
        row(&format!("commit in groups of {size}, a record"), &times);
    }
    let before = resident_kib();
    let begun = Instant::now();
    fill(&store, 100_000);
    let rate = 100_000.0 / begun.elapsed().as_secs_f64();
    println!("{:<44} {rate:>10.0} records/s", "filling up, 64 at a time");
    let usage = store.usage().unwrap();
    let each = usage.activation_bytes / usage.activations;
    println!(
        "{:<44} {each:>10} bytes",
        "pages of a record with its indexes"
    );
    println!(
        "{:<44} {before:>10} KiB, then {} KiB",
        "resident before filling",
        resident_kib()
    );
    lists(&store);
    println!(
        "{:<44} {:>10} KiB",
        "resident after the lists",
        resident_kib()
    );
    open_again(store, dir.path());
}

fn record(offset: u64) -> ActivationRow {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    ActivationRow {
        id: ActivationId::random(),
        namespace: "guest".to_owned(),
        filter_name: format!("action{}", offset % 10),
        start: now.as_millis() as u64 + offset,
        head: vec![b'h'; RECORD / 2],
        tail: vec![b't'; RECORD / 2],
    }
}

/// Commits a number of records that are handed over at once.
fn group(store: &Store, size: u32) {
    let written: Vec<_> = (0..size).map(|_| store.put_activation(record(0))).collect();
    for written in written {
        block_on(written).unwrap();
    }
}

fn fill(store: &Store, upto: u64) {
    while store.usage().unwrap().activations < upto {
        let written: Vec<_> = (0..64).map(|n| store.put_activation(record(n))).collect();
        for written in written {
            block_on(written).unwrap();
        }
    }
}

fn lists(store: &Store) {
    println!("with {} records:", store.usage().unwrap().activations);
    let all = ActivationFilter::default();
    let named = ActivationFilter {
        name: Some("action3".to_owned()),
        ..ActivationFilter::default()
    };
    let list = |filter: &ActivationFilter, skip, limit, tail| {
        each(200, || {
            let listed = store.activations("guest", filter, skip, limit, tail);
            assert!(!listed.unwrap().is_empty());
        })
    };
    row("  list of 30", &list(&all, 0, 30, false));
    row("  list of 30 of one action", &list(&named, 0, 30, false));
    row("  list of 200 with full records", &list(&all, 0, 200, true));
    row("  list of 30 behind 900", &list(&all, 900, 30, false));
    row(
        "  count",
        &each(20, || {
            assert!(store.count_activations("guest", &all).unwrap() > 0);
        }),
    );
    let id = ActivationId::random();
    block_on(store.put_activation(ActivationRow { id, ..record(0) })).unwrap();
    row(
        "  one by its id",
        &each(1000, || {
            assert!(store.activation("guest", id).unwrap().is_some())
        }),
    );
    let guest = store
        .key_of_namespace("guest")
        .unwrap()
        .expect("the guest has a key");
    let key = guest.key.expose();
    row(
        "  authenticate",
        &each(1000, || {
            assert!(store.authenticate(&guest.uuid, key).unwrap().is_some())
        }),
    );
}

fn open_again(store: Store, dir: &Path) {
    drop(store);
    let times = each(5, || drop(Store::open(dir, Options::default()).unwrap()));
    row("open and close", &times);
}

fn each(times: usize, mut act: impl FnMut()) -> Vec<Duration> {
    let mut measured: Vec<_> = (0..times)
        .map(|_| {
            let begun = Instant::now();
            act();
            begun.elapsed()
        })
        .collect();
    measured.sort();
    measured
}

fn row(what: &str, sorted: &[Duration]) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let (p50, p99) = (sorted[sorted.len() / 2], sorted[sorted.len() * 99 / 100]);
    println!(
        "{what:<44} {:>10.1} µs p50 {:>10.1} µs p99",
        micros(p50),
        micros(p99)
    );
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
