//! Whether the store's folder can be written to, and has room.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::{Check, Outcome};

/// Bytes below which the store may run full within days.
const LITTLE: u64 = 256 << 20;

/// Bytes below which not even a small store fits.
const TOO_LITTLE: u64 = 16 << 20;

pub fn check(folder: &Path) -> [Check; 2] {
    [
        Check::new("store", writable(folder)),
        Check::new("disk space", space(folder)),
    ]
}

fn writable(folder: &Path) -> Outcome {
    let shown = folder.display();
    let advice = format!("make {shown} a folder of OWL's user, or set OWL_DATA_DIR");
    if let Err(error) = fs::create_dir_all(folder) {
        return Outcome::Bad(format!("cannot make {shown}: {error}"), advice);
    }
    let probe = folder.join(format!(".owl-check-{}", std::process::id()));
    let written = fs::write(&probe, b"owl").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => Outcome::Good(format!("{shown} is writable")),
        Err(error) => Outcome::Bad(format!("cannot write to {shown}: {error}"), advice),
    }
}

fn space(folder: &Path) -> Outcome {
    let shown = folder.display();
    match statvfs(folder) {
        Ok(found) => {
            // The types differ between 32 and 64 bits.
            #[allow(clippy::unnecessary_cast)]
            let free = found.blocks_available() as u64 * found.fragment_size() as u64;
            let text = format!("{} MiB are free on the disk of {shown}", free >> 20);
            match free {
                TOO_LITTLE.. if free >= LITTLE => Outcome::Good(text),
                TOO_LITTLE.. => Outcome::Note(
                    text,
                    "make room, or keep fewer records with OWL_ACTIVATIONS_COUNT".to_string(),
                ),
                _ => Outcome::Bad(text, "make room on that disk".to_string()),
            }
        }
        Err(error) => Outcome::Bad(
            format!("cannot ask for the free space of {shown}: {error}"),
            "make the folder, or set OWL_DATA_DIR".to_string(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(writable(folder.path()), Outcome::Good(_)));
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(writable(&file.join("store")), Outcome::Bad(..)));
    }
}
