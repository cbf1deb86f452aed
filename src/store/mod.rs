//! One LMDB environment with one writer thread.
//!
//! Reads go straight to the memory map and never block. Writes are handed to the writer thread,
//! which commits in groups; a write's future is done when the commit that holds it is durable.
//!
//! Activations are in two parts, so that lists read only the first. The oldest go when there are
//! too many, too large or too old ones, and when the store is full. Keys of namespaces are sealed.

mod creation;
mod entity_changes;
mod environment;
mod error;
mod header;
mod key_records;
mod key_ring;
mod keys;
mod layout;
mod learned_keys;
#[cfg(test)]
mod learned_keys_tests;
mod learned_records;
mod lock;
mod map;
mod migration;
mod notes;
mod operation;
mod parts;
mod queue;
mod read;
mod retention;
mod seal;
#[cfg(test)]
mod tests;
mod types;
mod writer;

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use smol::channel::bounded;

pub use error::StoreError;
pub use key_records::{MAX_SECRET, MAX_UUID};
pub use key_ring::KeyEntry;
pub use learned_keys::LearnedKey;
pub use read::{Figures, Halves, Listed, Pending};
pub use retention::Usage;
pub use types::{
    ActivationFilter, ActivationRow, Change, CodeChange, Collection, EntityList, EntityWrite,
    Expect, NoteKey, NoteKind, Progress, Stored,
};

use self::lock::DaemonLock;
use crate::entity::ActivationId;
use crate::sync::lock;
use environment::Environment;
use key_ring::KeyRing;
use operation::Operation;
use queue::{Queue, Queued};
use retention::Limits;
use writer::Writer;

/// How large the store may become, and what it keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that the store can grow to; rounded down to 64 KiB. A store that holds more already
    /// keeps its size. Default: 1 GiB, and 64 MiB where addresses have 32 bits.
    pub map_size: usize,
    /// How long after its start an activation is kept. Default: 30 days.
    pub max_age: Duration,
    /// Bytes of activations with their indexes. Default: three quarters of the map.
    pub max_bytes: u64,
    /// Number of activations. Default: 250,000.
    pub max_count: u64,
    /// How long the record of a finished activation waits for others to share a commit with: a
    /// commit for each would cost a busy gateway its time and its flash. Nobody waits for it, the
    /// caller has the answer. Default: 10 ms.
    pub linger: Duration,
    /// Whether the keys of namespaces are those that a master has accepted, and those made here
    /// give no more than limits. Default: no.
    pub keys_of_master: bool,
}

impl Options {
    /// The defaults for a store that can grow to this many bytes.
    pub const fn with_map_size(map_size: usize) -> Self {
        Options {
            map_size,
            max_age: Duration::from_secs(30 * 24 * 3600),
            max_bytes: (map_size / 4 * 3) as u64,
            max_count: 250_000,
            linger: Duration::from_millis(10),
            keys_of_master: false,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::with_map_size(if usize::BITS > 32 { 1 << 30 } else { 64 << 20 })
    }
}

/// The store. Clones share it; the last one closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Closed in the order of the fields: the lock goes last.
struct Inner {
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
    keys: KeyRing,
    keys_of_master: bool,
    environment: Arc<Environment>,
    _lock: Option<DaemonLock>,
}

impl Store {
    /// Opens the store in `dir` for the daemon. Makes what is missing: the folder, closed to other
    /// users, the store, the device key, and at the first start the key of `guest`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another daemon has it; [`StoreError::Failed`] if it is of another
    /// word size or a newer format, if its device key is missing, not the right one or readable by
    /// others, or if the operating system refuses something.
    pub fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        creation::make_directory(dir)?;
        let lock = DaemonLock::take(dir)?;
        Self::start(dir, options, Some(lock))
    }

    /// Whether `dir` has a store. Opening it would make one.
    pub fn is_in(dir: &Path) -> bool {
        dir.join(environment::FILE).exists()
    }

    /// Opens the store in `dir` for a tool, whether a daemon has it or not. Its size stays as it
    /// is, and retention is left to the daemon.
    ///
    /// # Errors
    /// As [`Self::open`], but never [`StoreError::Locked`].
    pub fn open_shared(dir: &Path) -> Result<Self, StoreError> {
        creation::make_directory(dir)?;
        let options = Options {
            max_age: Duration::MAX,
            max_bytes: u64::MAX,
            max_count: u64::MAX,
            ..Options::default()
        };
        Self::start(dir, options, None)
    }

    fn start(dir: &Path, options: Options, lock: Option<DaemonLock>) -> Result<Self, StoreError> {
        // A tool must not change the size of the map under a daemon.
        let keep_size = lock.is_none() && Self::is_in(dir);
        let map_size = (!keep_size).then_some(options.map_size);
        let environment = Arc::new(Environment::open(dir, map_size)?);
        let keys = KeyRing::open(&environment, dir)?;
        let limits = Limits {
            activations: options.max_count,
            activation_bytes: options.max_bytes,
            age: u64::try_from(options.max_age.as_millis()).unwrap_or(u64::MAX),
            reserve: Limits::reserve_of(environment.map_size()),
        };
        let queue = Arc::new(Queue::new(options.linger));
        let writer = Writer::new(environment.clone(), queue.clone(), limits);
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::file("cannot start the writer of", dir, &error))?;
        let inner = Inner {
            queue,
            writer: Mutex::new(Some(writer)),
            keys,
            keys_of_master: options.keys_of_master,
            environment,
            _lock: lock,
        };
        Ok(Store {
            inner: Arc::new(inner),
        })
    }

    /// The id that this store's daemon has for ever: 16 hexadecimal digits.
    pub fn daemon_id(&self) -> Result<String, StoreError> {
        self.environment().daemon_id()
    }

    /// Writes what is queued and stops the writer; blocks until that is done. Writes that come
    /// later fail; reads go on. Dropping the last clone does the same.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Writes an entity; gives its revision.
    ///
    /// # Errors
    /// [`StoreError::Exists`] or [`StoreError::Changed`] if what is there is not what `expect`
    /// says, [`StoreError::Full`].
    pub fn put_entity(
        &self,
        write: EntityWrite,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send + 'static + use<> {
        self.submit(Operation::PutEntity(write))
    }

    /// Removes an entity and its code.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not there, or not at this revision.
    pub fn delete_entity(
        &self,
        path: &str,
        revision: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.submit_unit(Operation::DeleteEntity(path.to_owned(), revision))
    }

    /// Writes and removes several entities in one commit, all or none. No path may be there twice.
    /// Gives the revision that everything written has from now on.
    ///
    /// # Errors
    /// [`StoreError::Exists`] or [`StoreError::Changed`] if one of them is not as expected,
    /// [`StoreError::Full`].
    pub fn write_all(
        &self,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send + 'static + use<> {
        self.submit(Operation::Changes(changes))
    }

    /// Keeps what is needed to run an activation after a restart, until its record is put.
    pub fn accept(
        &self,
        id: ActivationId,
        document: Vec<u8>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.submit_unit(Operation::Accept(id, document))
    }

    /// [`Self::accept`] with an id that somebody else has chosen.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if an activation has it, be it ended or not, and whosever it is.
    pub fn accept_new(
        &self,
        id: ActivationId,
        document: Vec<u8>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.submit_unit(Operation::AcceptNew(id, document))
    }

    /// Marks an accepted activation as started: it is not run again. Queued at once, like
    /// [`Self::put_activation`].
    pub fn mark_started(
        &self,
        id: ActivationId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.submit_unit(Operation::MarkStarted(id))
    }

    /// Keeps what is known of a running activation in the place of what was kept of it before, so
    /// that a restart can close it. Nobody waits for this: it shares a commit with what comes
    /// next, before which it is written. One that has ended stays ended.
    pub fn note_running(&self, id: ActivationId, document: Vec<u8>) {
        drop(self.submit(Operation::NoteRunning(id, document)));
    }

    /// Keeps the record of a finished activation; it is not pending any more from the same commit
    /// on. Queued at once, also if the future is never polled. Where the file system is full, the
    /// record is tried again later though the future fails.
    pub fn put_activation(
        &self,
        row: ActivationRow,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.submit_unit(Operation::PutActivation(row))
    }

    /// Has what is queued committed without waiting for more: somebody waits for it.
    pub fn hurry(&self) {
        self.inner.queue.hurry();
    }

    /// Removes what [`Store::accept`] has kept of an activation that is to leave no record.
    pub fn forget(
        &self,
        id: ActivationId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.submit_unit(Operation::Forget(id))
    }

    fn submit_unit(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let done = self.submit(operation);
        async move { done.await.map(drop) }
    }

    /// Hands an operation to the writer, at once if there is room or it needs none, else when the
    /// future is polled.
    fn submit(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send + 'static + use<> {
        let (reply, answer) = bounded(1);
        let queue = self.inner.queue.clone();
        let waiting = queue.offer(Queued { operation, reply });
        async move {
            if let Some(queued) = waiting {
                queue.push(queued).await;
            }
            answer
                .recv()
                .await
                .unwrap_or_else(|_| Err(StoreError::closed()))
        }
    }

    fn environment(&self) -> &Environment {
        &self.inner.environment
    }
}

impl Inner {
    fn close(&self) {
        self.queue.close();
        let writer = lock(&self.writer).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            log::error!("the writer of the store has failed: what was queued may be lost");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
