//! A store that an older release has made: `tests/store/format-1` is of one on a 64-bit machine,
//! with two namespaces, entities of each kind and activations; the key in it is of use for nothing
//! else. How it was made: by that release's `owl serve`, over its REST API, and `owl key create`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::json;
use tempfile::TempDir;

use crate::daemon::{Daemon, Setup};

/// The key that the older release has given the namespace `site`.
const SITE: &str = "45efe85c-aa9e-4aa0-90ee-9d9f269871fe:\
                    XhztbXyHBo1K8mwdP5ulyxztehE9E07zw265vLYwMBMWhEGlCZSQUlEpIU950YP0";

/// Seconds of ten years, the longest there is: the activations must not go by their age.
const TEN_YEARS: &str = "315360000";

fn older_store() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/format-1");
    let packed = File::open(source.join("data.mdb.gz")).expect("the store");
    let mut store = File::create(folder.path().join("data.mdb")).expect("a file");
    io::copy(&mut GzDecoder::new(packed), &mut store).expect("unpack the store");
    let key = folder.path().join("device.key");
    fs::copy(source.join("device.key"), &key).expect("copy the device key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("close the device key");
    folder
}

fn start(folder: &TempDir) -> Daemon {
    Setup::new()
        .env("OWL_ACTIVATIONS_AGE", TEN_YEARS)
        .data_dir(folder.path())
        .start()
}

/// Everything that the older release had in it.
fn expect_everything(owl: &Daemon, activations: usize) {
    let client = owl.client();
    let hello = client.invoke("hello", &json!({"name": "update"}));
    assert_eq!(hello.expect_success()["greeting"], "Hello, update");
    // Larger than what is kept in one piece today.
    let large = client.invoke("large", &json!({})).expect_success();
    assert_eq!(large, json!({"lines": 3000}));
    let package = client.get("packages/tools").json();
    assert_eq!(package["parameters"], json!([{"key": "a", "value": 1}]));
    assert_eq!(package["actions"][0]["name"], "one");
    assert_eq!(client.get("rules/ticks").json()["status"], "active");
    assert_eq!(client.get("triggers/tick").status, 200);
    let records = client.get("activations?limit=200&upto=1795416900000");
    let records = records.json();
    let records = records.as_array().expect("a list");
    assert_eq!(records.len(), activations, "{records:?}");
    let site = owl.client_with(Some(SITE));
    assert_eq!(site.get("/api/v1/namespaces").json(), json!(["site"]));
}

#[test]
fn a_store_of_an_older_release_is_opened_and_kept_as_it_was() {
    let folder = older_store();
    if usize::BITS != 64 {
        let (_, log) = Setup::new().data_dir(folder.path()).start_and_fail();
        assert!(log.contains("made by a 64-bit owl"), "{log}");
        return;
    }
    // Three calls, the one of `large`, the trigger and what its rule has run.
    const ACTIVATIONS: usize = 6;
    let owl = start(&folder);
    expect_everything(&owl, ACTIVATIONS);
    let (status, log) = owl.terminate();
    assert!(status.success(), "{log}");
    assert!(
        log.contains("was made by an older owl (format 1)") && log.contains("data.mdb.format-1"),
        "{log}"
    );

    let again = start(&folder);
    expect_everything(&again, ACTIVATIONS);
    let (_, log) = again.terminate();
    assert!(!log.contains("older owl"), "told twice: {log}");

    // Back to how it was, as somebody does who puts the older release back.
    fs::rename(
        folder.path().join("data.mdb.format-1"),
        folder.path().join("data.mdb"),
    )
    .expect("the copy");
    let (_, log) = start(&folder).terminate();
    assert!(log.contains("older owl (format 1)"), "{log}");
    expect_everything(&start(&folder), ACTIVATIONS);
}
