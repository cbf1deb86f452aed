//! The local catalogue over the store.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cache::Cache;
use crate::entity::Action;
use crate::store::{CodeChange, Collection, EntityWrite, Expect, Store, StoreError, Stored};

/// Why the catalogue did not do something. The texts are OpenWhisk's (reference section 3).
#[derive(Debug)]
pub enum CatalogError {
    /// There is nothing of that path.
    Missing,
    /// What has that path is not an action.
    OtherCollection,
    /// It is there and cannot be read.
    Corrupt,
    /// It has been changed or deleted by somebody else meanwhile.
    Changed,
    /// There is one already.
    Exists,
    /// The store did not do it.
    Store(StoreError),
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "The requested resource does not exist.",
            Self::OtherCollection => "Resource by this name exists but is not in this collection.",
            Self::Corrupt => "Resource is corrupted and cannot be read.",
            Self::Changed => "Concurrent modification to resource detected.",
            Self::Exists => "resource already exists",
            Self::Store(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for CatalogError {}

impl From<StoreError> for CatalogError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists => Self::Exists,
            StoreError::Changed => Self::Changed,
            error => Self::Store(error),
        }
    }
}

/// The actions that there are. Clones share one cache.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    cache: Arc<Mutex<Cache>>,
}

impl Catalog {
    /// The catalogue in a store.
    pub fn new(store: Store) -> Self {
        Catalog {
            store,
            cache: Arc::default(),
        }
    }

    /// The store that it is in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The action of a path (`ns/name`), without its code. A hot action costs a look-up and no
    /// copy.
    pub fn action(&self, path: &str) -> Result<Arc<Action>, CatalogError> {
        let generation = {
            let mut cache = self.cache();
            if let Some(action) = cache.get(path) {
                return Ok(action);
            }
            cache.generation()
        };
        let stored = self.store.entity(path)?.ok_or(CatalogError::Missing)?;
        let action = Arc::new(read(&stored)?);
        let bytes = stored.document.len();
        self.cache().insert(path, action.clone(), bytes, generation);
        Ok(action)
    }

    /// The code of an action: source text, or base64 if its `exec` says `binary`. Only a blackbox
    /// may have none.
    ///
    /// # Errors
    /// [`CatalogError::Missing`] if the action has been deleted, [`CatalogError::Changed`] if it
    /// is not at the revision of `action` any more: get it again then.
    pub fn code(&self, action: &Action) -> Result<Option<String>, CatalogError> {
        let path = action.path();
        // In this order: what is at its revision now was at it when the code was read, too.
        let code = self.store.code(&path)?;
        let now = self.store.entity(&path)?.map(|stored| stored.revision);
        if now != Some(action.revision) {
            // The write that did this may not have come round to it yet.
            self.cache().invalidate(&path);
            return Err(now.map_or(CatalogError::Missing, |_| CatalogError::Changed));
        }
        code.map(|code| String::from_utf8(code).map_err(|_| CatalogError::Corrupt))
            .transpose()
    }

    /// An action with its code, as [`Catalog::action`] and [`Catalog::code`] at one revision.
    pub fn action_with_code(&self, path: &str) -> Result<(Action, Option<String>), CatalogError> {
        loop {
            let stored = self.store.entity(path)?.ok_or(CatalogError::Missing)?;
            let action = read(&stored)?;
            match self.code(&action) {
                // A write went between the two reads; there are none without end.
                Err(CatalogError::Changed) => {}
                code => return Ok((action, code?)),
            }
        }
    }

    /// Creates an action; gives it with its revision.
    pub async fn create(&self, action: Action, code: CodeChange) -> Result<Action, CatalogError> {
        self.write(action, code, Expect::Absent).await
    }

    /// Changes an action, which carries the revision that it was made from; gives it with the new
    /// one.
    pub async fn update(&self, action: Action, code: CodeChange) -> Result<Action, CatalogError> {
        let expect = Expect::Revision(action.revision);
        self.write(action, code, expect).await
    }

    /// Deletes an action at its revision.
    pub async fn delete(&self, action: &Action) -> Result<(), CatalogError> {
        let path = action.path();
        let deleted = self.store.delete_entity(&path, action.revision).await;
        self.cache().invalidate(&path);
        Ok(deleted?)
    }

    /// Actions of a namespace, the last updated first.
    pub fn list(
        &self,
        namespace: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Action>, CatalogError> {
        self.store
            .list_entities(namespace, Collection::Actions, skip, limit)?
            .iter()
            .map(read)
            .collect()
    }

    /// How many actions a namespace has.
    pub fn count(&self, namespace: &str) -> Result<u64, CatalogError> {
        Ok(self.store.count_entities(namespace, Collection::Actions)?)
    }

    async fn write(
        &self,
        mut action: Action,
        code: CodeChange,
        expect: Expect,
    ) -> Result<Action, CatalogError> {
        let path = action.path();
        let namespace = path.split('/').next().unwrap_or_default().to_string();
        let written = self
            .store
            .put_entity(EntityWrite {
                namespace,
                path: path.clone(),
                collection: Collection::Actions,
                document: action.document(),
                code,
                updated: action.updated,
                expect,
            })
            .await;
        self.cache().invalidate(&path);
        action.revision = written?;
        Ok(action)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Nothing panics while it holds the lock; a poisoned cache would still be a good one.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(stored: &Stored) -> Result<Action, CatalogError> {
    if stored.collection != Collection::Actions {
        return Err(CatalogError::OtherCollection);
    }
    Action::from_document(&stored.document, stored.revision).ok_or(CatalogError::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Manifest;
    use crate::entity::{ActionRanges, NewAction};
    use crate::store::Options;

    fn catalog() -> (tempfile::TempDir, Catalog) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        (dir, Catalog::new(store))
    }

    fn set(code: &str) -> CodeChange {
        CodeChange::Set(code.into())
    }

    fn new(code: &str) -> NewAction {
        let body = format!(r#"{{"exec":{{"kind":"quickjs:1","code":"{code}"}}}}"#);
        NewAction::parse(body.as_bytes(), &Manifest::built_in().kinds(false)).unwrap()
    }

    fn made(code: &str) -> Action {
        new(code)
            .create("guest", "a", &ActionRanges::default(), 1)
            .unwrap()
    }

    #[test]
    fn write_read_change_delete() {
        smol::block_on(async {
            let (_dir, catalog) = catalog();
            assert!(matches!(
                catalog.action("guest/a"),
                Err(CatalogError::Missing)
            ));
            let first = catalog.create(made("1"), set("1")).await.unwrap();
            let hot = catalog.action("guest/a").unwrap();
            assert!(Arc::ptr_eq(&hot, &catalog.action("guest/a").unwrap()));
            assert_eq!(catalog.code(&hot).unwrap().as_deref(), Some("1"));
            assert!(matches!(
                catalog.create(made("2"), set("2")).await,
                Err(CatalogError::Exists)
            ));

            let changed = new("2")
                .update(&first, &ActionRanges::default(), 2)
                .unwrap();
            catalog.update(changed, set("2")).await.unwrap();
            assert!(matches!(catalog.code(&hot), Err(CatalogError::Changed)));
            let hot = catalog.action("guest/a").unwrap();
            assert_eq!(hot.version, "0.0.2");
            assert_eq!(catalog.code(&hot).unwrap().as_deref(), Some("2"));
            assert!(matches!(
                catalog.update(first.clone(), CodeChange::Keep).await,
                Err(CatalogError::Changed)
            ));
            assert!(matches!(
                catalog.delete(&first).await,
                Err(CatalogError::Changed)
            ));

            let kept = catalog
                .update((*hot).clone(), CodeChange::Keep)
                .await
                .unwrap();
            assert_eq!(catalog.code(&kept).unwrap().as_deref(), Some("2"));
            let (same, code) = catalog.action_with_code("guest/a").unwrap();
            assert_eq!((same.revision, code.as_deref()), (kept.revision, Some("2")));
            let none = catalog.update(kept, CodeChange::Remove).await.unwrap();
            assert_eq!(catalog.code(&none).unwrap(), None);
            assert_eq!(catalog.count("guest").unwrap(), 1);
            assert_eq!(catalog.list("guest", 0, 9).unwrap()[0].name, "a");

            catalog.delete(&none).await.unwrap();
            assert!(matches!(
                catalog.action("guest/a"),
                Err(CatalogError::Missing)
            ));
            assert!(matches!(catalog.code(&hot), Err(CatalogError::Missing)));
        });
    }

    #[test]
    fn not_an_action() {
        smol::block_on(async {
            let (_dir, catalog) = catalog();
            let put = |path: &str, collection| {
                catalog.store.put_entity(EntityWrite {
                    namespace: "guest".into(),
                    path: path.into(),
                    collection,
                    document: b"{}".to_vec(),
                    code: CodeChange::Remove,
                    updated: 1,
                    expect: Expect::Absent,
                })
            };
            put("guest/t", Collection::Triggers).await.unwrap();
            put("guest/bad", Collection::Actions).await.unwrap();
            assert!(matches!(
                catalog.action("guest/t"),
                Err(CatalogError::OtherCollection)
            ));
            assert!(matches!(
                catalog.action("guest/bad"),
                Err(CatalogError::Corrupt)
            ));
        });
    }
}
