//! The store and other processes: killed ones, tools beside the daemon, a full disk.
//!
//! The other process is this test binary again: a test that finds [`FOLDER`] in its environment
//! plays the second part.

mod full_disk;
mod kill;
mod shared;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use owl::entity::ActivationId;
use owl::store::{ActivationRow, Options, Store, StoreError};

/// Names the store to the second process.
const FOLDER: &str = "OWL_TEST_STORE";

/// The folder, in the second process.
fn second_part() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// This binary again, to play the second part of one test. What it says as a test of its own is
/// not shown; its panics are.
fn second_process(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null());
    command
}

fn open(folder: &Path) -> Store {
    let mut tries = 0;
    loop {
        match Store::open(folder, Options::with_map_size(256 << 20)) {
            // A process that another test is just starting has the lock until its exec.
            Err(StoreError::Locked(_)) if tries < 100 => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened.unwrap(),
        }
    }
}

fn row(id: ActivationId, tail: usize) -> ActivationRow {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    ActivationRow {
        id,
        namespace: "guest".to_owned(),
        filter_name: "a".to_owned(),
        start: u64::try_from(now.as_millis()).unwrap(),
        head: id.to_string().into_bytes(),
        tail: vec![b'x'; tail],
    }
}
