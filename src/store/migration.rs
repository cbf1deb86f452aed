//! What is done to a store of an older release before this one writes to it: a copy is kept.
//!
//! Every older format is read as it is, so that nothing is rewritten. But what is written from now
//! on, the older release would not understand: with the copy it can be put back.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{CommitOrAbort, CompactionOption, Env, WithoutTls};

use super::environment::{FILE, META_FORMAT, META_TABLE};
use super::error::StoreError;
use super::layout::FORMAT;

/// Where the copy of a store of this format is kept.
pub(super) fn copy_path(dir: &Path, format: u32) -> PathBuf {
    dir.join(format!("{FILE}.format-{format}"))
}

/// What a copy is called while it is written.
fn draft_path(copy: &Path) -> PathBuf {
    let mut name = copy.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Compares the format of a store with this owl's, and keeps a copy of one that is older.
///
/// # Errors
/// [`StoreError::Failed`]: the format is newer or unreadable, or LMDB fails. No place for the copy
/// is no error, but logged: a gateway whose disk is full must work after an update, too.
pub(super) fn prepare(env: &Env<WithoutTls>, dir: &Path) -> Result<(), StoreError> {
    let Some(format) = stored_format(env, dir)? else {
        return Ok(());
    };
    if format > FORMAT {
        let copy = copy_path(dir, FORMAT);
        let back = match copy.exists() {
            true => format!(", put {} in the place of {FILE}", copy.display()),
            false => String::new(),
        };
        return Err(StoreError::Failed(format!(
            "the store in {} has format {format}, and this owl knows formats up to {FORMAT}: \
             use a newer owl{back}, or another data directory",
            dir.display()
        )));
    }
    if format < FORMAT {
        let copy = copy_path(dir, format);
        match keep(env, &copy) {
            Ok(()) => log::warn!(
                "the store in {} was made by an older owl (format {format}): it gets format \
                 {FORMAT}, and is kept as it was in {}; delete that when you do not go back",
                dir.display(),
                copy.display()
            ),
            Err(error) => log::warn!(
                "the store in {} was made by an older owl (format {format}) and gets format \
                 {FORMAT}; it could not be kept as it was in {}: {error}",
                dir.display(),
                copy.display()
            ),
        }
    }
    Ok(())
}

/// The format that a store says it has; none is a new store.
fn stored_format(env: &Env<WithoutTls>, dir: &Path) -> Result<Option<u32>, StoreError> {
    let txn = env.read_txn()?;
    let found = env.open_databases_and_commit(txn, |opener, txn| {
        let meta = opener.open_database::<Bytes, Bytes>(txn, Some(META_TABLE))?;
        let format = match meta {
            Some(meta) => meta.get(txn, META_FORMAT)?.map(<[u8]>::to_vec),
            None => None,
        };
        Ok::<_, StoreError>(CommitOrAbort::<(), _>::Abort(format))
    })?;
    let Some(format) = found.abort().flatten() else {
        return Ok(None);
    };
    let format = format.try_into().map(u32::from_be_bytes);
    format
        .map(Some)
        .map_err(|_| StoreError::Failed(format!("the store in {} is damaged", dir.display())))
}

/// Writes what the store holds now to a file, which is complete or not there.
fn keep(env: &Env<WithoutTls>, copy: &Path) -> Result<(), StoreError> {
    let draft = draft_path(copy);
    let failed = |error| StoreError::file("cannot write", &draft, &error);
    let written = (|| {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .map_err(failed)?;
        env.copy_to_file(&mut file, CompactionOption::Enabled)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&draft, copy).map_err(failed)?;
        let folder = copy.parent().unwrap_or(copy);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    })();
    if written.is_err() {
        // What is there of it takes place for nothing.
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::environment::Environment;
    use super::*;

    fn open(dir: &Path) -> Result<Environment, StoreError> {
        Environment::open(dir, Some(1 << 20))
    }

    /// A store that says it is of a format, and has one note in it.
    fn store_of_format(dir: &Path, format: u32) {
        let environment = open(dir).unwrap();
        let mut txn = environment.write().unwrap();
        let bytes = format.to_be_bytes();
        environment.meta.put(&mut txn, META_FORMAT, &bytes).unwrap();
        environment.notes.put(&mut txn, b"note", b"text").unwrap();
        txn.commit().unwrap();
    }

    fn format_of(environment: &Environment) -> Vec<u8> {
        let txn = environment.read().unwrap();
        let format = environment.meta.get(&txn, META_FORMAT).unwrap();
        format.unwrap().to_vec()
    }

    #[test]
    fn an_older_store_is_kept_as_it_was_and_becomes_this_one() {
        let dir = tempfile::tempdir().unwrap();
        store_of_format(dir.path(), 1);
        let environment = open(dir.path()).unwrap();
        assert_eq!(format_of(&environment), FORMAT.to_be_bytes());
        let commits = environment.commits();
        drop(environment);
        let copy = copy_path(dir.path(), 1);
        let mode = fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Once: the next start finds nothing to do.
        fs::remove_file(&copy).unwrap();
        assert_eq!(open(dir.path()).unwrap().commits(), commits);
        assert!(!copy.exists());
    }

    #[test]
    fn the_copy_is_a_store_of_the_older_format() {
        let dir = tempfile::tempdir().unwrap();
        store_of_format(dir.path(), 1);
        drop(open(dir.path()).unwrap());
        // As a person would put it back: over the newer one.
        let back = tempfile::tempdir().unwrap();
        fs::copy(copy_path(dir.path(), 1), back.path().join(FILE)).unwrap();
        let options = heed::EnvOpenOptions::new().read_txn_without_tls();
        #[allow(unsafe_code)]
        // SAFETY: nothing else has this file open or changes it.
        let env = unsafe { options.clone().max_dbs(20).open(back.path()) }.unwrap();
        assert_eq!(stored_format(&env, back.path()).unwrap(), Some(1));
        drop(env);
        let environment = open(back.path()).unwrap();
        let txn = environment.read().unwrap();
        let note = environment.notes.get(&txn, b"note").unwrap();
        assert_eq!(note, Some(&b"text"[..]));
    }

    #[test]
    fn where_no_copy_can_be_kept_the_store_opens_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        store_of_format(dir.path(), 1);
        fs::create_dir(copy_path(dir.path(), 1)).unwrap();
        let environment = open(dir.path()).unwrap();
        assert_eq!(format_of(&environment), FORMAT.to_be_bytes());
        assert!(!draft_path(&copy_path(dir.path(), 1)).exists());
    }

    #[test]
    fn a_newer_store_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        store_of_format(dir.path(), FORMAT + 1);
        let before = fs::read(dir.path().join(FILE)).unwrap();
        let refused = || open(dir.path()).err().unwrap().to_string();
        let error = refused();
        assert!(
            error.contains("has format 3") && error.contains("up to 2: use a newer owl, or"),
            "{error}"
        );
        fs::write(copy_path(dir.path(), FORMAT), "").unwrap();
        let error = refused();
        assert!(error.contains("data.mdb.format-2 in the place"), "{error}");
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), before);
    }
}
