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
use crate::store::StoreError;

/// How long is waited after something failed here.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How often it is looked, while any wait, whether somebody has decided about them, or has set the
/// clock that their ages are told by.
const DECISIONS: Duration = Duration::from_secs(15);

impl Fires {
    /// Delivers what waits and what comes. Never ends; dropping it is as good as a crash: what was
    /// begun is sent once more.
    pub async fn deliver(self) {
        loop {
            let changed = self.0.changed.listen();
            let settled = self.0.rooms.journal.listen_settled();
            let until = match self.deliver_waiting().await {
                Ok(until) => until,
                Err(error) => {
                    log::error!("fired triggers cannot be delivered now: {error}");
                    Some(Instant::now() + AFTER_FAILURE)
                }
            };
            let Some(until) = until else {
                changed.await;
                continue;
            };
            let settled = async {
                settled.await;
            };
            let woken = async {
                changed.await;
            };
            or(woken, or(settled, sleep(until))).await;
        }
    }

    /// Delivers all that can be delivered now; gives when to come again, if not only for new ones.
    pub(crate) async fn deliver_waiting(&self) -> Result<Option<Instant>, FireError> {
        let upstream = &self.0.rooms.upstream;
        loop {
            self.obey().await?;
            self.give_up_expired().await?;
            self.release();
            let look = self.next_look();
            match self.state(|state| state.queue.next(Instant::now())) {
                Next::Nothing if self.state(|state| state.queue.is_empty()) => return Ok(None),
                // All that wait are another master's, or wait for the journal.
                Next::Nothing => return Ok(Some(look)),
                Next::At(until) => return Ok(Some(until.min(look))),
                Next::Fire(_) if upstream.is_down() => or(upstream.up(), sleep(look)).await,
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

    /// Lets go on those of namespaces whose changes the master has got now.
    fn release(&self) {
        let journal = &self.0.rooms.journal;
        self.state(|state| state.queue.release(|namespace| journal.has_of(namespace)));
    }

    /// When those that wait are looked at again, whatever else comes: the next one will have waited
    /// too long, or somebody may have decided about one.
    fn next_look(&self) -> Instant {
        let expiry = self.state(|state| state.queue.until_expiry(now()));
        Instant::now() + expiry.map_or(DECISIONS, |wait| wait.min(DECISIONS))
    }

    async fn obey(&self) -> Result<(), StoreError> {
        let _turn = self.0.turn.lock().await;
        self.obey_in_turn()
    }

    /// Goes by what people have decided since it was looked at last. To be called while no other
    /// comes or goes.
    pub(super) fn obey_in_turn(&self) -> Result<(), StoreError> {
        let decided = self.0.book.decided()?;
        if self.state(|state| state.decided == decided) {
            return Ok(());
        }
        let stored = self.stored()?;
        self.state(|state| {
            state.queue.renew(&stored);
            state.counts.dropped = decided.dropped;
            state.decided = decided;
        });
        Ok(())
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
            self.state(|state| state.queue.hold(&fire.namespace));
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
        self.0.book.write(changes).await?;
        let left = self.state(|state| {
            state.queue.remove(number);
            state.queue.resume(&path);
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
            self.0.book.write(changes).await?;
            self.state(|state| {
                state.queue.remove(number);
                state.counts = counts;
            });
        }
        Ok(())
    }
}

async fn sleep(until: Instant) {
    Timer::at(until).await;
}
