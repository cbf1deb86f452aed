//! The file of a new store: made apart, and put in its place when all of it is on the disk.
//!
//! LMDB does not wait for the disk until the first commit: a power cut before that could leave a
//! file that is refused for ever after.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::environment::FILE;
use super::error::StoreError;

/// Name of the file while it is made.
const DRAFT: &str = "data.mdb.new";

/// What LMDB makes beside it.
const DRAFT_LOCK: &str = "data.mdb.new-lock";

/// Makes the folder of the store, closed to other users.
pub(super) fn make_directory(dir: &Path) -> Result<(), StoreError> {
    // A relative path of one part is in the current folder.
    let parents = dir.ancestors().skip(1);
    let parents: Vec<&Path> = parents
        .map(|parent| match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        })
        .collect();
    let there = parents.iter().position(|parent| parent.exists());
    // Only the last folder is ours to close to others.
    if let Some(parent) = parents.first() {
        fs::create_dir_all(parent)
            .map_err(|error| StoreError::file("cannot make the folder", parent, &error))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            for parent in parents.iter().take(there.map_or(0, |at| at + 1)) {
                if let Err(error) = sync_folder(parent) {
                    // Somebody else's folder may be one that we cannot read.
                    log::debug!("cannot sync {}: {error}", parent.display());
                }
            }
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::file("cannot make the folder", dir, &error)),
    }
}

/// Has `make` make the file of the store in `dir` under the path that it is given, if there is
/// none yet, and removes what a power cut has left of an earlier attempt. A file without content is
/// none: earlier versions left such when they were cut off.
///
/// # Errors
/// Those of `make`, and [`StoreError::Failed`] where the operating system refuses something.
pub(super) fn make_if_missing(
    dir: &Path,
    make: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::file("cannot make the store in", dir, &error);
    if has_store(dir).map_err(failed)? {
        return remove_draft(dir).map_err(failed);
    }
    // A tool may be about the same.
    let folder = File::open(dir).map_err(failed)?;
    folder.lock().map_err(failed)?;
    if has_store(dir).map_err(failed)? {
        return Ok(());
    }
    let draft = dir.join(DRAFT);
    remove_draft(dir).map_err(failed)?;
    let made = make(&draft).and_then(|()| put_in_place(dir, &draft).map_err(failed));
    if made.is_err() {
        // What is there of it takes place for nothing.
        let _ = remove_draft(dir);
    }
    made
}

fn put_in_place(dir: &Path, draft: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    fs::rename(draft, dir.join(FILE))?;
    sync_folder(dir)?;
    remove_draft(dir)
}

fn has_store(dir: &Path) -> io::Result<bool> {
    match fs::metadata(dir.join(FILE)) {
        Ok(file) => Ok(file.len() > 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_draft(dir: &Path) -> io::Result<()> {
    for name in [DRAFT, DRAFT_LOCK] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn leftovers_of_an_attempt_are_removed_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        for name in [DRAFT, DRAFT_LOCK] {
            fs::write(dir.path().join(name), "half").unwrap();
        }
        // As an earlier version left it.
        fs::write(dir.path().join(FILE), "").unwrap();
        make_if_missing(dir.path(), |draft| {
            assert!(!draft.exists());
            assert!(!dir.path().join(DRAFT_LOCK).exists());
            fs::write(dir.path().join(DRAFT_LOCK), "").unwrap();
            fs::write(draft, "all of it").unwrap();
            Ok(())
        })
        .unwrap();
        assert_eq!(names(dir.path()), [FILE]);
        fs::write(dir.path().join(DRAFT), "half").unwrap();
        make_if_missing(dir.path(), |_| unreachable!("it is there")).unwrap();
        assert_eq!(names(dir.path()), [FILE]);
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), b"all of it");
    }

    #[test]
    fn an_attempt_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let failed = make_if_missing(dir.path(), |draft| {
            fs::write(draft, "half").unwrap();
            Err(StoreError::closed())
        });
        assert!(failed.is_err());
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn of_several_at_once_one_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    make_if_missing(dir.path(), |draft| {
                        made.fetch_add(1, Ordering::Relaxed);
                        fs::write(draft, "all of it").unwrap();
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn only_the_last_folder_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("a/b");
        make_directory(&store).unwrap();
        make_directory(&store).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&store), 0o700);
        assert_ne!(mode(&dir.path().join("a")), 0o700);
    }
}
