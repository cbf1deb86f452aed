//! Two lives of a daemon under the recorder, with clients that do all sorts of things.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::disk::{self, Loss};
use super::expected::at_rest;
use super::journal::{self, Event};
use super::work::{self, CLIENTS, KEPT, Worker};
use crate::daemon::{Daemon, Setup};
use crate::dice::Dice;

/// The folder of the store, in the folder that is recorded: the daemon makes it.
pub const STORE: &str = "state";

/// A recorded daemon: its folder, its journal.
pub struct Recording {
    folder: TempDir,
    /// Real paths, as the kernel tells them.
    watched: PathBuf,
    journal: PathBuf,
    recorder: PathBuf,
    /// Where the device key is, if not in the store.
    credentials: Option<PathBuf>,
}

impl Recording {
    /// Lets a daemon begin with nothing, work, be killed, begin again, work, and stop.
    pub fn make(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let real = fs::canonicalize(folder.path()).expect("a path");
        let recording = Recording {
            watched: real.join("watched"),
            journal: real.join("journal"),
            recorder: compile(&real),
            // The making of a device key syncs names, too: with and without.
            credentials: (seed % 2 == 1).then(|| real.join("credentials")),
            folder,
        };
        if let Some(credentials) = &recording.credentials {
            fs::create_dir(credentials).expect("a folder");
            fs::write(credentials.join("owl-device-key"), [7; 32]).expect("a device key");
        }
        fs::create_dir(&recording.watched).expect("a folder");
        let mut dice = Dice::new(seed);

        let owl = recording.start(false);
        journal::mark(&recording.journal, "started");
        work::set_up(&owl.client(), &recording.journal);
        recording.work(&owl, 1, false, &mut dice);
        owl.kill();
        // It may have done something last that it had no time to write down.
        assert!(recording.catch_up() <= 1, "what was done is not seen");

        let owl = recording.start(true);
        at_rest(&owl.client()).unwrap_or_else(|problem| panic!("{problem}"));
        journal::mark(&recording.journal, "rests");
        recording.work(&owl, 1000, true, &mut dice);
        let (status, log) = owl.terminate();
        assert!(status.success(), "{log}");
        assert_eq!(recording.catch_up(), 0, "what was done is not seen");
        recording
    }

    /// What was done and known, in order.
    pub fn events(&self) -> Vec<Event> {
        journal::read(&self.journal).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Keeps the folder: where it is.
    pub fn keep(self) -> String {
        let folder = self.folder.keep();
        format!("the journal is in {}", folder.display())
    }

    /// A daemon that has the same device key.
    pub fn setup(&self) -> Setup {
        match &self.credentials {
            Some(folder) => Setup::new().env("CREDENTIALS_DIRECTORY", plain(folder)),
            None => Setup::new(),
        }
    }

    fn start(&self, durable_answers: bool) -> Daemon {
        self.setup()
            .env("LD_PRELOAD", plain(&self.recorder))
            .env("RECORDER_FOLDER", plain(&self.watched))
            .env("RECORDER_JOURNAL", plain(&self.journal))
            .env("OWL_ACTIVATIONS_COUNT", KEPT.to_string())
            .env("OWL_DURABLE_ANSWERS", durable_answers.to_string())
            .data_dir(&self.watched.join(STORE))
            .start()
    }

    fn work(&self, owl: &Daemon, first: u64, durable_answers: bool, dice: &mut Dice) {
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let mut worker = Worker {
                    client: owl.client(),
                    journal: &self.journal,
                    number,
                    dice: Dice::new(dice.below(u64::MAX)),
                    durable_answers,
                };
                scope.spawn(move || worker.work(first + number * 100));
            }
        });
    }

    /// Compares the files with what the journal makes of them, and adds what is missing in it.
    /// Gives in how many files that was.
    fn catch_up(&self) -> usize {
        let tree = disk::after(&self.events(), Loss::Nothing, false, &mut Dice::new(0));
        let mut missing = 0;
        for (path, content) in tree {
            let Some(content) = content.filter(|_| !is_mapped(&path)) else {
                continue;
            };
            let file = self.watched.join(&path);
            let inode = fs::metadata(&file).expect("the file is there").ino();
            let real = fs::read(&file).expect("read a file");
            assert!(real.len() >= content.len(), "{path} is shorter than seen");
            if real == content {
                continue;
            }
            missing += 1;
            let first = real
                .iter()
                .zip(&content)
                .take_while(|(a, b)| a == b)
                .count();
            let differs = |at: usize| content.get(at) != real.get(at);
            let end = (first..real.len())
                .rfind(|at| differs(*at))
                .expect("a difference")
                + 1;
            journal::add_write(&self.journal, inode, first as u64, &real[first..end]);
        }
        missing
    }
}

/// Whether a file is written through a map: the table of readers, which a start makes anew.
fn is_mapped(path: &str) -> bool {
    path.ends_with("lock.mdb") || path.ends_with("-lock")
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Makes the library that records.
fn compile(folder: &Path) -> PathBuf {
    let library = folder.join("recorder.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/black_box/power/recorder.c");
    let compiled = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o",
        ])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("run cc");
    assert!(compiled.success(), "the recorder does not compile");
    library
}
