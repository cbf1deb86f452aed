//! Keys, where a master decides whose they are.
//!
//! A key that is not known is shown to the master, and kept in the store when it is accepted. From
//! then on it counts here without a question: it is shown to the master again from time to time,
//! beside its use, and is good for a while when the master cannot be asked. Who tries keys meets
//! refusals that are remembered and questions that are few.

mod answer;
mod asking;
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
use crate::entity::Identity;
use crate::store::{LearnedKey, MAX_SECRET, MAX_UUID, Store, StoreError};
use crate::sync::lock;
use crate::upstream::{Upstream, Via};
use questions::Questions;
use seen::Seen;
use standing::Standing;
use wrong::Wrong;

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
            // In boxes: a key that is known is not to carry the room for these.
            Some(_) => match Box::pin(self.ask_stranger(uuid, key, via)).await {
                // As far as anybody knows the uuid has another key.
                Err(KeyError::Unavailable(_)) => Err(KeyError::Refused),
                answer => answer,
            },
            None => Box::pin(self.ask_stranger(uuid, key, via)).await,
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
            Standing::Expired => return Box::pin(self.ask_first(&known.identity)).await,
        }
        Ok(known.identity)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.0.upstream).finish()
    }
}
