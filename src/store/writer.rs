//! The thread that writes: one durable commit for all operations that wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use heed::MdbError;

use crate::clock::now;

use super::environment::Environment;
use super::error::StoreError;
use super::operation::{Done, Operation};
use super::queue::{Queue, Queued, Work};
use super::retention::{Limits, remove_oldest};

/// Records that one commit removes when nothing else is to do, or when room is needed.
const EVICT_STEP: usize = 64;

/// Commits after which the pages that one commit gave back can be used.
const PAGES_COME_BACK: u32 = 2;

/// How long readers are waited for who keep the pages that a commit needs; they are done within
/// milliseconds, unless their thread does not run.
const READERS_END: Duration = Duration::from_millis(500);

/// How often it is looked meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// About how many places of the file a record is in.
const PLACES: usize = 4;

/// How long nothing must come before other work is done.
const PAUSE: Duration = Duration::from_secs(1);

/// How soon records that could not be written are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Bytes of records that wait for room on the file system; beyond, the oldest of them go.
const MAX_PARKED: u64 = 4 << 20;

/// Everything that the thread needs.
pub(super) struct Writer {
    environment: Arc<Environment>,
    queue: Arc<Queue>,
    limits: Limits,
    /// Finished activations whose commit failed, oldest first.
    parked: VecDeque<Operation>,
    /// Whether the last commit failed: failures are told once, and so is their end.
    failing: bool,
    /// How much longer readers are waited for, until a wait was of use or nothing is to do: a store
    /// that is full for good does not hold up what else is written.
    forbearance: Duration,
}

impl Writer {
    pub(super) fn new(environment: Arc<Environment>, queue: Arc<Queue>, limits: Limits) -> Self {
        Writer {
            environment,
            queue,
            limits,
            parked: VecDeque::new(),
            failing: false,
            forbearance: READERS_END,
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let mut patience = Duration::ZERO;
        loop {
            patience = match self.queue.take(patience) {
                Work::Batch(batch) => {
                    self.serve(batch);
                    PAUSE
                }
                Work::Idle => {
                    self.forbearance = READERS_END;
                    self.tidy()
                }
                Work::Closed => break,
            };
        }
        self.flush_parked();
        if !self.parked.is_empty() {
            log::error!(
                "{} activation records are lost: they could not be written before the end",
                self.parked.len()
            );
        }
    }

    /// Commits a batch and tells each caller.
    fn serve(&mut self, batch: Vec<Queued>) {
        let (operations, replies): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|queued| (queued.operation, queued.reply))
            .unzip();
        let results = self.commit_all(&operations);
        if operations.iter().any(Operation::changes_catalogue) {
            // Before anybody is told: whoever knows of the change finds it.
            let changes = &self.environment.catalogue_changes;
            changes.fetch_add(1, Ordering::Release);
        }
        for ((operation, reply), result) in operations.into_iter().zip(replies).zip(results) {
            if matches!(result, Err(StoreError::Failed(_))) {
                self.park(operation);
            }
            // Whoever does not listen does not want to know.
            let _ = reply.try_send(result);
        }
    }

    /// Work for when no operation waits: old records go, parked ones are tried again. Gives the
    /// time until there is more of it.
    fn tidy(&mut self) -> Duration {
        self.flush_parked();
        if !self.parked.is_empty() {
            return RETRY;
        }
        match self.evict(EVICT_STEP, false) {
            Ok(0) => {
                let patience = self.next_expiry();
                self.environment.rest();
                patience
            }
            Ok(_) => {
                self.worked();
                Duration::ZERO
            }
            Err(error) => {
                self.failed(&error.into());
                RETRY
            }
        }
    }

    fn next_expiry(&self) -> Duration {
        let usage = self
            .environment
            .read()
            .and_then(|txn| self.environment.usage(&txn));
        usage.map_or(RETRY, |usage| self.limits.next_expiry(&usage, now()))
    }

    /// A result for each operation. If one commit cannot hold them all, each gets its own.
    fn commit_all(&mut self, operations: &[Operation]) -> Vec<Done> {
        let result = self.commit_with_room(operations);
        match (result, operations) {
            (Ok(results), _) => {
                self.worked();
                results
            }
            (Err(heed::Error::Mdb(MdbError::MapFull)), [_, _, ..]) => operations
                .iter()
                .flat_map(|operation| self.commit_all(std::slice::from_ref(operation)))
                .collect(),
            (Err(error), _) => {
                let error = StoreError::from(error);
                if matches!(error, StoreError::Failed(_)) {
                    self.failed(&error);
                }
                vec![Err(error); operations.len()]
            }
        }
    }

    /// Commits, and where the map is full evicts more and more until it works or nothing is left.
    /// Pages that were given back cannot be used while somebody reads who began before that.
    fn commit_with_room(&mut self, operations: &[Operation]) -> Result<Vec<Done>, heed::Error> {
        let mut step = EVICT_STEP;
        let mut turns = 0;
        let mut waited = false;
        loop {
            let result = self.commit(operations);
            if !matches!(result, Err(heed::Error::Mdb(MdbError::MapFull))) {
                if waited && result.is_ok() {
                    self.forbearance = READERS_END;
                }
                return result;
            }
            // Several at a time are tried one by one, which needs less.
            let may_wait = operations.len() == 1 && !self.forbearance.is_zero();
            if turns >= PAGES_COME_BACK && !may_wait {
                return result;
            }
            self.environment.clear_stale_readers()?;
            match self.evict(step, true) {
                // What goes needs pages, too.
                Ok(0) | Err(heed::Error::Mdb(MdbError::MapFull)) => turns += 1,
                evicted => _ = evicted?,
            }
            step = step.saturating_mul(2);
            if turns > PAGES_COME_BACK {
                waited = true;
                self.forbearance = self.forbearance.saturating_sub(LOOK);
                thread::sleep(LOOK);
            }
        }
    }

    /// One commit of all the operations, without those that are refused.
    fn commit(&self, operations: &[Operation]) -> Result<Vec<Done>, heed::Error> {
        let environment = &self.environment;
        let mut txn = environment.write()?;
        let mut usage = environment.usage(&txn)?;
        let fits = |operation: &&Operation| self.limits.fits(&usage, operation);
        let more = operations.iter().filter(fits).map(Operation::bytes).sum();
        // A full store stays at its limit: what comes in puts as much out in the same commit.
        for _ in 0..=operations.len() {
            if !self.limits.exceeded(&usage, more, now()) || !remove_oldest(environment, &mut txn)?
            {
                break;
            }
            usage = environment.usage(&txn)?;
        }
        if self.limits.needs_eviction(&usage, more) {
            return Err(MdbError::MapFull.into());
        }
        // No other commit ever has this number, and a batch is far below 65,536 operations.
        let revision = (txn.id() as u64) << 16;
        let results = operations
            .iter()
            .zip(revision..)
            .map(|(operation, revision)| {
                if self.limits.fits(&usage, operation) {
                    operation.apply(environment, &mut txn, revision)
                } else {
                    Ok(Err(StoreError::Full))
                }
            })
            .collect::<Result<_, _>>()?;
        txn.commit()?;
        environment.looked_at(PLACES * (operations.len() + 1), 0);
        Ok(results)
    }

    /// Removes up to `most` of the oldest activations, those beyond the limits or, if `forced`,
    /// any. Gives their number.
    fn evict(&self, most: usize, forced: bool) -> Result<usize, heed::Error> {
        let environment = &self.environment;
        let mut txn = environment.write()?;
        let mut removed = 0;
        while removed < most {
            let usage = environment.usage(&txn)?;
            let goes = forced || self.limits.exceeded(&usage, 0, now());
            if !goes || !remove_oldest(environment, &mut txn)? {
                break;
            }
            removed += 1;
        }
        if forced {
            environment.mark_eviction(&mut txn)?;
        }
        if forced || removed > 0 {
            txn.commit()?;
            environment.looked_at(PLACES * (removed + 1), 0);
        }
        Ok(removed)
    }

    /// Keeps the record of a finished activation for a later commit: its caller is gone then, but
    /// who asks for the activation should find it once there is room again.
    fn park(&mut self, operation: Operation) {
        if !matches!(operation, Operation::PutActivation(_)) {
            return;
        }
        self.parked.push_back(operation);
        while self.parked.iter().map(Operation::bytes).sum::<u64>() > MAX_PARKED {
            self.parked.pop_front();
            log::error!("an activation record is lost: too many wait for room in the store");
        }
    }

    /// Tries parked records again, one by one, up to the first that fails.
    fn flush_parked(&mut self) {
        while let Some(operation) = self.parked.pop_front() {
            let results = self.commit_all(std::slice::from_ref(&operation));
            if results.iter().any(Result::is_err) {
                self.parked.push_front(operation);
                break;
            }
        }
    }

    fn failed(&mut self, error: &StoreError) {
        if !self.failing {
            log::error!("{error}");
        }
        self.failing = true;
    }

    fn worked(&mut self) {
        if self.failing {
            log::warn!("the store can be written again");
        }
        self.failing = false;
    }
}
