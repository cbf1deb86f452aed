//! The power goes, block by block. What a real daemon writes, syncs and renames in two lives is
//! recorded; from that the disk is rebuilt as a power cut at any moment may leave it, and a daemon
//! started on it must have everything that its clients were told.

mod answers;
mod disk;
mod expected;
mod journal;
mod recorder;
mod work;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::daemon::Setup;
use crate::dice::{Dice, say, seed, setting};
use disk::{Loss, Tree};
use expected::Expected;
use journal::Event;
use recorder::Recording;

/// How often the power goes.
const CUTS: u64 = 120;

/// How often it may go on a disk that lies, until that is found out.
const LIES: u64 = 60;

/// Rebuilt folders that are looked at at the same time: a start waits for its disk now and then.
const AT_A_TIME: usize = 2;

#[test]
fn what_was_told_is_there_wherever_the_power_goes() {
    let seed = seed();
    let cuts = setting("OWL_TEST_ROUNDS").unwrap_or(CUTS);
    let run = format!("power cuts: seed {seed} (OWL_TEST_SEED), {cuts} cuts (OWL_TEST_ROUNDS)");
    say(&run);
    println!("{run}");
    let recording = Recording::make(seed);
    let plant = Plant::new(&recording, seed);

    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while failures.lock().expect("the failures").is_empty() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cuts {
                        break;
                    }
                    if let Err(problem) = plant.cut(number, false) {
                        failures.lock().expect("the failures").push(problem);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("the failures");
    assert!(
        failures.is_empty(),
        "seed {seed}: {}\n{}",
        failures.join("\n"),
        recording.keep()
    );

    // Without this, a test that finds nothing could be one that looks at nothing.
    let found = (0..LIES).position(|number| plant.cut(number, true).is_err());
    let Some(found) = found else {
        panic!("seed {seed}: a disk that lies about synchronous writes is not found out");
    };
    say(&format!(
        "power cuts: {}; a disk that lies was found out at cut {}",
        plant.summary(),
        found + 1
    ));
}

/// What was recorded, and how often the power goes where in it.
struct Plant {
    events: Vec<Event>,
    /// Events until there is a client.
    first_start: usize,
    /// A daemon that removes no record.
    setup: Setup,
    seed: u64,
}

impl Plant {
    fn new(recording: &Recording, seed: u64) -> Self {
        let events = recording.events();
        let first_start = events
            .iter()
            .position(|event| matches!(event, Event::Mark(_)));
        Plant {
            first_start: first_start.expect("a client has done something"),
            events,
            setup: recording.setup(),
            seed,
        }
    }

    /// Cuts the power once, and looks at what a daemon makes of it.
    fn cut(&self, number: u64, lies: bool) -> Result<(), String> {
        let mut dice = Dice::new(self.seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let at = self.moment(lies, &mut dice);
        let loss = if lies {
            Loss::All
        } else {
            Loss::any(&mut dice)
        };
        let before = &self.events[..at];
        let tree = disk::after(before, loss, lies, &mut dice);
        let folder = tempfile::tempdir().expect("a folder");
        rebuild(&tree, folder.path());
        let expected = Expected::after(before);
        let store = folder.path().join(recorder::STORE);
        let looked = self.setup.clone().data_dir(&store).try_start();
        let looked = looked.and_then(|owl| {
            let checked = expected.check(&owl.client());
            let checked = checked.map_err(|problem| format!("{problem}\n{}", owl.log()));
            owl.kill();
            checked
        });
        looked.map_err(|problem| {
            let sizes: Vec<_> = tree
                .iter()
                .map(|(path, content)| (path, content.as_ref().map(Vec::len)))
                .collect();
            let last = &before[before.len().saturating_sub(8)..];
            format!(
                "cut {number} behind event {at} of {}, {loss:?} of what was not synced is lost, \
                 {sizes:?}\nlast: {}\n{problem}",
                self.events.len(),
                last.iter().map(brief).collect::<Vec<_>>().join(", "),
            )
        })
    }

    /// The number of events before a cut.
    fn moment(&self, lies: bool, dice: &mut Dice) -> usize {
        let all = self.events.len() as u64;
        if lies {
            // A lie matters until the next sync of the whole file.
            let answers: Vec<usize> = (0..self.events.len())
                .filter(|at| matches!(&self.events[*at], Event::Mark(text) if text.starts_with("accepted")))
                .collect();
            return dice.of(&answers) + 1;
        }
        let first = self.first_start as u64;
        let at = match dice.percent(30) {
            true => dice.below(first + 1),
            false => first + dice.below(all - first + 1),
        };
        at as usize
    }

    fn summary(&self) -> String {
        let count = |is: fn(&Event) -> bool| self.events.iter().filter(|event| is(event)).count();
        let writes = count(|event| matches!(event, Event::Write { .. }));
        let syncs = count(|event| {
            matches!(
                event,
                Event::Synced(_) | Event::FolderSynced(_) | Event::Write { durable: true, .. }
            )
        });
        let marks = count(|event| matches!(event, Event::Mark(_)));
        let first = self.first_start;
        format!(
            "{first} events of a first start, {writes} writes, {syncs} syncs, {marks} marks of clients in two lives"
        )
    }
}

/// An event in a few words.
fn brief(event: &Event) -> String {
    match event {
        Event::Write {
            file,
            offset,
            data,
            durable,
        } => format!("write {file} {offset}+{} durable: {durable}", data.len()),
        Event::Mark(text) => text.chars().take(60).collect(),
        event => format!("{event:?}"),
    }
}

/// Makes the files and folders of a tree.
fn rebuild(tree: &Tree, folder: &Path) {
    use std::io::Write;
    for (path, content) in tree {
        let path = folder.join(path);
        let Some(content) = content else {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .expect("make a folder");
            continue;
        };
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content))
            .expect("write a file");
    }
}
