//! Zipped code, unpacked within bounds.

use std::fs::{self, OpenOptions};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zip::ZipArchive;

/// Most bytes that a zip may unpack to.
const MAX_BYTES: u64 = 512 << 20;

/// Most entries that a zip may have.
const MAX_ENTRIES: usize = 50_000;

/// Unpacks a zip into an empty directory. Nothing is written outside of it; symbolic links are
/// left out, since what they point to is not ours to say. The error is for the action's owner.
pub fn unpack(bytes: &[u8], directory: &Path) -> Result<(), String> {
    unpack_bounded(bytes, directory, MAX_BYTES)
}

fn unpack_bounded(bytes: &[u8], directory: &Path, most: u64) -> Result<(), String> {
    let unreadable = |error| format!("the zipped code cannot be read: {error}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    if archive.len() > MAX_ENTRIES {
        return Err(format!(
            "the zipped code has more than {MAX_ENTRIES} entries."
        ));
    }
    let mut left = most;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(unreadable)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let Some(relative) = entry.enclosed_name() else {
            return Err(format!(
                "the zipped code has an entry outside of it: {name}"
            ));
        };
        let path = directory.join(relative);
        if entry.is_symlink() {
            continue;
        }
        let executable = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        let written = if entry.is_dir() {
            fs::create_dir_all(&path).map(|()| 0)
        } else {
            write(&mut entry, &path, executable, left)
        };
        let written = written.map_err(|error| format!("cannot unpack {name}: {error}"))?;
        left = left
            .checked_sub(written)
            .ok_or_else(|| format!("the zipped code is larger than {} MB unpacked.", most >> 20))?;
    }
    Ok(())
}

/// Writes one file, and at most one byte more than `most`: sizes in headers may be lies.
fn write(entry: &mut impl Read, path: &Path, executable: bool, most: u64) -> io::Result<u64> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(if executable { 0o755 } else { 0o644 })
        .open(path)?;
    io::copy(&mut entry.take(most + 1), &mut file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn zip(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes, mode) in entries {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn files_keep_their_place_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = zip(&[("a/b.txt", b"b", 0o644), ("exec", b"#!", 0o755)]);
        unpack(&bytes, dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join("a/b.txt")).unwrap(), b"b");
        let mode = fs::metadata(dir.path().join("exec"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[test]
    fn nothing_is_written_outside() {
        for name in ["../x", "a/../../x", "/etc/x"] {
            let outer = tempfile::tempdir().unwrap();
            let dir = outer.path().join("in");
            fs::create_dir(&dir).unwrap();
            let result = unpack(&zip(&[(name, b"x", 0o644)]), &dir);
            assert!(!outer.path().join("x").exists() && !Path::new("/etc/x").exists());
            // An absolute name is either refused or taken for a relative one.
            assert!(result.is_err() || dir.join("etc/x").exists(), "{name}");
        }
    }

    #[test]
    fn links_are_left_out() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer
            .add_symlink("link", "/etc", SimpleFileOptions::default())
            .unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        let dir = tempfile::tempdir().unwrap();
        unpack(&bytes, dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn size_and_nonsense_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = zip(&[("a", &[0; 600], 0o644), ("b", &[0; 600], 0o644)]);
        assert!(unpack_bounded(&bytes, dir.path(), 1200).is_ok());
        let error = unpack_bounded(&bytes, dir.path(), 1000).unwrap_err();
        assert!(error.contains("larger than"), "{error}");
        assert!(
            unpack(b"PK\x03\x04nonsense", dir.path())
                .unwrap_err()
                .contains("cannot be read")
        );
    }
}
