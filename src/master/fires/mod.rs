//! Fired triggers whose actions do not all run here: they are the master's to follow.
//!
//! While the master answers, one is sent on at once. Else it is stored, with a record here under
//! the id that its activation will have, in one commit that is durable before the caller has its
//! answer; and delivered when the master is back (`deliver`), in order per trigger, at least once.
//! The id goes along, so that a master which is an OWL, too, fires it once. What waits, what is
//! next and what goes is decided by `queue`.

mod admit;
mod answer;
mod book;
mod counts;
mod decide;
mod deliver;
mod error;
mod fire;
mod queue;
mod record;
mod told;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_listener::Event;
use serde_json::value::RawValue;

pub use book::Book;
pub use counts::{Counts, Figures};
pub use decide::{Retried, discard, retry};
pub use error::FireError;
pub use fire::{StoredFire, priority};

use self::answer::{MAX_ANSWER, is_for_caller, reason};
use self::book::Decided;
use self::queue::{Entry, Queue};
use self::told::Told;
use super::Keys;
use super::journal::Journal;
use crate::Executor;
use crate::clock::now;
use crate::entity::{ActivationId, Identity};
use crate::store::{Store, StoreError};
use crate::sync::lock;
use crate::upstream::{Upstream, Whole};

/// What fired triggers are kept and delivered with.
pub struct Rooms {
    /// Where they are kept.
    pub store: Store,
    /// The master.
    pub upstream: Upstream,
    /// Where they are stored: whoever has fired one may go away.
    pub executor: Executor,
    /// The keys that the master accepts.
    pub keys: Keys,
    /// Writes that the master has not got yet: a trigger may be among them.
    pub journal: Arc<Journal>,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of those that wait.
    pub bytes: u64,
    /// How long each may wait.
    pub age: Duration,
}

/// A trigger that was fired here and is the master's.
pub struct NewFire {
    /// Who has fired it: in its own namespace.
    pub identity: Arc<Identity>,
    /// Bare name of the trigger.
    pub trigger: String,
    /// Its version, if it is known here.
    pub version: Option<String>,
    /// Its priority.
    pub priority: i64,
    /// The payload, a JSON object; none means `{}`.
    pub payload: Option<Box<RawValue>>,
    /// Headers of the request that the actions get to see: names in lower case.
    pub headers: Vec<(String, String)>,
    /// What the request says of the OWLs that it has come through, with this one.
    pub via: String,
    /// The id that its activation is to have; none: a new one.
    pub id: Option<ActivationId>,
}

/// What has become of one that was fired.
pub enum Outcome {
    /// The master's answer.
    Answered(Whole),
    /// It waits for the master under this id, and is durable.
    Stored(ActivationId),
}

/// The fired triggers that are the master's. Cheap to clone.
#[derive(Clone)]
pub struct Fires(Arc<Inner>);

struct Inner {
    rooms: Rooms,
    book: Book,
    limit: u64,
    /// Held by whoever changes what is stored by what is in the queue.
    turn: smol::lock::Mutex<()>,
    state: Mutex<State>,
    /// Notified when one has come.
    changed: Event,
}

struct State {
    queue: Queue,
    counts: Counts,
    /// What people had decided when the store was read last.
    decided: Decided,
    /// What the log has told of those that were given up, and of those that the master refused.
    given_up: Told,
    refused: Told,
}

impl Fires {
    /// Those of a store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(rooms: Rooms, limits: Limits) -> Result<Self, StoreError> {
        let book = Book::new(rooms.store.clone());
        let (counts, decided) = (book.counts()?, book.decided()?);
        let fires = Fires(Arc::new(Inner {
            rooms,
            book,
            limit: limits.bytes,
            turn: smol::lock::Mutex::new(()),
            state: Mutex::new(State {
                queue: Queue::new(limits.bytes, limits.age),
                counts,
                decided,
                given_up: Told::default(),
                refused: Told::default(),
            }),
            changed: Event::new(),
        }));
        for entry in fires.stored()?.into_values() {
            fires.state(|state| state.queue.add(entry));
        }
        let elsewhere = fires.elsewhere();
        if elsewhere > 0 {
            log::warn!(
                "{elsewhere} fired triggers are for another master, and wait until that is set \
                 again: see owl sync status"
            );
        }
        Ok(fires)
    }

    /// How many wait for the master.
    pub fn waiting(&self) -> u64 {
        self.state(|state| state.queue.len())
    }

    /// How many wait for another master than the one that is set.
    pub fn elsewhere(&self) -> u64 {
        self.state(|state| state.queue.elsewhere())
    }

    /// How things stand.
    pub fn figures(&self) -> Figures {
        self.state(|state| Figures {
            waiting: state.queue.len(),
            bytes: state.queue.bytes(),
            counts: state.counts,
        })
    }

    /// Has the master fire a trigger, now or later. That it was not fired under its id before, as
    /// far as the store knows, the caller has seen to.
    ///
    /// # Errors
    /// It was not taken in.
    pub async fn fire(&self, new: NewFire) -> Result<Outcome, FireError> {
        let identity = new.identity.clone();
        let mut fire = StoredFire {
            master: self.url().to_owned(),
            id: new.id.unwrap_or_else(ActivationId::random),
            uuid: identity.uuid.clone(),
            namespace: identity.namespace.clone(),
            subject: identity.subject.clone(),
            trigger: new.trigger,
            // As OpenWhisk begins; nobody here knows better.
            version: new.version.unwrap_or_else(|| "0.0.1".to_owned()),
            priority: new.priority,
            at: now(),
            via: new.via,
            headers: new.headers,
            payload: new.payload,
            reason: String::new(),
            recorded: identity.limits.stores_activations(),
        };
        let path = fire.path();
        if self.state(|state| state.queue.has(&path, fire.id)) {
            return Ok(Outcome::Stored(fire.id));
        }
        let (upstream, journal) = (&self.0.rooms.upstream, &self.0.rooms.journal);
        fire.reason = if upstream.is_down() {
            "the master is out of reach".to_owned()
        } else if self.state(|state| state.queue.has_of(&path)) {
            "earlier ones of the trigger wait for the master".to_owned()
        } else if journal.has_of(&fire.namespace) {
            "changes of the namespace wait for the master".to_owned()
        } else {
            match upstream.fetch(fire.request(&identity), MAX_ANSWER).await {
                Ok(answer) if is_for_caller(&answer) => return Ok(Outcome::Answered(answer)),
                Ok(answer) => reason(&answer),
                Err(error) => error.to_string(),
            }
        };
        self.store(fire).await.map(Outcome::Stored)
    }

    /// All that wait, as the store has them.
    fn stored(&self) -> Result<BTreeMap<u64, Entry>, StoreError> {
        let mut stored = BTreeMap::new();
        self.0.book.visit(&mut |number, fire, bytes| {
            stored.insert(number, self.entry(number, &fire, bytes));
            ControlFlow::Continue(())
        })?;
        Ok(stored)
    }

    fn entry(&self, number: u64, fire: &StoredFire, bytes: u64) -> Entry {
        Entry {
            number,
            id: fire.id,
            trigger: fire.path().into(),
            priority: fire.priority,
            at: fire.at,
            bytes,
            elsewhere: !fire.is_for(self.url()),
        }
    }

    fn url(&self) -> &str {
        self.0.rooms.upstream.url()
    }

    fn state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut lock(&self.0.state))
    }
}
