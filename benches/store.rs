//! What the store costs: durable commits alone and in groups, lists, look-ups, and memory, with
//! few records and with many.
//!
//! `cargo bench --bench store [FOLDER] [RECORDS...]` puts its store into the folder, which decides
//! what a commit costs: a memory card is far slower than a disk, and a file system in memory tells
//! nothing. It is measured each time when there are so many records (1,000, 100,000 and 1,000,000).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use owl::entity::ActivationId;
use owl::store::{ActivationFilter, ActivationRow, Options, Store};
use serde_json::{Map, Value, json};
use smol::block_on;

const RECORD: usize = 1024;

/// Numbers of records.
const STAGES: [u64; 3] = [1000, 100_000, 1_000_000];

/// Bytes for as many records as are asked for, with their indexes.
const PER_RECORD: u64 = 4096;

fn main() {
    // Cargo adds arguments of its own, which begin with dashes.
    let words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'));
    let (stages, folders): (Vec<String>, Vec<String>) =
        words.partition(|word| word.parse::<u64>().is_ok());
    let mut stages: Vec<u64> = stages.iter().filter_map(|word| word.parse().ok()).collect();
    if stages.is_empty() {
        stages = STAGES.to_vec();
    }
    let folder = folders.first();
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(folder).expect("a folder for the store");
    let most = stages.iter().copied().max().unwrap_or_default();
    let bytes = usize::try_from(most * PER_RECORD).expect("the addresses of this machine suffice");
    let options = Options {
        // Each commit is measured: none waits for company.
        linger: Duration::ZERO,
        max_count: most * 2,
        ..Options::with_map_size(bytes.max(1 << 30))
    };
    let store = Store::open(dir.path(), options).expect("the store opens");
    println!(
        "store in {}, records of {RECORD} bytes",
        dir.path().display()
    );
    let mut report = Map::new();
    for stage in stages {
        let mut table = Table::new(stage);
        fill(&store, stage, &mut table);
        lists(&store, &mut table);
        commits(&store, &mut table);
        report.insert(stage.to_string(), Value::Object(table.0));
    }
    open_again(store, dir.path(), &mut report);
    println!("\n{}", Value::Object(report));
}

/// Lines that are printed and kept.
struct Table(Map<String, Value>);

impl Table {
    fn new(records: u64) -> Self {
        println!("\nwith {records} records:");
        Table(Map::new())
    }

    fn row(&mut self, what: &str, mut times: Vec<Duration>) {
        times.sort();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let p50 = micros(times[times.len() / 2]);
        let p99 = micros(times[times.len() * 99 / 100]);
        println!("  {what:<44} {p50:>10.1} µs p50 {p99:>10.1} µs p99");
        self.0
            .insert(what.to_owned(), json!({"us": {"p50": p50, "p99": p99}}));
    }

    fn value(&mut self, what: &str, value: f64, unit: &str) {
        println!("  {what:<44} {value:>10.0} {unit}");
        self.0
            .insert(what.to_owned(), json!({"value": value, "unit": unit}));
    }
}

fn commits(store: &Store, table: &mut Table) {
    table.row(
        "commit of one record",
        each(200, || block_on(store.put_activation(record(0))).unwrap()),
    );
    for size in [16, 128] {
        let mut times = each(50, || group(store, size));
        times.iter_mut().for_each(|time| *time /= size);
        table.row(&format!("commit in groups of {size}, a record"), times);
    }
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

fn fill(store: &Store, upto: u64, table: &mut Table) {
    let (begun, before) = (Instant::now(), store.usage().unwrap().activations);
    while store.usage().unwrap().activations < upto {
        let written: Vec<_> = (0..64).map(|n| store.put_activation(record(n))).collect();
        for written in written {
            block_on(written).unwrap();
        }
    }
    let usage = store.usage().unwrap();
    let rate = (usage.activations - before) as f64 / begun.elapsed().as_secs_f64();
    table.value("filled up to there, 64 at a time", rate, "records/s");
    let bytes = usage.activation_bytes / usage.activations;
    table.value("pages of a record with its indexes", bytes as f64, "bytes");
}

fn lists(store: &Store, table: &mut Table) {
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
    table.row("list of 30", list(&all, 0, 30, false));
    table.row("list of 30 of one action", list(&named, 0, 30, false));
    table.row("list of 200 with full records", list(&all, 0, 200, true));
    table.row("list of 30 behind 900", list(&all, 900, 30, false));
    table.row(
        "count",
        each(20, || {
            assert!(store.count_activations("guest", &all).unwrap() > 0);
        }),
    );
    let id = ActivationId::random();
    block_on(store.put_activation(ActivationRow { id, ..record(0) })).unwrap();
    table.row(
        "one by its id",
        each(1000, || {
            assert!(store.activation("guest", id).unwrap().is_some())
        }),
    );
    let guest = store
        .key_of_namespace("guest")
        .unwrap()
        .expect("the guest has a key");
    let key = guest.key.expose();
    table.row(
        "check of a key",
        each(1000, || {
            assert!(store.authenticate(&guest.uuid, key).unwrap().is_some())
        }),
    );
    table.value("resident", resident_kib() as f64, "KiB");
}

fn open_again(store: Store, dir: &Path, report: &mut Map<String, Value>) {
    drop(store);
    let times = each(5, || drop(Store::open(dir, Options::default()).unwrap()));
    println!();
    let mut table = Table(Map::new());
    table.row("open and close", times);
    report.extend(table.0);
}

fn each(times: usize, mut act: impl FnMut()) -> Vec<Duration> {
    let measured = (0..times).map(|_| {
        let begun = Instant::now();
        act();
        begun.elapsed()
    });
    measured.collect()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
