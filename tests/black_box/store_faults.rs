//! A store on a disk that is full.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;
use tempfile::TempDir;

use crate::daemon::Setup;

/// A file system of a few megabytes. Mounting one needs root.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount(megabytes: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m");
        mount(
            Some("tmpfs"),
            folder.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(size.as_str()),
        )
        .expect("mount a tmpfs: this test must run as root");
        SmallDisk { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the space that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.path().join("filler")).expect("make a file");
        for size in [1 << 20, 4096] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn relieve(&self) {
        fs::remove_file(self.path().join("filler")).expect("remove the file");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(self.folder.path(), MntFlags::MNT_DETACH).ok();
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let disk = SmallDisk::mount(16);
    let owl = Setup::new().data_dir(disk.path()).start();
    let client = owl.client();
    client.expect_alive();

    disk.fill();
    let echo = json!({"text": "x".repeat(10_000)});
    let mut refused = 0;
    for _ in 0..20 {
        // A blocking call may be answered without its record; a 202 promises one.
        let blocking = client.invoke("alive", &echo);
        match blocking.status {
            200 => assert_eq!(blocking.expect_success(), echo),
            500 | 503 | 507 => assert!(blocking.error(blocking.status).len() > 10),
            _ => panic!("{blocking}"),
        }
        let accepted = client.post("actions/alive", &echo);
        match accepted.status {
            202 => {
                let id = accepted.json()["activationId"]
                    .as_str()
                    .expect("an id")
                    .to_string();
                client.activation(&id);
            }
            500 | 503 | 507 => {
                refused += 1;
                assert!(accepted.error(accepted.status).len() > 10);
            }
            _ => panic!("{accepted}"),
        }
    }
    let large = json!({"exec": {"kind": "quickjs:1", "code": "//".repeat(500_000)}});
    let put = client.put("actions/large", &large);
    assert!([500, 503, 507].contains(&put.status), "{put}");
    assert!(
        refused > 0 || owl.log().contains("store"),
        "nobody was told"
    );

    disk.relieve();
    let id = client.fire("alive", &echo);
    assert_eq!(client.activation(&id)["response"]["result"], echo);
    assert_eq!(client.put("actions/large", &large).status, 200);
    let (status, log) = owl.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_store_that_is_full_drops_its_oldest_records() {
    let owl = Setup::new().env("OWL_STORE_SIZE", "8").start();
    let client = owl.client();
    client.expect_alive();
    let payload = json!({"text": "x".repeat(500_000)});
    let first = client.fire("alive", &payload);
    client.activation(&first);
    let mut last = first.clone();
    for _ in 0..40 {
        last = client.fire("alive", &payload);
        client.activation(&last);
    }
    assert_eq!(client.activation(&last)["response"]["result"], payload);
    assert_eq!(client.get(&format!("activations/{first}")).status, 404);
    client.expect_alive();
}
