//! What waits is delivered, one after another, for as long as the daemon runs.

use std::time::{Duration, Instant};

use futures_lite::future::or;
use smol::Timer;

use super::Fires;
use super::answer::{Delay, Judged, MAX_ANSWER, judge};
use super::book;
use super::error::FireError;
use super::fire::StoredFire;
use super::queue::Next;
use super::record::{Cause, Stage};
use crate::clock::now;
use crate::store::{Change, StoreError};

/// How long is waited after something failed here.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Longest sleep: the clock that ages are told by may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);

impl Fires {
    /// Delivers what waits and what comes. Never ends; dropping it is as good as a crash: what was
    /// begun is sent once more.
    pub async fn deliver(self) {
        loop {
            let changed = self.0.changed.listen();
            let until = match self.deliver_waiting().await {
                Ok(until) => until,
                Err(error) => {
                    log::error!("fired triggers cannot be delivered now: {error}");
                    Some(Instant::now() + AFTER_FAILURE)
                }
            };
            let woken = async {
                changed.await;
            };
            match until {
                None => woken.await,
                Some(until) => or(woken, sleep(until)).await,
            }
        }
    }

    /// Delivers all that can be delivered now; gives when to come again, if not only for new ones.
    pub(crate) async fn deliver_waiting(&self) -> Result<Option<Instant>, FireError> {
        let upstream = &self.0.rooms.upstream;
        loop {
            self.give_up_expired().await?;
            let expiry = self.expiry();
            match self.state(|state| state.queue.next(Instant::now())) {
                Next::Nothing => return Ok(None),
                Next::At(until) => return Ok(Some(expiry.map_or(until, |at| at.min(until)))),
                Next::Fire(_) if upstream.is_down() => match expiry {
                    Some(expiry) => or(upstream.up(), sleep(expiry)).await,
                    None => upstream.up().await,
                },
                Next::Fire(_) => {
                    if upstream.turn().await.is_ok()
                        && let Some(number) = self.begin().await
                    {
                        let delivered = self.deliver_one(number).await;
                        self.state(|state| state.queue.end());
                        delivered?;
                    }
                }
            }
        }
    }

    /// When the next one will have waited too long.
    fn expiry(&self) -> Option<Instant> {
        let wait = self.state(|state| state.queue.until_expiry(now()))?;
        Some(Instant::now() + wait.min(LONGEST_SLEEP))
    }

    /// Takes what is next. From now on it is not given up.
    async fn begin(&self) -> Option<u64> {
        let _turn = self.0.turn.lock().await;
        self.state(|state| match state.queue.next(Instant::now()) {
            Next::Fire(number) => {
                state.queue.begin(number);
                Some(number)
            }
            Next::At(_) | Next::Nothing => None,
        })
    }

    async fn deliver_one(&self, number: u64) -> Result<(), FireError> {
        let rooms = &self.0.rooms;
        let Some(fire) = self.0.book.fire(number)? else {
            // Nobody can say what it was.
            self.state(|state| state.queue.remove(number));
            return Ok(());
        };
        let Some(identity) = rooms.keys.known(&fire.uuid)? else {
            let reason = "the key that it was fired with is not good any more";
            return self
                .settle(number, &fire, Stage::Refused(reason.to_owned()))
                .await;
        };
        if rooms.journal.has_of(&fire.namespace) {
            // The trigger, or a rule of it, may be among what is not there yet.
            self.state(|state| state.queue.pause(&fire.namespace, Instant::now()));
            return Ok(());
        }
        let answer = rooms
            .upstream
            .fetch(fire.request(&identity), MAX_ANSWER)
            .await;
        match judge(answer) {
            Judged::Final(stage) => self.settle(number, &fire, stage).await,
            Judged::Later(delay) => {
                self.later(&fire, &delay);
                Ok(())
            }
        }
    }

    fn later(&self, fire: &StoredFire, delay: &Delay) {
        let path = fire.path();
        let (of, reason) = match delay {
            Delay::Key(reason) => {
                // If it is refused, it is not known when this one comes again.
                self.0.rooms.keys.doubt(&fire.uuid);
                (&path, reason)
            }
            Delay::Throttled(reason) => (&fire.namespace, reason),
            Delay::Trouble(reason) => (&path, reason),
        };
        log::debug!("the trigger {path}, fired as {}, waits: {reason}", fire.id);
        self.state(|state| state.queue.pause(of, Instant::now()));
    }

    /// One has got its answer: it waits no longer, and its record tells of it.
    async fn settle(&self, number: u64, fire: &StoredFire, stage: Stage) -> Result<(), FireError> {
        let _turn = self.0.turn.lock().await;
        let mut counts = self.state(|state| state.counts);
        let (id, path) = (fire.id, fire.path());
        match &stage {
            Stage::Refused(reason) => {
                counts.refused += 1;
                log::debug!("the trigger {path}, fired as {id}, is refused: {reason}");
                if let Some(times) = self.state(|state| state.refused.add(Instant::now())) {
                    log::warn!(
                        "{times} fired triggers were refused by the master; the last, {path}: \
                         {reason}. owl sync status has the numbers"
                    );
                }
            }
            _ => {
                counts.delivered += 1;
                log::debug!("the master has got the trigger {path}, fired as {id}");
            }
        }
        let mut changes = self.ended(number, Some(fire), &stage);
        changes.push(book::counted(&counts));
        self.write(changes).await?;
        let left = self.state(|state| {
            state.queue.remove(number);
            state.queue.resume(&fire.namespace);
            state.counts = counts;
            state.queue.len()
        });
        if left == 0 {
            log::info!("no fired trigger waits for the master any more");
        }
        Ok(())
    }

    async fn give_up_expired(&self) -> Result<(), FireError> {
        let expired = || self.state(|state| state.queue.expired(now()));
        if expired().is_empty() {
            return Ok(());
        }
        let _turn = self.0.turn.lock().await;
        for number in expired() {
            let mut counts = self.state(|state| state.counts);
            counts.add_given_up(Cause::Expired);
            let mut changes = self.given_up(number, Cause::Expired)?;
            changes.push(book::counted(&counts));
            self.write(changes).await?;
            self.state(|state| {
                state.queue.remove(number);
                state.counts = counts;
            });
        }
        Ok(())
    }

    /// Makes changes; in a store that is full without the record, which is not worth a second
    /// delivery.
    async fn write(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let store = &self.0.rooms.store;
        match store.write_all(changes.clone()).await {
            Err(StoreError::Full) => {
                let only = |change: &Change| matches!(change, Change::Unnote { .. });
                let removals = changes.into_iter().filter(only).collect();
                store.write_all(removals).await.map(drop)
            }
            written => written.map(drop),
        }
    }
}

async fn sleep(until: Instant) {
    Timer::at(until).await;
}
