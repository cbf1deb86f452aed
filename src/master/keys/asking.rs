//! Questions to the master about keys: how each kind of them is asked, and what comes of it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use ring::hmac;

use super::answer::{self, Verdict};
use super::questions::TooMany;
use super::wrong::Print;
use super::{Answer, KeyError, Keys};
use crate::clock;
use crate::entity::{Identity, Secret};
use crate::store::StoreError;
use crate::sync::lock;

impl Keys {
    /// Shows a key to the master while it goes on to count.
    pub(super) fn ask_beside(&self, identity: &Arc<Identity>) {
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
    pub(super) async fn ask_first(&self, identity: &Identity) -> Answer {
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
    pub(super) async fn ask_stranger(&self, uuid: &str, key: &str, via: Option<&str>) -> Answer {
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

    async fn forget(&self, uuid: &str) -> Result<(), StoreError> {
        self.0.store.forget_key(uuid).await?;
        lock(&self.0.seen).forget(uuid);
        log::info!("the key with the uuid {uuid} is forgotten: the master refuses it");
        Ok(())
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
