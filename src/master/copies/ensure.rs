//! Whether a copy will do; if not, it is fetched, by one for all who want it.

use std::sync::Arc;
use std::time::Duration;

use smol::Timer;
use smol::future::or;

use super::checked::Remembered;
use super::error::CopyError;
use super::flights::{Fetch, Join, Landed, Lead};
use super::freshness::{Decision, Need, decide};
use super::mark::{Base, Mark, Standing, Viewer, key};
use super::{Copies, Source};
use crate::builtin;
use crate::clock::now;
use crate::entity::{Identity, json};
use crate::store::{Collection, Stored};
use crate::sync::lock;
use crate::upstream::UpstreamError;

/// How often something is fetched that writes overtake.
const TRIES: usize = 3;

/// How long somebody who wants to run an old copy waits for a master that answers otherwise to say
/// that it is still good.
const PATIENCE: Duration = Duration::from_secs(1);

/// Fetches at the same time that nobody waits for. Where there are more, the next who wants the
/// copy tries again.
const MOST_IN_BACKGROUND: usize = 4;

/// An entity, as a caller sees it.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) identity: Arc<Identity>,
    pub(super) collection: Collection,
    pub(super) path: String,
    pub(super) viewer: Viewer,
}

impl Item {
    pub(super) fn new(identity: &Arc<Identity>, collection: Collection, path: String) -> Self {
        Item {
            identity: identity.clone(),
            collection,
            viewer: Viewer::of(identity, &path),
            path,
        }
    }
}

/// What is known of a caller's copy.
#[derive(Clone, Copy)]
pub(super) enum Known {
    /// It is not the master's for now, or not at all.
    Ours,
    /// So old; none: nobody knows, or it is outdated.
    Copy(Option<Duration>),
    /// There is none.
    None,
    /// The master has just said that it has none.
    Absent,
}

impl Copies {
    /// Sees to it that a caller's copy is as fresh as it must be.
    pub(super) async fn ensure(&self, item: &Item, need: Need) -> Result<Source, CopyError> {
        if builtin::holds(&item.path) {
            return Ok(self.source());
        }
        let mut known = self.known(item)?;
        for _ in 0..TRIES {
            match known {
                Known::Ours => return Ok(self.source()),
                Known::Copy(age) => match decide(age, self.0.revalidate, need) {
                    Decision::Serve => return Ok(self.source()),
                    Decision::ServeAndAsk => {
                        self.fetch_in_background(item);
                        return Ok(self.source());
                    }
                    Decision::Ask => {}
                },
                Known::Absent => return self.absent_at(item),
                Known::None => {}
            }
            if self.upstream().is_down() {
                // Without a task and a look into the store: so it may be for long.
                return self.offline(item, known, || UpstreamError::Down.to_string());
            }
            let fetch = self.begin(item);
            let outcome = match self.patience(known, need) {
                Some(patience) => {
                    let late = async {
                        Timer::after(patience).await;
                        None
                    };
                    match or(async { Some(fetch.outcome().await) }, late).await {
                        Some(outcome) => outcome,
                        // It goes on, for those who come next.
                        None => return Ok(Source::Offline),
                    }
                }
                None => fetch.outcome().await,
            };
            match outcome {
                Ok(Landed::Here) => return Ok(Source::Fresh),
                Ok(Landed::Absent) => return self.absent_at(item),
                Ok(Landed::Overtaken) => known = self.known(item)?,
                Err(CopyError::Unavailable(reason)) => return self.without_master(item, reason),
                Err(error) => return Err(error),
            }
        }
        self.without_master(item, format!("{} is being changed: try again", item.path))
    }

    /// How long somebody waits for the master to say that a copy is still good, who is served with
    /// the copy then. None: until it does.
    fn patience(&self, known: Known, need: Need) -> Option<Duration> {
        let Known::Copy(age) = known else {
            return None;
        };
        let in_doubt = self.upstream().patience();
        let may_be_old = age.is_some() && need == Need::Run && !self.0.revalidate.is_zero();
        in_doubt.or_else(|| may_be_old.then_some(PATIENCE))
    }

    /// Whether a caller who wants to run what has a path is served without waiting for the master, as
    /// far as memory tells: if not, the master may be asked.
    pub fn is_at_hand(&self, identity: &Identity, path: &str) -> bool {
        let viewer = Viewer::of(identity, path);
        if self.upstream().is_down() || builtin::holds(path) || self.0.ours.has(path) {
            return true;
        }
        let (now, revalidate) = (self.now(), self.0.revalidate);
        let remembered = lock(&self.0.checked).get(path, &viewer);
        match remembered {
            Some(Remembered::Kept) => true,
            Some(remembered @ Remembered::Compared(_)) => {
                decide(remembered.age(now), revalidate, Need::Run) != Decision::Ask
            }
            _ => lock(&self.0.absent).has(path, &viewer, now, revalidate),
        }
    }

    /// Whether an action that is here may be shown to a caller who has not asked for it by its
    /// name: of other namespaces only what the caller's own key has fetched.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn shows(&self, identity: &Arc<Identity>, action: &str) -> Result<bool, CopyError> {
        let item = Item::new(identity, Collection::Actions, action.to_owned());
        let is_own = item.viewer == Viewer::Owner || builtin::holds(action);
        Ok(is_own || !matches!(self.known(&item)?, Known::None))
    }

    /// What the catalogue is to be asked that the master has nothing of: only what it does not
    /// have, either. It may have an entity of another namespace from before there was a master.
    fn absent_at(&self, item: &Item) -> Result<Source, CopyError> {
        match self.store().entity(&item.path)? {
            Some(stored) if stored.collection == item.collection => Err(CopyError::Missing),
            _ => Ok(self.source()),
        }
    }

    /// The master does not tell: a copy will do, however old it is.
    fn without_master(&self, item: &Item, reason: String) -> Result<Source, CopyError> {
        let known = self.known(item)?;
        self.offline(item, known, || reason)
    }

    pub(super) fn offline(
        &self,
        item: &Item,
        known: Known,
        reason: impl FnOnce() -> String,
    ) -> Result<Source, CopyError> {
        match known {
            // Somebody else has fetched it, and what its owner has made in it is to be seen.
            Known::None if item.viewer == Viewer::Owner && self.is_needed(item) => {
                Ok(Source::Offline)
            }
            Known::None => Err(CopyError::Unavailable(format!(
                "there is no copy of {} here, and the master {} does not give one: {}",
                item.path,
                self.upstream().url(),
                reason(),
            ))),
            Known::Ours | Known::Copy(_) | Known::Absent => Ok(Source::Offline),
        }
    }

    pub(super) fn known(&self, item: &Item) -> Result<Known, CopyError> {
        if self.0.ours.has(&item.path) {
            return Ok(Known::Ours);
        }
        let now = self.now();
        let remembered = lock(&self.0.checked).get(&item.path, &item.viewer);
        let remembered = match remembered {
            Some(remembered @ Remembered::Compared(_)) => remembered,
            _ if self.is_absent(item, now) => return Ok(Known::Absent),
            Some(remembered) => remembered,
            None => match self.marked(item)? {
                Some(remembered) => {
                    // Not to be read again by everybody who comes while the master is away.
                    lock(&self.0.checked).set(&item.path, &item.viewer, remembered);
                    remembered
                }
                None => return Ok(Known::None),
            },
        };
        Ok(match remembered {
            Remembered::Kept => Known::Ours,
            remembered => Known::Copy(remembered.age(now)),
        })
    }

    /// Whether the master has just said that there is nothing.
    fn is_absent(&self, item: &Item, now: Duration) -> bool {
        let absent = lock(&self.0.absent);
        absent.has(&item.path, &item.viewer, now, self.0.revalidate)
    }

    /// What the store says of a caller's copy.
    fn marked(&self, item: &Item) -> Result<Option<Remembered>, CopyError> {
        let Some(mark) = self.mark(item)? else {
            let is_local = item.viewer == Viewer::Owner && self.is_local(&item.path)?;
            return Ok(is_local.then_some(Remembered::Outdated));
        };
        match &mark.standing {
            Standing::Kept => return Ok(Some(Remembered::Kept)),
            // That there is none, the catalogue tells.
            Standing::Gone => return Ok(Some(Remembered::Outdated)),
            Standing::Hidden => return Ok(None),
            // Somebody else has fetched another version since.
            Standing::Copy(base)
                if item.viewer != Viewer::Owner
                    && self.stored_base(item)?.as_ref() != Some(base) =>
            {
                return Ok(None);
            }
            Standing::Copy(_) | Standing::Local => {}
        }
        let age = now().checked_sub(mark.checked).map(Duration::from_millis);
        let at = age.and_then(|age| self.now().checked_sub(age));
        Ok(Some(at.map_or(Remembered::Outdated, Remembered::Compared)))
    }

    /// The mark of a caller's copy.
    pub(super) fn mark(&self, item: &Item) -> Result<Option<Mark>, CopyError> {
        let text = self.store().note(&key(&item.path, &item.viewer))?;
        Ok(text.as_deref().and_then(Mark::read))
    }

    /// What the entity that is stored was made of.
    fn stored_base(&self, item: &Item) -> Result<Option<Base>, CopyError> {
        let stored = self.store().entity(&item.path)?;
        Ok(stored.and_then(|stored| base_of(&stored)))
    }

    /// Begins to fetch a copy, or joins who does already.
    pub(super) fn begin(&self, item: &Item) -> Arc<Fetch> {
        match self.0.flights.join(&item.path, &item.viewer, &self.1) {
            Join::Follow(fetch) => fetch,
            Join::Lead(lead) => {
                let fetch = lead.fetch.clone();
                let carried = self.clone().carry(lead, item.clone());
                self.0.rooms.executor.spawn(carried).detach();
                fetch
            }
        }
    }

    /// Fetches a copy, so that who comes next finds a fresh one.
    fn fetch_in_background(&self, item: &Item) {
        let key = (item.path.clone(), item.viewer.clone());
        {
            let mut under_way = lock(&self.0.in_background);
            if self.upstream().is_down()
                || under_way.len() >= MOST_IN_BACKGROUND
                || !under_way.insert(key.clone())
            {
                return;
            }
        }
        let (copies, item) = (self.for_none(), item.clone());
        let fetched = async move {
            // One after another, as the master takes them when it has come back.
            if copies.upstream().turn().await.is_ok() {
                let _ = copies.begin(&item).outcome().await;
            }
            lock(&copies.0.in_background).remove(&key);
        };
        self.0.rooms.executor.spawn(fetched).detach();
    }

    async fn carry(self, lead: Lead, item: Item) {
        let outcome = self.refresh(&item, &lead.fetch).await;
        if let Err(error) = &outcome {
            log::debug!("no fresh copy of {}: {error}", item.path);
        }
        lead.land(outcome);
    }
}

/// What a stored entity was made of: every document tells.
pub(super) fn base_of(stored: &Stored) -> Option<Base> {
    json::stored(&stored.document)
}
