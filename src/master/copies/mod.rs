//! Copies of the master's entities, in the same catalogue and under the same paths as those of an
//! OpenWhisk without a master: whoever makes sure first that a copy is there and fresh enough
//! ([`Copies::ensure_action`] and the others) goes on as if there were no master.
//!
//! Beside each copy stands a [`mark`] of what it was made of, for each who may see it. How old it
//! is, is remembered in memory ([`checked`]), so that a fresh copy costs a look there and nothing
//! else. What is fetched and written at the same time meets in [`flights`].

mod absent;
mod along;
mod answers;
mod ask;
mod checked;
mod compare;
mod documents;
mod ensure;
mod entities;
mod error;
mod flights;
mod freshness;
mod gone;
mod inherited;
mod leaving;
mod local;
mod mark;
mod ours;
mod refresh;
mod removal;
mod room;
mod unheard;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::lock::Semaphore;

pub use answers::{Shown, Writing, forget, outdated};
pub(super) use ask::{NO_ROUTE, is_error};
pub use error::CopyError;
pub use freshness::Need;
pub(super) use leaving::leave;
pub use mark::Base;
pub use ours::Ours;

use self::absent::Absent;
use self::ask::{Answer, Part};
use self::checked::Checked;
use self::flights::Flights;
use self::gone::Gone;
use self::mark::Viewer;
use crate::Executor;
use crate::catalog::Catalog;
use crate::entity::Identity;
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
pub struct Copies(Arc<Inner>, Came);

/// Which gateways a request has come through for which something is fetched, as its header tells:
/// the master is told, too, so that nobody waits for itself. None: none, or it is fetched for no
/// request.
type Came = Option<Arc<str>>;

struct Inner {
    rooms: Rooms,
    /// How long a copy is fresh.
    revalidate: Duration,
    /// The start of the daemon.
    began: Instant,
    checked: Mutex<Checked>,
    absent: Mutex<Absent>,
    gone: Gone,
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
        let inner = Inner {
            rooms,
            revalidate,
            began: Instant::now(),
            checked: Mutex::default(),
            absent: Mutex::default(),
            gone: Gone::default(),
            flights: Arc::default(),
            ours: Ours::default(),
            large: Semaphore::new(LARGE_AT_ONCE),
            in_background: Mutex::default(),
        };
        Copies(Arc::new(inner), None)
    }

    /// The same copies, for a request with this value of the header that tells the gateways that it
    /// has come through.
    pub fn for_request(&self, came: Option<&str>) -> Self {
        Copies(self.0.clone(), came.map(Into::into))
    }

    /// The same copies, for nobody's request.
    fn for_none(&self) -> Self {
        Copies(self.0.clone(), None)
    }

    /// Paths to which writes wait for the master: their entities are not its own for now, and no
    /// fetch touches them.
    pub fn ours(&self) -> &Ours {
        &self.0.ours
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
        let via = self.0.rooms.via.onward(self.1.as_deref());
        let via = via.map_err(CopyError::Looped)?;
        ask::ask(self.upstream(), &via, identity, collection, path, part).await
    }
}
