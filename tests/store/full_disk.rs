//! No room for the file of the store: errors, and everything goes on when there is room again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use owl::entity::ActivationId;
use owl::store::StoreError;
use smol::block_on;

use super::{FOLDER, open, row, second_part};

/// Runs under a limit of the size of files, which stops the store from growing as a full disk does.
fn fill_and_go_on(folder: &Path) {
    let store = open(folder);
    let mut written = Vec::new();
    let error = loop {
        let id = ActivationId::random();
        match block_on(store.put_activation(row(id, 10_000))) {
            Ok(()) => written.push(id),
            Err(error) => break error,
        }
    };
    assert!(!written.is_empty(), "nothing fits");
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    // Pages that the store has free already still take something; then nothing is accepted.
    let accept = || block_on(store.accept(ActivationId::random(), vec![0; 10_000]));
    let refused = (0..1000).find_map(|_| accept().err()).unwrap();
    assert!(matches!(refused, StoreError::Failed(_)), "{refused}");
    let last = ActivationId::random();
    let error = block_on(store.put_activation(row(last, 200_000))).unwrap_err();
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    let there = |id: ActivationId| store.activation("guest", id).unwrap().is_some();
    assert!(written.iter().all(|id| there(*id)) && !there(last));

    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
    let accepted = ActivationId::random();
    block_on(store.accept(accepted, vec![0; 10_000])).unwrap();
    assert!(
        store
            .pending()
            .unwrap()
            .iter()
            .any(|(id, ..)| *id == accepted)
    );
    // The record that could not be written comes by itself.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !there(last) {
        assert!(Instant::now() < deadline, "the record that waited is lost");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_store_goes_on_when_there_is_room_again() {
    if let Some(folder) = second_part() {
        return fill_and_go_on(&folder);
    }
    let dir = tempfile::tempdir().unwrap();
    // The signal that comes with the limit is ignored, so that writes fail as on a full disk.
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 2048; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "full_disk::the_store_goes_on_when_there_is_room_again",
        ])
        .env(FOLDER, dir.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}
