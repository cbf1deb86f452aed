//! A gateway as far as the journal is concerned: a store, its catalogue, and copies.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::json;

use super::cloud::{Cloud, Thing};
use crate::catalog::{Catalog, CatalogError, Manifest, creation};
use crate::entity::{
    Action, ActionRanges, Identity, NamespaceLimits, NewAction, NewTrigger, Secret, Trigger,
};
use crate::master::copies::Shown;
use crate::master::journal::replay::Credentials;
use crate::master::journal::{
    Book, Entry, Journal, JournalError, Mirror, Operation, Replayer, Write,
};
use crate::store::{
    Change, CodeChange, Collection, EntityWrite, Expect, NoteKey, NoteKind, Options, Store,
    StoreError,
};
use crate::sync::lock;
use crate::upstream::Via;

/// Copies that are as simple as can be.
#[derive(Default)]
pub struct Copies {
    pub held: Mutex<Vec<String>>,
    pub stale: Mutex<Vec<String>>,
    pub absent: Mutex<Vec<String>>,
}

pub fn mark(path: &str) -> NoteKey {
    NoteKey::named(NoteKind::Copy, path.as_bytes())
}

impl Mirror for Copies {
    fn adoption(
        &self,
        _: Shown,
        collection: Collection,
        path: &str,
        document: &[u8],
    ) -> Result<Vec<Change>, String> {
        let read: serde_json::Value = serde_json::from_slice(document).unwrap();
        let write = match collection {
            Collection::Actions => {
                let action = Action::from_document(document, 0).ok_or("no action")?;
                let code = read["exec"]["code"].as_str().ok_or("no code")?;
                creation(&action, CodeChange::Set(code.into()))
            }
            _ => creation(
                &Trigger::from_document(document, 0).ok_or("no trigger")?,
                CodeChange::Remove,
            ),
        };
        assert_eq!(write.path, path);
        Ok(vec![Change::Put(EntityWrite {
            expect: Expect::Any,
            ..write
        })])
    }

    fn removal(&self, path: &str) -> Result<Vec<Change>, String> {
        Ok(vec![Change::Drop { path: path.into() }])
    }

    fn keep(&self, path: &str) -> Change {
        Change::Note {
            key: mark(path),
            text: b"kept"[..].into(),
        }
    }

    fn forget(&self, path: &str) -> Change {
        Change::Unnote { key: mark(path) }
    }

    fn hold(&self, path: &str) {
        lock(&self.held).push(path.to_owned());
    }

    fn release(&self, path: &str) {
        let mut held = lock(&self.held);
        let at = held.iter().position(|held| held == path);
        held.remove(at.expect("what is released was held"));
    }

    fn settled(&self, _: &str) {}

    fn is_local(&self, _: &str) -> bool {
        false
    }

    fn absent(&self, path: &str) {
        lock(&self.absent).push(path.to_owned());
    }

    fn stale(&self, path: &str) {
        lock(&self.stale).push(path.to_owned());
    }
}

/// Keys: whoever has the uuid `gone` has none any more.
#[derive(Default)]
pub struct Keys(pub Mutex<Vec<String>>);

impl Credentials for Keys {
    fn known(&self, uuid: &str) -> Result<Option<Arc<Identity>>, StoreError> {
        let identity = Identity {
            subject: "ns".into(),
            namespace: "ns".into(),
            uuid: uuid.into(),
            key: Secret::new("k".into()),
            limits: Arc::new(NamespaceLimits::default()),
        };
        Ok((uuid != "gone").then(|| Arc::new(identity)))
    }

    fn doubt(&self, uuid: &str) {
        lock(&self.0).push(uuid.to_owned());
    }
}

pub struct Gateway {
    pub catalog: Catalog,
    pub copies: Arc<Copies>,
    pub journal: Arc<Journal>,
    pub uuid: &'static str,
    pub keys: Arc<Keys>,
}

impl Gateway {
    pub fn open(dir: &Path) -> Self {
        Self::with_limit(dir, 8 << 20)
    }

    pub fn with_limit(dir: &Path, limit: u64) -> Self {
        let store = Store::open(dir, Options::with_map_size(8 << 20)).unwrap();
        let copies = Arc::new(Copies::default());
        Gateway {
            catalog: Catalog::new(store.clone()),
            journal: Journal::open(store, copies.clone(), limit).unwrap(),
            copies,
            uuid: "u",
            keys: Arc::default(),
        }
    }

    pub fn book(&self) -> Book {
        Book::new(self.catalog.store().clone())
    }

    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let visit = &mut |entry, _| {
            entries.push(entry);
            std::ops::ControlFlow::Continue(())
        };
        self.book().visit(visit).unwrap();
        entries
    }

    pub fn replayer(&self, cloud: &Cloud) -> Replayer {
        Replayer::new(
            self.journal.clone(),
            cloud.upstream(),
            Via::new("id"),
            self.keys.clone(),
        )
    }

    /// A write of a client while the master is out of reach: gives the number of its entry, if it
    /// was done.
    pub async fn write(
        &self,
        operation: Operation,
        collection: Collection,
        path: &str,
        token: &str,
    ) -> Result<Option<u64>, JournalError> {
        let mut body = json!({"parameters": [{"key": "token", "value": token}]});
        if collection == Collection::Actions {
            body["exec"] = json!({"kind": "quickjs:1", "code": token});
        }
        let body = match operation {
            Operation::Put => Bytes::from(body.to_string()),
            _ => Bytes::new(),
        };
        let write = Write {
            uuid: self.uuid.to_owned(),
            collection,
            path: path.to_owned(),
            operation,
            force: false,
            body: body.clone(),
            sent: false,
        };
        let mut recording = self.journal.record(&self.catalog, &write).await?;
        let catalog = self.catalog.along_with(recording.companions());
        let number = recording.number();
        let done = match (operation, collection) {
            (Operation::Put, Collection::Actions) => put_action(&catalog, path, &body, token).await,
            (Operation::Put, _) => {
                let (namespace, name) = path.split_once('/').unwrap();
                let new = NewTrigger::parse(&body).unwrap();
                catalog
                    .put_trigger(namespace, name, &new, true)
                    .await
                    .is_ok()
            }
            (_, Collection::Actions) => match catalog.get::<Action>(path) {
                Ok(action) => catalog.delete(&action).await.is_ok(),
                Err(_) => false,
            },
            _ => catalog.delete_trigger(path).await.is_ok(),
        };
        recording.end().unwrap();
        Ok(done.then_some(number))
    }

    /// The master's entity as a connected request would fetch it.
    pub async fn copy(&self, cloud: &Cloud, collection: Collection, path: &str) {
        let changes = match cloud.thing(collection, path) {
            None => self.copies.removal(path),
            Some(thing) => {
                let document = super::cloud::document(collection.name(), path, &thing, true);
                let document = document.to_string();
                self.copies
                    .adoption(Shown::Merged, collection, path, document.as_bytes())
            }
        };
        let store = self.catalog.store();
        store.write_all(changes.unwrap()).await.unwrap();
    }

    /// What is here at a path.
    pub fn thing(&self, path: &str) -> Option<Thing> {
        let stored = self.catalog.store().entity(path).unwrap()?;
        let document: serde_json::Value = serde_json::from_slice(&stored.document).unwrap();
        let token = document["parameters"][0]["value"].as_str().unwrap();
        if stored.collection == Collection::Actions {
            let code = self.catalog.store().code(path).unwrap().unwrap();
            assert_eq!(code, token.as_bytes(), "code and document belong together");
        }
        let version = document["version"].as_str().unwrap();
        Some(Thing {
            patch: version.rsplit('.').next().unwrap().parse().unwrap(),
            updated: document["updated"].as_u64().unwrap(),
            token: token.to_owned(),
        })
    }
}

async fn put_action(catalog: &Catalog, path: &str, body: &[u8], token: &str) -> bool {
    let (place, name) = path.rsplit_once('/').unwrap();
    let new = NewAction::parse(body, &Manifest::built_in().kinds(false)).unwrap();
    let ranges = ActionRanges::default();
    let code = CodeChange::Set(token.into());
    let written = match catalog.action(path) {
        Ok(old) => {
            let action = new.update(&old, &ranges, 1).unwrap();
            catalog.update_action(action, code).await
        }
        Err(CatalogError::Missing) => {
            let action = new.create(place, name, &ranges, 1).unwrap();
            catalog.create_action(action, code).await
        }
        Err(error) => Err(error),
    };
    written.is_ok()
}
