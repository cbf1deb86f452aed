//! Keys, where a master decides whose they are.
//!
//! A key that is not known is shown to the master, and kept in the store when it is accepted. From
//! then on it counts here without a question: it is shown to the master again from time to time,
//! beside its use, and is good for a while when the master cannot be asked. Who tries keys meets
//! refusals that are remembered and questions that are few.

mod answer;
mod error;
mod questions;
mod seen;
mod standing;
#[cfg(test)]
mod tests;
mod wrong;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ring::hmac;
use ring::rand::SystemRandom;

pub use error::KeyError;
pub use standing::Validity;

use crate::Executor;
use crate::clock;
use crate::entity::{Identity, Secret};
use crate::store::{LearnedKey, MAX_SECRET, MAX_UUID, Store, StoreError};
use crate::sync::lock;
use crate::upstream::{Upstream, Via};
use answer::Verdict;
use questions::{Questions, TooMany};
use seen::Seen;
use standing::Standing;
use wrong::{Print, Wrong};

/// Questions about keys that are not known, at once and with those that wait for them. They leave
/// most of the master's connections to others.
const STRANGERS: (usize, usize) = (4, 32);

/// The same for keys that were good: who tries keys must not be in their way.
const EXPIRED: (usize, usize) = (4, 256);

/// The same for keys that are good, which nobody waits for.
const DOUBTFUL: (usize, usize) = (4, 256);

/// Whose a key is.
type Answer = Result<Arc<Identity>, KeyError>;

/// The keys that a master accepts. Clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    store: Store,
    upstream: Upstream,
    executor: Executor,
    via: Via,
    validity: Validity,
    /// Random for each process: prints of keys say nothing about them.
    prints: hmac::Key,
    seen: Mutex<Seen>,
    wrong: Mutex<Wrong>,
    strangers: Questions<Answer>,
    expired: Questions<Answer>,
    doubtful: Questions<Answer>,
}

/// Finds out whose a key is: by the master if there is one, else by the store. `via` is what the
/// request says of the daemons that it has come through.
///
/// # Errors
/// [`KeyError::Refused`], and what [`Keys::authenticate`] gives.
pub async fn authenticate(
    keys: Option<&Keys>,
    store: &Store,
    uuid: &str,
    key: &str,
    via: Option<&str>,
) -> Answer {
    match keys {
        Some(keys) => keys.authenticate(uuid, key, via).await,
        None => store.authenticate(uuid, key)?.ok_or(KeyError::Refused),
    }
}

impl Keys {
    /// Those of a master. The store must have been opened for such keys
    /// ([`Options::keys_of_master`](crate::store::Options)).
    pub fn new(
        store: Store,
        upstream: Upstream,
        executor: Executor,
        via: Via,
        validity: Validity,
    ) -> Self {
        let prints = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the kernel gives random bytes");
        Keys(Arc::new(Inner {
            store,
            upstream,
            executor,
            via,
            validity,
            prints,
            seen: Mutex::default(),
            wrong: Mutex::new(Wrong::new(Instant::now())),
            strangers: Questions::new(STRANGERS.0, STRANGERS.1),
            expired: Questions::new(EXPIRED.0, EXPIRED.1),
            doubtful: Questions::new(DOUBTFUL.0, DOUBTFUL.1),
        }))
    }

    /// Finds out who has this uuid and key (reference section 1.2). For a key that is known this
    /// costs a few microseconds; others wait for the master's answer. `via` is what the request says
    /// of the daemons that it has come through: a ring of them must not wait for itself.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if nobody has them, [`KeyError::Unavailable`] if the master cannot be
    /// asked.
    pub async fn authenticate(&self, uuid: &str, key: &str, via: Option<&str>) -> Answer {
        if uuid.is_empty() || uuid.len() > MAX_UUID || key.len() > MAX_SECRET {
            return Err(KeyError::Refused);
        }
        match self.0.store.learned_key(uuid)? {
            Some(known) if self.is_key_of(&known, key) => self.vouch(known).await,
            Some(_) => match self.ask_stranger(uuid, key, via).await {
                // As far as anybody knows the uuid has another key.
                Err(KeyError::Unavailable(_)) => Err(KeyError::Refused),
                answer => answer,
            },
            None => self.ask_stranger(uuid, key, via).await,
        }
    }

    /// Who owns a namespace: the key of it that the master has accepted last. None if it has
    /// accepted none, or not any more.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] if that was too long ago and the master cannot be asked.
    pub async fn owner(&self, namespace: &str) -> Result<Option<Arc<Identity>>, KeyError> {
        match self.0.store.learned_key_of(namespace)? {
            Some(known) => match self.vouch(known).await {
                Ok(identity) if identity.namespace == namespace => Ok(Some(identity)),
                Ok(_) | Err(KeyError::Refused) => Ok(None),
                Err(error) => Err(error),
            },
            None => Ok(None),
        }
    }

    /// The key that the master has accepted under a uuid and not refused since, however long ago
    /// that was: for what was promised with it. Nobody is asked.
    pub fn known(&self, uuid: &str) -> Result<Option<Arc<Identity>>, StoreError> {
        let known = self.0.store.learned_key(uuid)?;
        Ok(known.map(|known| known.identity))
    }

    /// Shows a key to the master, because a request that came with it was answered with 401. It
    /// counts on until the master refuses it, too: the answer may be that of something on the way,
    /// which must not cost the gateway its keys.
    pub fn doubt(&self, uuid: &str) {
        match self.0.store.learned_key(uuid) {
            Ok(Some(known)) => self.ask_beside(&known.identity),
            Ok(None) => {}
            Err(error) => log::error!("the key with the uuid {uuid} cannot be checked: {error}"),
        }
    }

    async fn forget(&self, uuid: &str) -> Result<(), StoreError> {
        self.0.store.forget_key(uuid).await?;
        lock(&self.0.seen).forget(uuid);
        log::info!("the key with the uuid {uuid} is forgotten: the master refuses it");
        Ok(())
    }

    fn is_key_of(&self, known: &LearnedKey, key: &str) -> bool {
        let right = known.identity.key.expose();
        self.0.store.is_same_key(right, key)
    }

    /// What a known key counts, to somebody who has it.
    async fn vouch(&self, known: LearnedKey) -> Answer {
        if known.blocked {
            return Err(KeyError::Refused);
        }
        let accepted_at = lock(&self.0.seen).accepted_at(&known.identity.uuid, known.accepted_at);
        let is_down = self.0.upstream.is_down();
        match self.0.validity.standing(accepted_at, clock::now(), is_down) {
            Standing::Good => {}
            Standing::Doubtful => self.ask_beside(&known.identity),
            Standing::Expired => return self.ask_first(&known.identity).await,
        }
        Ok(known.identity)
    }

    /// Shows a key to the master while it goes on to count.
    fn ask_beside(&self, identity: &Arc<Identity>) {
        if !lock(&self.0.seen).ask(&identity.uuid, Instant::now()) {
            return;
        }
        let (keys, identity) = (self.clone(), identity.clone());
        let ask = async move {
            let (uuid, key) = (&identity.uuid, identity.key.expose());
            let print = keys.print(uuid, key);
            let question = async {
                // When a master comes back, every key is doubtful.
                keys.0.upstream.turn().await.map_err(unavailable)?;
                keys.ask(uuid, key, print, None).await
            };
            let answer = keys.0.doubtful.ask(print, question).await;
            if let Ok(Err(KeyError::Store(error))) = answer {
                let namespace = &identity.namespace;
                log::error!("what the master says of a key of {namespace} is lost: {error}");
            }
        };
        self.0.executor.spawn(ask).detach();
    }

    /// Shows a key to the master before it counts again.
    async fn ask_first(&self, identity: &Identity) -> Answer {
        let (uuid, key) = (&identity.uuid, identity.key.expose());
        let print = self.print(uuid, key);
        let question = self.ask(uuid, key, print, None);
        match self.0.expired.ask(print, question).await {
            Ok(Err(KeyError::Unavailable(why))) => Err(unavailable(format_args!(
                "{why}; the key was accepted longer ago than OWL_KEYS_OFFLINE"
            ))),
            Ok(answer) => answer,
            Err(TooMany) => Err(unavailable("too many keys wait for the master's answer")),
        }
    }

    /// Asks about a key that is not known, unless that was done lately or too often.
    async fn ask_stranger(&self, uuid: &str, key: &str, via: Option<&str>) -> Answer {
        // Before anybody waits: one that is here again would wait for itself.
        self.0.via.onward(via).map_err(unavailable)?;
        let print = self.print(uuid, key);
        {
            let (mut wrong, now) = (lock(&self.0.wrong), Instant::now());
            if wrong.holds(&print, now) {
                return Err(KeyError::Refused);
            }
            if !wrong.may_ask(now) {
                return Err(unavailable("too many wrong keys were tried here lately"));
            }
        }
        let question = self.ask(uuid, key, print, via);
        let answer = self.0.strangers.ask(print, question).await;
        answer.unwrap_or_else(|TooMany| {
            Err(unavailable("too many keys wait for the master's answer"))
        })
    }

    async fn ask(&self, uuid: &str, key: &str, print: Print, via: Option<&str>) -> Answer {
        let via = self.0.via.onward(via).map_err(unavailable)?;
        let question = answer::question(uuid, key, &via);
        let answer = self.0.upstream.fetch(question, answer::LONGEST).await;
        match answer::verdict(answer) {
            Verdict::Accepted(namespace) => self.accept(&namespace, uuid, key).await,
            Verdict::Refused => {
                lock(&self.0.wrong).add(print, Instant::now());
                let known = self.0.store.learned_key(uuid)?;
                if known.is_some_and(|known| self.is_key_of(&known, key)) {
                    self.forget(uuid).await?;
                }
                Err(KeyError::Refused)
            }
            Verdict::Unknown(why) => {
                let url = self.0.upstream.url();
                Err(unavailable(format_args!("the master {url}: {why}")))
            }
        }
    }

    /// Keeps a key that the master has just accepted.
    async fn accept(&self, namespace: &str, uuid: &str, key: &str) -> Answer {
        let (store, now) = (&self.0.store, clock::now());
        let known = store
            .learned_key(uuid)?
            .filter(|known| known.identity.namespace == namespace && self.is_key_of(known, key));
        let is_new = known.is_none();
        if known.is_none_or(|known| self.0.validity.is_due(known.accepted_at, now)) {
            let key = Secret::new(key.to_owned());
            store.learn_key(namespace, uuid, &key, now).await?;
        }
        if is_new {
            log::info!("the master has accepted a key of {namespace} with the uuid {uuid}");
        }
        lock(&self.0.seen).accepted(uuid, now);
        match store.learned_key(uuid)? {
            Some(known) if known.blocked => Err(KeyError::Refused),
            Some(known) if self.is_key_of(&known, key) => Ok(known.identity),
            // `owl key delete`, or another key at the same moment.
            _ => Err(unavailable("it was forgotten while the master was asked")),
        }
    }

    fn print(&self, uuid: &str, key: &str) -> Print {
        let mut context = hmac::Context::with_key(&self.0.prints);
        for part in [uuid, ":", key] {
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        tag.as_ref().try_into().expect("SHA-256 gives 32 bytes")
    }
}

fn unavailable(why: impl fmt::Display) -> KeyError {
    KeyError::Unavailable(why.to_string())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.0.upstream).finish()
    }
}
