//! Copies of the master's entities, in the same catalogue and under the same paths as those of an
//! OpenWhisk without a master: whoever makes sure first that a copy is there and fresh enough
//! ([`Copies::ensure_action`] and the others) goes on as if there were no master.
//!
//! Beside each copy stands a [`mark`] of what it was made of, for each who may see it. How old it
//! is, is remembered in memory ([`checked`]), so that a fresh copy costs a look there and nothing
//! else. What is fetched and written at the same time meets in [`flights`].

mod along;
mod answers;
mod ask;
mod checked;
mod ensure;
mod error;
mod flights;
mod freshness;
mod inherited;
mod mark;
mod ours;
mod refresh;
mod removal;
mod room;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::lock::Semaphore;

pub use answers::{Shown, Writing, forget};
pub(super) use ask::is_error;
pub use error::CopyError;
pub use freshness::Need;
pub use mark::Base;
pub use ours::Ours;

use self::ask::{Answer, Part};
use self::checked::Checked;
use self::ensure::Item;
use self::flights::Flights;
use self::mark::Viewer;
use crate::Executor;
use crate::catalog::Catalog;
use crate::entity::{Identity, Rule};
use crate::store::{Collection, Store};
use crate::upstream::{Upstream, Via};

/// How far the clock that ages are told by reaches back before the start: copies that are older are
/// all the same.
const BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Actions that are fetched with their code at the same time: each may take some times its size
/// of memory.
const LARGE_AT_ONCE: usize = 2;

/// Where what was asked for comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// From the master, or from a copy that is fresh enough.
    Fresh,
    /// From a copy, because the master is out of reach.
    Offline,
}

/// What copies are made with.
pub struct Rooms {
    /// The master.
    pub upstream: Upstream,
    /// How this gateway marks what it asks.
    pub via: Via,
    /// Where they go.
    pub catalog: Catalog,
    /// Where fetches run: whoever wants a copy may go away, others may want it, too.
    pub executor: Executor,
    /// Told of each action whose older versions are of no more use.
    pub retire: Box<dyn Fn(&str) + Send + Sync>,
}

/// The copies of the master's entities. Cheap to clone.
#[derive(Clone)]
pub struct Copies(Arc<Inner>);

struct Inner {
    rooms: Rooms,
    /// How long a copy is fresh.
    revalidate: Duration,
    /// The start of the daemon.
    began: Instant,
    checked: Mutex<Checked>,
    flights: Arc<Flights>,
    ours: Ours,
    /// For actions that come with their code.
    large: Semaphore,
    /// Fetches that nobody waits for.
    in_background: Mutex<HashSet<(String, Viewer)>>,
}

impl Copies {
    /// Copies that are fresh for `revalidate` after they were compared with the master's.
    pub fn new(rooms: Rooms, revalidate: Duration) -> Self {
        Copies(Arc::new(Inner {
            rooms,
            revalidate,
            began: Instant::now(),
            checked: Mutex::default(),
            flights: Arc::default(),
            ours: Ours::default(),
            large: Semaphore::new(LARGE_AT_ONCE),
            in_background: Mutex::default(),
        }))
    }

    /// Sees to it that the catalogue has the action that a caller reaches under a name, and the
    /// package and binding on the way to it. To run a sequence, its components are fetched along;
    /// which of them are not to be had is seen when they are resolved.
    ///
    /// What the master does not have, the catalogue does not have then, either.
    ///
    /// # Errors
    /// The caller has no copy and the master does not give one: why.
    pub async fn ensure_action(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        package: Option<&str>,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        let (path, source) = self
            .ensure_alone(identity, namespace, package, name, need)
            .await?;
        let Some(path) = path.filter(|_| need == Need::Run) else {
            return Ok(source);
        };
        let components = self.components(&path);
        if components.is_empty() {
            return Ok(source);
        }
        Ok(source.max(self.fetch_along(identity, components).await))
    }

    /// Sees to it that the catalogue has a package, and the package that a binding refers to. What
    /// is in it is not fetched.
    ///
    /// # Errors
    /// As [`Copies::ensure_action`].
    pub async fn ensure_package(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        let path = format!("{namespace}/{name}");
        let item = Item::new(identity, Collection::Packages, path);
        let source = self.ensure(&item, need).await?;
        let Ok(package) = self.catalog().package(&item.path) else {
            return Ok(source);
        };
        let Some(provider) = package.binding.as_ref().map(|to| to.path()) else {
            return Ok(source);
        };
        let provider = Item::new(identity, Collection::Packages, provider);
        match self.ensure(&provider, need).await {
            Ok(provider) => Ok(source.max(provider)),
            // As OpenWhisk tells it: the binding is what the caller has asked for.
            Err(CopyError::Forbidden(_)) => Err(CopyError::Forbidden(item.path)),
            Err(error) => Err(error),
        }
    }

    /// Sees to it that the catalogue has a trigger of the caller's; to run it, the actions of its
    /// active rules, too.
    ///
    /// # Errors
    /// As [`Copies::ensure_action`].
    pub async fn ensure_trigger(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        if identity.namespace != namespace {
            // Nobody sees triggers of others.
            return Ok(self.source());
        }
        let path = format!("{namespace}/{name}");
        let item = Item::new(identity, Collection::Triggers, path);
        let source = self.ensure(&item, need).await?;
        if need == Need::Read {
            return Ok(source);
        }
        let actions = self.actions_of_trigger(&item.path);
        if actions.is_empty() {
            return Ok(source);
        }
        Ok(source.max(self.fetch_along(identity, actions).await))
    }

    /// Sees to it that the catalogue has a rule of the caller's, and its trigger, which knows its
    /// status.
    ///
    /// # Errors
    /// As [`Copies::ensure_action`].
    pub async fn ensure_rule(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        if identity.namespace != namespace {
            return Ok(self.source());
        }
        let path = format!("{namespace}/{name}");
        let item = Item::new(identity, Collection::Rules, path);
        let source = self.ensure(&item, need).await?;
        let Ok(rule) = self.catalog().get::<Rule>(&item.path) else {
            return Ok(source);
        };
        let trigger = Item::new(identity, Collection::Triggers, rule.trigger.to_string());
        match self.ensure(&trigger, need).await {
            Ok(trigger) => Ok(source.max(trigger)),
            // Without its trigger the rule is inactive, and that is all.
            Err(CopyError::Missing | CopyError::OtherCollection | CopyError::Forbidden(_)) => {
                Ok(source)
            }
            Err(error) => Err(error),
        }
    }

    /// Paths to which writes wait for the master: their entities are not its own for now, and no
    /// fetch touches them.
    pub fn ours(&self) -> &Ours {
        &self.0.ours
    }

    /// The action alone, without components, with its path if it can be told.
    async fn ensure_alone(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        package: Option<&str>,
        name: &str,
        need: Need,
    ) -> Result<(Option<String>, Source), CopyError> {
        let (path, on_the_way) = match package {
            None if identity.namespace != namespace => return Ok((None, self.source())),
            None => (format!("{namespace}/{name}"), Source::Fresh),
            Some(package) => {
                let source = self
                    .ensure_package(identity, namespace, package, need)
                    .await?;
                let resolved = self.catalog().resolve_package(identity, namespace, package);
                // What is wrong with it, the catalogue tells whoever resolves the action.
                let Ok(resolved) = resolved else {
                    return Ok((None, source));
                };
                (format!("{}/{name}", resolved.provider.path()), source)
            }
        };
        let item = Item::new(identity, Collection::Actions, path);
        let source = self.ensure(&item, need).await?;
        Ok((Some(item.path), source.max(on_the_way)))
    }

    /// What there is to say of what is served without asking.
    fn source(&self) -> Source {
        if self.upstream().is_down() {
            Source::Offline
        } else {
            Source::Fresh
        }
    }

    /// The clock that ages are told by.
    fn now(&self) -> Duration {
        BEFORE + self.0.began.elapsed()
    }

    fn catalog(&self) -> &Catalog {
        &self.0.rooms.catalog
    }

    fn store(&self) -> &Store {
        self.catalog().store()
    }

    fn upstream(&self) -> &Upstream {
        &self.0.rooms.upstream
    }

    /// What the master says of the entity of a path.
    async fn ask(
        &self,
        identity: &Identity,
        collection: Collection,
        path: &str,
        part: Part,
    ) -> Result<Answer, CopyError> {
        let rooms = &self.0.rooms;
        ask::ask(
            &rooms.upstream,
            &rooms.via,
            identity,
            collection,
            path,
            part,
        )
        .await
    }
}
