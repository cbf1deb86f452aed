//! Opening the LMDB environment and its databases.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, WithoutTls};
use ring::rand::{SecureRandom, SystemRandom};

use super::creation;
use super::error::StoreError;
use super::header::{WORD_BITS, read_header, word_size, wrong_word_size};
use super::layout::FORMAT;
use super::map::Map;
use super::migration;

/// A named database: bytes to bytes, in the order of the keys' bytes.
pub(super) type Table = Database<'static, Bytes, Bytes>;

/// A transaction that only reads.
pub(super) type ReadTxn<'e> = heed::RoTxn<'e, WithoutTls>;

/// Either kind of transaction.
pub(super) type AnyTxn<'e> = heed::RoTxn<'e, heed::AnyTls>;

/// Map sizes are rounded down to this: a multiple of the page size of every Linux on ARM and x86.
const MAP_UNIT: usize = 64 * 1024;

/// Name of the file that has everything.
pub(super) const FILE: &str = "data.mdb";

/// The environment and everything in it.
pub(super) struct Environment {
    env: Env<WithoutTls>,
    /// None where the kernel does not tell: then it stays as it is.
    map: Option<Map>,
    /// Format, daemon id, marks of what was done once.
    pub(super) meta: Table,
    /// Path key → header and document.
    pub(super) entities: Table,
    /// Path key → code.
    pub(super) code: Table,
    /// Namespace, collection, updated, path → path key.
    pub(super) entity_list: Table,
    /// Id → document, and id with a mark → nothing.
    pub(super) pending: Table,
    /// Start, id → header and summary. Oldest first, so it serves retention too.
    pub(super) heads: Table,
    /// Start, id → the rest of the record.
    pub(super) tails: Table,
    /// Namespace or namespace and name, start, id → nothing.
    pub(super) lists: Table,
    /// Id → start.
    pub(super) ids: Table,
    /// Namespaces with their sealed keys, and uuids.
    pub(super) keys: Table,
    /// Key of a note → what it says.
    pub(super) notes: Table,
    /// Commits of this process that may have changed an action or a package.
    pub(super) catalogue_changes: AtomicU64,
}

/// Name of [`Environment::meta`], in every format.
pub(super) const META_TABLE: &str = "meta";

/// Names of the databases, in the order of the fields.
const TABLES: [&str; 11] = [
    META_TABLE,
    "entities",
    "code",
    "entity list",
    "pending",
    "activation heads",
    "activation tails",
    "activation lists",
    "activation ids",
    "keys",
    "notes",
];

pub(super) const META_FORMAT: &[u8] = b"format";
const META_WORD: &[u8] = b"word size";
const META_EVICTION: &[u8] = b"last eviction";
const META_DAEMON: &[u8] = b"daemon id";

impl Environment {
    /// Opens the environment in `dir`, and makes what is missing. `map_size` is in bytes; without
    /// it a store keeps the size that it has.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: the directory cannot be made, the store is of another word size or
    /// of a newer format, it is open in this process already, or LMDB fails.
    pub(super) fn open(dir: &Path, map_size: Option<usize>) -> Result<Self, StoreError> {
        let file = dir.join(FILE);
        let header = read_header(&file)
            .map_err(|error| StoreError::file("cannot read the store", &file, &error))?;
        if let Some(bits) = word_size(&header).filter(|&bits| bits != WORD_BITS) {
            return Err(wrong_word_size(dir, bits));
        }
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.max_dbs(TABLES.len() as u32);
        if let Some(size) = map_size {
            options.map_size((size / MAP_UNIT).max(1) * MAP_UNIT);
        }
        let open = |path: &Path, flags| {
            open_environment(&options, path, flags).map_err(|error| explain(dir, error))
        };
        creation::make_if_missing(dir, |draft| {
            let env = open(draft, EnvFlags::NO_SUB_DIR)?;
            open_tables(&env, dir).map(drop)
        })?;
        let env = open(dir, EnvFlags::empty())?;
        // Slots of readers that were killed would keep old pages from being used again.
        env.clear_stale_readers()?;
        migration::prepare(&env, dir)?;
        let tables = open_tables(&env, dir)?;
        let [
            meta,
            entities,
            code,
            entity_list,
            pending,
            heads,
            tails,
            lists,
            ids,
            keys,
            notes,
        ] = tables;
        let environment = Environment {
            env,
            map: Map::of(&file),
            meta,
            entities,
            code,
            entity_list,
            pending,
            heads,
            tails,
            lists,
            ids,
            keys,
            notes,
            catalogue_changes: AtomicU64::new(0),
        };
        environment.mark_format()?;
        Ok(environment)
    }

    /// Marks a store of an older format as one of this: what is written from now on, an older owl
    /// would not understand.
    fn mark_format(&self) -> Result<(), heed::Error> {
        let format = FORMAT.to_be_bytes();
        let mut txn = self.write()?;
        if self.meta.get(&txn, META_FORMAT)? == Some(&format) {
            return Ok(());
        }
        let marked = self.meta.put(&mut txn, META_FORMAT, &format);
        match marked.and_then(|()| txn.commit()) {
            // It must be opened for something to be deleted; the next start has room.
            Err(heed::Error::Mdb(MdbError::MapFull)) => Ok(()),
            marked => marked,
        }
    }

    /// A snapshot to read from. Keep it short: it keeps old pages from being used again.
    pub(super) fn read(&self) -> Result<ReadTxn<'_>, heed::Error> {
        self.env.read_txn()
    }

    /// The one transaction that writes; waits for those of other processes.
    pub(super) fn write(&self) -> Result<heed::RwTxn<'_>, heed::Error> {
        self.env.write_txn()
    }

    /// Frees the slots of readers that were killed.
    pub(super) fn clear_stale_readers(&self) -> Result<usize, heed::Error> {
        self.env.clear_stale_readers()
    }

    /// To be told how many records were read and written, and their bytes: keeps what is mapped
    /// small.
    pub(super) fn looked_at(&self, records: usize, bytes: usize) {
        if let Some(map) = &self.map {
            map.looked_at(records, bytes);
        }
    }

    /// Nothing is going to be looked at for a while.
    pub(super) fn rest(&self) {
        if let Some(map) = &self.map {
            map.give_back();
        }
    }

    /// Bytes that the store may grow to.
    pub(super) fn map_size(&self) -> u64 {
        self.env.info().map_size as u64
    }

    /// Commits since the store was made.
    pub(super) fn commits(&self) -> u64 {
        self.env.info().last_txn_id as u64
    }

    /// The id that this store's daemon has for ever: 16 hexadecimal digits.
    pub(super) fn daemon_id(&self) -> Result<String, StoreError> {
        let txn = self.read()?;
        let id = self.meta.get(&txn, META_DAEMON)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(id).into_owned())
    }

    /// Makes the transaction change something, so that its commit counts as one: LMDB uses pages
    /// again only a number of commits after they were given back.
    pub(super) fn mark_eviction(&self, txn: &mut heed::RwTxn<'_>) -> Result<(), heed::Error> {
        let number = (txn.id() as u64).to_be_bytes();
        self.meta.put(txn, META_EVICTION, &number)
    }

    /// Bytes of the pages of some databases.
    pub(super) fn bytes_of(&self, txn: &AnyTxn, tables: &[Table]) -> Result<u64, heed::Error> {
        let mut bytes = 0;
        for table in tables {
            let stat = table.stat(txn)?;
            let pages = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
            bytes += pages as u64 * u64::from(stat.page_size);
        }
        Ok(bytes)
    }
}

#[allow(unsafe_code)]
fn open_environment(
    options: &EnvOpenOptions<WithoutTls>,
    path: &Path,
    place: EnvFlags,
) -> Result<Env<WithoutTls>, heed::Error> {
    let mut options = options.clone();
    // SAFETY: `NO_READ_AHEAD` only changes how pages are read from storage, and `place` whether
    // the path is that of a folder. The map is of a file in a folder that is closed to other users,
    // and which nothing but LMDB writes, under its locks; none of the flags that give up locks or
    // syncing is set. A draft is closed before it gets its other name.
    unsafe {
        options.flags(EnvFlags::NO_READ_AHEAD | place);
        options.open(path)
    }
}

fn open_tables(env: &Env<WithoutTls>, dir: &Path) -> Result<[Table; TABLES.len()], StoreError> {
    let txn = env.write_txn()?;
    let tables = env.create_databases_and_commit(txn, |opener, txn| {
        let meta = opener.create_database::<Bytes, Bytes>(txn, Some(TABLES[0]))?;
        if meta.get(txn, META_FORMAT)?.is_none() {
            meta.put(txn, META_FORMAT, &FORMAT.to_be_bytes())?;
            meta.put(txn, META_WORD, &WORD_BITS.to_be_bytes())?;
            meta.put(txn, META_DAEMON, random_daemon_id().as_bytes())?;
        }
        let mut tables = [meta; TABLES.len()];
        for (table, name) in tables.iter_mut().zip(TABLES).skip(1) {
            *table = opener.create_database(txn, Some(name))?;
        }
        Ok::<_, StoreError>(CommitOrAbort::<_, ()>::Commit(tables))
    })?;
    tables
        .commit()
        .ok_or_else(|| StoreError::Failed(format!("cannot set up the store in {}", dir.display())))
}

fn random_daemon_id() -> String {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the kernel gives random bytes");
    format!("{:016x}", u64::from_be_bytes(bytes))
}

fn explain(dir: &Path, error: heed::Error) -> StoreError {
    let dir = dir.display();
    StoreError::Failed(match error {
        heed::Error::EnvAlreadyOpened => format!("the store in {dir} is already open"),
        heed::Error::Mdb(MdbError::Invalid | MdbError::VersionMismatch) => format!(
            "data.mdb in {dir} is not a store of owl, or is damaged: restore it from a backup, or \
             use another data directory"
        ),
        heed::Error::Io(error) if error.kind() == ErrorKind::OutOfMemory => format!(
            "cannot map the store in {dir} into memory: {error}: give it a smaller map size"
        ),
        error => format!("cannot open the store in {dir}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_store_knows_its_word_size() {
        let dir = tempfile::tempdir().unwrap();
        drop(Environment::open(dir.path(), Some(1 << 20)).unwrap());
        let header = read_header(&dir.path().join("data.mdb")).unwrap();
        assert_eq!(word_size(&header), Some(usize::BITS));
    }

    #[test]
    fn a_store_of_the_other_word_size_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut header = [0; 4096];
        let (at, bits) = if usize::BITS == 64 {
            (12, 32)
        } else {
            (16, 64)
        };
        header[at..at + 4].copy_from_slice(&0xBEEF_C0DE_u32.to_ne_bytes());
        fs::write(dir.path().join("data.mdb"), header).unwrap();
        let error = Environment::open(dir.path(), None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(&format!(
            "{bits}-bit owl, and this one is {}-bit",
            usize::BITS
        )));
    }

    #[test]
    fn a_file_that_is_no_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("data.mdb"), [1; 8192]).unwrap();
        let error = Environment::open(dir.path(), None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("is not a store of owl"), "{error}");
    }

    #[test]
    fn the_daemon_id_stays() {
        let dir = tempfile::tempdir().unwrap();
        let id = || {
            let environment = Environment::open(dir.path(), Some(1 << 20)).unwrap();
            environment.daemon_id().unwrap()
        };
        let first = id();
        assert_eq!(first.len(), 16);
        assert_eq!(id(), first);
    }

    #[test]
    fn resting_gives_pages_back_and_what_was_read_stays() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::open(dir.path(), Some(16 << 20)).unwrap();
        let mut txn = environment.write().unwrap();
        environment
            .code
            .put(&mut txn, b"key", &[7; 8 << 20])
            .unwrap();
        txn.commit().unwrap();
        let mapped = || {
            let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
            let file = fs::canonicalize(dir.path().join("data.mdb")).unwrap();
            let (_, map) = smaps.split_once(file.to_str().unwrap()).unwrap();
            let line = map.lines().find_map(|line| line.strip_prefix("Rss:"));
            let kib = line.and_then(|line| line.split_whitespace().next());
            kib.unwrap().parse::<usize>().unwrap()
        };
        let txn = environment.read().unwrap();
        let code = environment.code.get(&txn, b"key").unwrap().unwrap();
        assert!(code.iter().all(|byte| *byte == 7));
        assert!(mapped() >= 8 << 10);
        environment.rest();
        assert_eq!(mapped(), 0);
        assert!(code.iter().all(|byte| *byte == 7));
    }
}
