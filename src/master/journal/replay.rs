//! The journal is replayed: what the state machine asks for is carried out, one entry after
//! another, for as long as the daemon runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::future::or;
use smol::Timer;

use super::Journal;
use super::entry::{Entry, State};
use super::error::JournalError;
use super::machine::{Answer, Delay, Ending, Replay, Step, Theirs};
use super::order::{Next, Order};
use super::requests::Requests;
use crate::entity::Identity;
use crate::master::Keys;
use crate::store::StoreError;
use crate::sync::lock;
use crate::upstream::{Upstream, Via};

/// How often the journal is read while entries that came to nothing, or are for another master, are
/// in it: `owl sync retry` has them sent.
const DECISIONS: Duration = Duration::from_secs(15);

/// How long is waited after something failed here.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Keys by their uuids, as far as they are known without the master.
pub trait Credentials: Send + Sync {
    /// Whose a key is, with the key; none if nobody knows it any more.
    ///
    /// # Errors
    /// The store failed.
    fn known(&self, uuid: &str) -> Result<Option<Arc<Identity>>, StoreError>;

    /// The master has not taken a key: it is asked whether it is good.
    fn doubt(&self, uuid: &str);
}

impl Credentials for Keys {
    fn known(&self, uuid: &str) -> Result<Option<Arc<Identity>>, StoreError> {
        Keys::known(self, uuid)
    }

    fn doubt(&self, uuid: &str) {
        Keys::doubt(self, uuid);
    }
}

/// Whoever replays a journal.
pub struct Replayer {
    journal: Arc<Journal>,
    requests: Requests,
    keys: Arc<dyn Credentials>,
    order: Order,
}

impl Replayer {
    /// The one who replays `journal` to `upstream`.
    pub fn new(
        journal: Arc<Journal>,
        upstream: Upstream,
        via: Via,
        keys: Arc<dyn Credentials>,
    ) -> Self {
        Replayer {
            journal,
            requests: Requests { upstream, via },
            keys,
            order: Order::default(),
        }
    }

    /// Goes another way to the master.
    #[cfg(test)]
    pub(super) fn reach(&mut self, upstream: Upstream) {
        self.requests.upstream = upstream;
    }

    /// Replays what is there and what comes. Never ends; dropping it is as good as a crash: what
    /// was begun is found again.
    pub async fn run(mut self) {
        loop {
            let changed = self.journal.listen();
            let pause = match self.replay_waiting().await {
                Ok(pause) => pause,
                Err(error) => {
                    log::error!("the journal cannot be replayed now: {error}");
                    Some(Instant::now() + AFTER_FAILURE)
                }
            };
            let woken = async {
                changed.await;
            };
            match pause {
                None => woken.await,
                Some(until) => {
                    let slept = async {
                        Timer::at(until).await;
                    };
                    or(woken, slept).await;
                }
            }
        }
    }

    /// Replays the first entry, as far as it comes, whatever pauses there are; gives whether there
    /// was one.
    #[cfg(test)]
    pub(crate) async fn replay_first(&mut self) -> Result<bool, JournalError> {
        self.journal.refresh().await?;
        let Next::Entry(number) = self.journal.next(&Order::default()) else {
            return Ok(false);
        };
        self.replay(number).await.map(|()| true)
    }

    /// Replays all entries that can be replayed now; gives when to come again, if not only for new
    /// ones.
    pub(super) async fn replay_waiting(&mut self) -> Result<Option<Instant>, JournalError> {
        self.journal.refresh().await?;
        loop {
            if self.journal.waiting() == 0 {
                let undecided = self.journal.ended() + self.journal.elsewhere() > 0;
                return Ok(undecided.then(|| Instant::now() + DECISIONS));
            }
            self.requests.upstream.up().await;
            match self.journal.next(&self.order) {
                Next::Nothing => {}
                Next::At(until) => return Ok(Some(until)),
                Next::Entry(number) => {
                    if self.requests.upstream.turn().await.is_ok() {
                        self.replay(number).await?;
                    }
                }
            }
        }
    }

    /// Replays an entry, to its end or until it has to wait.
    pub(super) async fn replay(&mut self, number: u64) -> Result<(), JournalError> {
        let found = match self.journal.book.entry(number) {
            // Nobody can say what it was: it stays for people to see.
            Err(JournalError::Damaged(_)) | Ok(None) => None,
            found => found?.filter(Entry::is_open),
        };
        let Some(mut entry) = found else {
            return self.journal.refresh().await;
        };
        let Some(identity) = self.keys.known(&entry.uuid)? else {
            let reason = "the key that it was made with is not good any more";
            let ending = Ending::Failed(reason.to_owned(), Theirs::Unknown);
            return self.end(&entry, ending).await;
        };
        let body = Bytes::from(self.journal.book.body(number)?);
        let (mut machine, mut step) = Replay::new(&entry);
        loop {
            step = match step {
                Step::Look { fully } => {
                    let look = self.requests.look(&identity, &entry, &body, fully);
                    machine.seen(look.await)
                }
                Step::Mark => {
                    entry = match self.journal.mark_sending(&entry).await {
                        // Somebody has decided about it.
                        Err(JournalError::Store(StoreError::Changed)) => {
                            return self.journal.refresh().await;
                        }
                        marked => marked?,
                    };
                    machine.marked()
                }
                Step::Send => {
                    let send = self.requests.send(&identity, &entry, body.clone());
                    machine.answered(self.final_if_often(number, send.await))
                }
                Step::End(ending) => return self.end(&entry, ending).await,
                Step::Later(Delay::Key(reason)) if self.order.has_failed_at(number) => {
                    let ending = Ending::Failed(reason, Theirs::Unknown);
                    return self.end(&entry, ending).await;
                }
                Step::Later(delay) => {
                    if let Delay::Key(_) = delay {
                        self.keys.doubt(&entry.uuid);
                    }
                    self.later(&entry, &delay);
                    return Ok(());
                }
            };
        }
    }

    /// A master that fails at the same write again and again has answered it.
    fn final_if_often(&mut self, number: u64, answer: Answer) -> Answer {
        match answer {
            Answer::Trouble(Delay::Error(reason)) if self.order.has_failed_at(number) => {
                Answer::Refused(reason)
            }
            answer => answer,
        }
    }

    fn later(&mut self, entry: &Entry, delay: &Delay) {
        let (Delay::Unreachable(reason)
        | Delay::Throttled(reason)
        | Delay::Error(reason)
        | Delay::Key(reason)) = delay;
        log::debug!("entry {} of the journal waits: {reason}", entry.number);
        // While it is out of reach, all wait for it, and not for a pause of their own.
        if !self.requests.upstream.is_down() {
            self.order.pause(entry.namespace(), Instant::now());
        }
    }

    async fn end(&mut self, entry: &Entry, ending: Ending) -> Result<(), JournalError> {
        self.journal.settle(entry, ending).await?;
        self.order.ended(entry.number, entry.namespace());
        let now = self.journal.book.entry(entry.number)?;
        match now.as_ref().map(|entry| (entry, &entry.state)) {
            Some((ended, State::Superseded(end) | State::Failed(end))) => {
                let kept = ended.kept.as_deref().unwrap_or("nothing");
                log::warn!(
                    "{} in the journal has {}: {}; kept of it: {kept}; see owl sync status",
                    described(ended),
                    match ended.state {
                        State::Failed(_) => "failed",
                        _ => "been superseded",
                    },
                    end.reason,
                );
            }
            _ => log::info!("{} is at the master now", described(entry)),
        }
        Ok(())
    }
}

/// An entry for people: without what is in it.
fn described(entry: &Entry) -> String {
    let (number, path) = (entry.number, &entry.path);
    let (method, collection) = (entry.operation.method(), entry.collection.name());
    format!("entry {number} ({method} {collection} {path})")
}

impl Journal {
    /// The entry to replay next.
    pub(super) fn next(&self, order: &Order) -> Next {
        let known = lock(&self.known);
        let open = known.open.iter().filter_map(|(number, places)| {
            let namespace = places.first()?.split('/').next()?;
            Some((*number, namespace))
        });
        order.next(open, Instant::now())
    }
}
