//! The local catalogue over the store.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::cache::Cache;
use super::documents::{Entity, change, creation};
use super::supplier::Supplier;
use crate::builtin;
use crate::entity::{Action, EntityError, Exec, Package};
use crate::store::{Change, CodeChange, Store, StoreError};
use crate::sync::lock;

/// Why the catalogue did not do something. The texts are OpenWhisk's (reference section 3).
#[derive(Debug)]
pub enum CatalogError {
    /// There is nothing of that path.
    Missing,
    /// What has that path is in another collection.
    OtherCollection,
    /// It is there and cannot be read.
    Corrupt,
    /// It has been changed or deleted by somebody else meanwhile.
    Changed,
    /// There is one already.
    Exists,
    /// It is part of OWL: nobody can write there.
    BuiltIn,
    /// A rule without a trigger cannot be active.
    TriggerGone,
    /// It is another OpenWhisk's, nothing is known of it here, and that cannot be asked now: the
    /// reason.
    Unavailable(String),
    /// What was asked for makes no entity that may be.
    Refused(EntityError),
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
            Self::BuiltIn => "Operation not permitted on built-in packages and actions.",
            Self::TriggerGone => "Only rules with existing triggers can be activated",
            Self::Unavailable(reason) => reason,
            Self::Refused(error) => return error.fmt(f),
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

impl From<EntityError> for CatalogError {
    fn from(error: EntityError) -> Self {
        Self::Refused(error)
    }
}

/// The entities that there are. Clones share one cache.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    actions: Arc<Mutex<Cache<Action>>>,
    packages: Arc<Mutex<Cache<Package>>>,
    /// Held by changes that must not be outrun: see [`Catalog::turn`].
    turn: Arc<smol::lock::Mutex<()>>,
    /// What goes with every write: see [`Catalog::along_with`].
    companions: Vec<Change>,
    /// Who fetches what is to be looked up: see [`Catalog::prepare`].
    supplier: Option<Arc<dyn Supplier>>,
}

impl Catalog {
    /// The catalogue in a store.
    pub fn new(store: Store) -> Self {
        Catalog {
            store,
            actions: Arc::default(),
            packages: Arc::default(),
            turn: Arc::default(),
            companions: Vec::new(),
            supplier: None,
        }
    }

    /// The same catalogue, for one write: these changes are made in the same commit, or not at all
    /// like the write itself.
    pub fn along_with(&self, companions: Vec<Change>) -> Self {
        Catalog {
            companions,
            ..self.clone()
        }
    }

    /// The same catalogue, with somebody who supplies it: see [`Catalog::prepare`].
    #[must_use]
    pub fn supplied_by(&self, supplier: Arc<dyn Supplier>) -> Self {
        Catalog {
            supplier: Some(supplier),
            ..self.clone()
        }
    }

    /// Who supplies it.
    pub(super) fn supplier(&self) -> Option<&Arc<dyn Supplier>> {
        self.supplier.as_ref()
    }

    /// Whether nothing goes with a write.
    pub(super) fn is_alone(&self) -> bool {
        self.companions.is_empty()
    }

    /// Changes, with those that go with every write.
    pub(super) fn accompanied(&self, mut changes: Vec<Change>) -> Vec<Change> {
        changes.extend_from_slice(&self.companions);
        changes
    }

    /// The store that it is in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The action of a path (`ns/[package/]name`), without its code. A hot action costs a look-up and no
    /// copy.
    pub fn action(&self, path: &str) -> Result<Arc<Action>, CatalogError> {
        self.cached(&self.actions, path)
    }

    /// The package or binding of a path (`ns/name`).
    pub fn package(&self, path: &str) -> Result<Arc<Package>, CatalogError> {
        self.cached(&self.packages, path)
    }

    /// The code of an action: source text, or base64 if its `exec` says `binary`. Only a blackbox
    /// may have none.
    ///
    /// # Errors
    /// [`CatalogError::Missing`] if the action has been deleted, [`CatalogError::Changed`] if it
    /// is not at the revision of `action` any more: get it again then.
    pub fn code(&self, action: &Action) -> Result<Option<String>, CatalogError> {
        if action.exec == Exec::Builtin {
            return Ok(Some(builtin::CODE.to_owned()));
        }
        let path = action.path();
        // In this order: what is at its revision now was at it when the code was read, too.
        let code = self.store.code(&path)?;
        let now = self.store.entity(&path)?.map(|stored| stored.revision);
        if now != Some(action.revision) {
            // The write that did this may not have come round to it yet.
            lock(&self.actions).forget(&path);
            return Err(now.map_or(CatalogError::Missing, |_| CatalogError::Changed));
        }
        code.map(|code| String::from_utf8(code).map_err(|_| CatalogError::Corrupt))
            .transpose()
    }

    /// An action with its code, as [`Catalog::action`] and [`Catalog::code`] at one revision.
    pub fn action_with_code(&self, path: &str) -> Result<(Action, Option<String>), CatalogError> {
        loop {
            let action = self.get(path)?;
            match self.code(&action) {
                // A write went between the two reads; there are none without end.
                Err(CatalogError::Changed) => {}
                code => return Ok((action, code?)),
            }
        }
    }

    /// Creates an action; gives it with its revision.
    pub async fn create_action(
        &self,
        action: Action,
        code: CodeChange,
    ) -> Result<Action, CatalogError> {
        let write = creation(&action, code);
        self.written(action, write).await
    }

    /// Changes an action, which carries the revision that it was made from; gives it with the new
    /// one.
    pub async fn update_action(
        &self,
        action: Action,
        code: CodeChange,
    ) -> Result<Action, CatalogError> {
        let write = change(&action, code);
        self.written(action, write).await
    }

    /// Waits for the turn to read several entities and change them by what was read.
    pub(super) async fn turn(&self) -> smol::lock::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    fn cached<E: Entity>(
        &self,
        cache: &Mutex<Cache<E>>,
        path: &str,
    ) -> Result<Arc<E>, CatalogError> {
        let changes = self.store.catalogue_changes();
        if let Some(entity) = lock(cache).get(path, changes) {
            return Ok(entity);
        }
        let (entity, bytes) = self.found::<E>(path)?;
        let entity = Arc::new(entity);
        lock(cache).insert(path, entity.clone(), bytes, changes);
        Ok(entity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Manifest;
    use crate::entity::{ActionRanges, NewAction};
    use crate::store::{Collection, EntityWrite, Expect, Options};

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
    fn a_writer_who_goes_away_leaves_nothing_outdated() {
        smol::block_on(async {
            let (_dir, catalog) = catalog();
            let first = catalog.create_action(made("1"), set("1")).await.unwrap();
            assert_eq!(catalog.action("guest/a").unwrap().version, "0.0.1");
            let ranges = ActionRanges::default();
            let changed = new("2").update(&first, &ranges, 2).unwrap();
            let mut writing = Box::pin(catalog.update_action(changed, set("2")));
            smol::future::poll_once(&mut writing).await;
            drop(writing);
            // What comes later is written later, and is nothing that is kept.
            let other = EntityWrite {
                path: "guest/t".into(),
                collection: Collection::Triggers,
                document: b"{}".to_vec(),
                code: CodeChange::Remove,
                updated: 3,
                expect: Expect::Absent,
            };
            catalog.store().put_entity(other).await.unwrap();
            assert_eq!(catalog.action("guest/a").unwrap().version, "0.0.2");
        });
    }

    #[test]
    fn write_read_change_delete() {
        smol::block_on(async {
            let (_dir, catalog) = catalog();
            assert!(matches!(
                catalog.action("guest/a"),
                Err(CatalogError::Missing)
            ));
            let first = catalog.create_action(made("1"), set("1")).await.unwrap();
            let hot = catalog.action("guest/a").unwrap();
            assert!(Arc::ptr_eq(&hot, &catalog.action("guest/a").unwrap()));
            assert_eq!(catalog.code(&hot).unwrap().as_deref(), Some("1"));
            assert!(matches!(
                catalog.create_action(made("2"), set("2")).await,
                Err(CatalogError::Exists)
            ));

            let changed = new("2")
                .update(&first, &ActionRanges::default(), 2)
                .unwrap();
            catalog.update_action(changed, set("2")).await.unwrap();
            assert!(matches!(catalog.code(&hot), Err(CatalogError::Changed)));
            let hot = catalog.action("guest/a").unwrap();
            assert_eq!(hot.version, "0.0.2");
            assert_eq!(catalog.code(&hot).unwrap().as_deref(), Some("2"));
            assert!(matches!(
                catalog.update_action(first.clone(), CodeChange::Keep).await,
                Err(CatalogError::Changed)
            ));
            assert!(matches!(
                catalog.delete(&first).await,
                Err(CatalogError::Changed)
            ));

            let kept = catalog
                .update_action((*hot).clone(), CodeChange::Keep)
                .await
                .unwrap();
            assert_eq!(catalog.code(&kept).unwrap().as_deref(), Some("2"));
            let (same, code) = catalog.action_with_code("guest/a").unwrap();
            assert_eq!((same.revision, code.as_deref()), (kept.revision, Some("2")));
            let none = catalog
                .update_action(kept, CodeChange::Remove)
                .await
                .unwrap();
            assert_eq!(catalog.code(&none).unwrap(), None);
            assert_eq!(catalog.count::<Action>("guest").unwrap(), 1);
            assert_eq!(catalog.list::<Action>("guest", 0, 9).unwrap()[0].name, "a");

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
