//! Comparing a copy with what the master has, and making it the same.

use bytes::Bytes;

use super::Copies;
use super::ask::{Answer, Part};
use super::checked::Remembered;
use super::ensure::Item;
use super::error::CopyError;
use super::flights::{Fetch, Landed};
use super::inherited::Heir;
use super::mark::{Base, Mark, Viewer, key};
use crate::catalog::{CatalogError, Entity, creation};
use crate::clock::now;
use crate::entity::{Action, Exec, Package, Parameters, Rule, Trigger};
use crate::store::{Change, CodeChange, Collection, EntityWrite, Expect, StoreError, Stored};
use crate::sync::lock;

/// What the master says of an entity, beside what is here.
enum Told {
    /// It is the same.
    Same(Base),
    /// It is another: what is to be written.
    New(Base, Box<EntityWrite>),
    /// There is none.
    Absent,
}

impl Copies {
    /// Makes a caller's copy what the master has.
    ///
    /// # Errors
    /// The master does not tell, or not this caller. What is here stays as it is then; what the
    /// caller may not see any more is not the caller's copy any more.
    pub(super) async fn refresh(&self, item: &Item, fetch: &Fetch) -> Result<Landed, CopyError> {
        let (since, checked) = (self.now(), now());
        let stored = self.store().entity(&item.path)?;
        let told = match self.told(item, stored.as_ref()).await {
            Err(error @ CopyError::Forbidden(_)) => {
                self.hide(item).await?;
                return Err(error);
            }
            Err(error @ CopyError::OtherCollection) => {
                self.commit_removal(item, fetch).await?;
                return Err(error);
            }
            told => told?,
        };
        if fetch.is_overtaken() || self.0.ours.has(&item.path) {
            return Ok(Landed::Overtaken);
        }
        let (base, write) = match told {
            Told::Absent => return self.commit_removal(item, fetch).await,
            Told::Same(base) => (base, None),
            Told::New(base, write) => (base, Some(write)),
        };
        let mark = Mark {
            path: item.path.clone(),
            base: Some(base),
            checked,
        };
        let is_new = write.is_some();
        let mut changes: Vec<Change> = Vec::new();
        if let Some(mut write) = write {
            // What has come between is newer than what was compared.
            write.expect = match &stored {
                Some(stored) => Expect::Revision(stored.revision),
                None => Expect::Absent,
            };
            changes.push(Change::Put(*write));
        }
        if is_new || self.mark(item)?.is_none_or(|old| old.base != mark.base) {
            changes.push(mark.kept_for(&item.viewer));
        }
        if !changes.is_empty() {
            let bytes = size(&changes);
            match self.catalog().write_all(changes).await {
                Err(CatalogError::Store(StoreError::Full))
                    if self.make_room(item, bytes).await? =>
                {
                    // To be fetched again: until now it was in memory, and twice would be too much.
                    return Ok(Landed::Overtaken);
                }
                Err(CatalogError::Changed | CatalogError::Exists) => return Ok(Landed::Overtaken),
                written => written.map_err(not_written)?,
            };
        }
        let remembered = Remembered::Compared(since);
        if is_new {
            lock(&self.0.checked).set_alone(&item.path, &item.viewer, remembered);
            if stored.is_some() {
                self.has_changed(&item.path, item.collection);
            }
        } else {
            lock(&self.0.checked).set(&item.path, &item.viewer, remembered);
        }
        if fetch.is_overtaken() {
            // While this was committed.
            self.outdate(&item.path);
        }
        Ok(Landed::Here)
    }

    /// What goes with the change of a copy.
    pub(super) fn has_changed(&self, path: &str, collection: Collection) {
        match collection {
            Collection::Actions => (self.0.rooms.retire)(path),
            // Its actions may be shown with other parameters, and what is their own be told better.
            Collection::Packages => lock(&self.0.checked).outdate_in(path),
            Collection::Triggers | Collection::Rules | Collection::Apis => {}
        }
    }

    async fn told(&self, item: &Item, stored: Option<&Stored>) -> Result<Told, CopyError> {
        match item.collection {
            Collection::Actions => self.told_action(item, old(stored)).await,
            Collection::Packages => self.told_package(item, old(stored)).await,
            Collection::Triggers => {
                let Some(document) = self.document(item, Part::Whole).await? else {
                    return Ok(Told::Absent);
                };
                let trigger = Trigger::told(&document, &item.path);
                compared(old(stored), trigger.ok_or_else(|| unreadable(item))?)
            }
            Collection::Rules => {
                let Some(document) = self.document(item, Part::Whole).await? else {
                    return Ok(Told::Absent);
                };
                let rule = Rule::told(&document, &item.path);
                let (rule, status) = rule.ok_or_else(|| unreadable(item))?;
                let trigger = rule.trigger.to_string();
                let here = self.catalog().get::<Trigger>(&trigger);
                if here.is_ok_and(|here| here.status_of(&item.path) != status) {
                    self.outdate(&trigger);
                }
                compared(old(stored), rule)
            }
            Collection::Apis => Ok(Told::Absent),
        }
    }

    /// Code is fetched only if the action has changed.
    async fn told_action(&self, item: &Item, old: Option<Action>) -> Result<Told, CopyError> {
        if let Some(old) = old {
            let Some(document) = self.document(item, Part::WithoutCode).await? else {
                return Ok(Told::Absent);
            };
            let action = Action::told(&document, &item.path);
            let (action, _) = action.ok_or_else(|| unreadable(item))?;
            if base(&action) == base(&old) {
                let known = old.parameters.clone();
                let action = self.with_own(item, action, &old, &known).await?;
                let base = base(&action);
                // The order of what it has may be another each time, and its sandboxes depend on
                // its revision.
                if action.parameters.is_same_set(&old.parameters) {
                    return Ok(Told::Same(base));
                }
                return Ok(Told::New(base, written(&action, CodeChange::Keep)));
            }
        }
        let permit = self.0.large.acquire().await;
        let Some(document) = self.document(item, Part::Whole).await? else {
            return Ok(Told::Absent);
        };
        let action = Action::told(&document, &item.path);
        let (mut action, code) = action.ok_or_else(|| unreadable(item))?;
        drop(document);
        let code = code_of(&action, code).ok_or_else(|| unreadable(item))?;
        drop(permit);
        let unknown = Parameters::default();
        self.disinherit_now(item, &mut action, &unknown).await?;
        Ok(Told::New(base(&action), written(&action, code)))
    }

    async fn told_package(&self, item: &Item, old: Option<Package>) -> Result<Told, CopyError> {
        let Some(document) = self.document(item, Part::Whole).await? else {
            return Ok(Told::Absent);
        };
        let package = Package::told(&document, &item.path);
        let mut package = package.ok_or_else(|| unreadable(item))?;
        let Some(old) = old else {
            let unknown = Parameters::default();
            self.disinherit_now(item, &mut package, &unknown).await?;
            return compared(None, package);
        };
        let is_same = base(&package) == base(&old);
        let known = if is_same {
            old.parameters.clone()
        } else {
            Parameters::default()
        };
        let mut package = self.with_own(item, package, &old, &known).await?;
        if package.parameters.is_same_set(&old.parameters) {
            package.parameters = old.parameters.clone();
        }
        compared(Some(old), package)
    }

    /// What is shown of an entity, with only its own parameters: by the copy of its package if
    /// that explains what is here, else by what the master says of the package.
    async fn with_own<E: Heir + Clone>(
        &self,
        item: &Item,
        shown: E,
        old: &E,
        known: &Parameters,
    ) -> Result<E, CopyError> {
        let mut own = shown.clone();
        self.disinherit(&mut own, known);
        if own.parameters().is_same_set(old.clone().parameters()) {
            return Ok(own);
        }
        let mut own = shown;
        self.disinherit_now(item, &mut own, known).await?;
        Ok(own)
    }

    /// The document of an entity; none if there is no such entity.
    async fn document(&self, item: &Item, part: Part) -> Result<Option<Bytes>, CopyError> {
        let (identity, path) = (&item.identity, &item.path);
        let answer = self.ask(identity, item.collection, path, part).await?;
        Ok(match answer {
            Answer::Document(document) => Some(document),
            Answer::Absent => None,
        })
    }

    /// The master has nothing there: neither has the catalogue, if what it has is a copy.
    async fn commit_removal(&self, item: &Item, fetch: &Fetch) -> Result<Landed, CopyError> {
        if fetch.is_overtaken() || self.0.ours.has(&item.path) {
            return Ok(Landed::Overtaken);
        }
        if self.is_marked(&item.path)? {
            self.remove(&item.path, item.collection).await?;
        }
        Ok(Landed::Absent)
    }

    /// A caller may not see it any more. What nobody of another namespace may see any more goes;
    /// what is the caller's own stays, to be found the same when the caller may see it again.
    async fn hide(&self, item: &Item) -> Result<(), CopyError> {
        if self.mark(item)?.is_none_or(|mark| mark.is_kept()) {
            return Ok(());
        }
        lock(&self.0.checked).forget(&item.path, &item.viewer);
        let key = key(&item.path, &item.viewer);
        let changes = vec![Change::Unnote { key }];
        self.catalog()
            .write_all(changes)
            .await
            .map_err(not_written)?;
        if item.viewer != Viewer::Owner && !self.is_marked(&item.path)? {
            self.remove(&item.path, item.collection).await?;
        }
        Ok(())
    }
}

/// What is here, if it is of the collection and can be read.
fn old<E: Entity>(stored: Option<&Stored>) -> Option<E> {
    let stored = stored.filter(|stored| stored.collection == E::COLLECTION)?;
    E::from_document(&stored.document, stored.revision)
}

/// Which state of an entity this is.
fn base<E: Based>(entity: &E) -> Base {
    entity.base()
}

/// An entity that tells which state of it this is.
pub(super) trait Based: Entity {
    /// Its version and the time of its last change.
    fn base(&self) -> Base;
}

macro_rules! based {
    ($($entity:ident),*) => {
        $(impl Based for $entity {
            fn base(&self) -> Base {
                Base {
                    version: self.version.clone(),
                    updated: self.updated,
                }
            }
        })*
    };
}

based!(Action, Package, Trigger, Rule);

/// An entity without code, beside what is here.
fn compared<E: Based>(old: Option<E>, new: E) -> Result<Told, CopyError> {
    let base = new.base();
    if old.is_some_and(|old| old.document() == new.document()) {
        return Ok(Told::Same(base));
    }
    Ok(Told::New(base, written(&new, CodeChange::Remove)))
}

fn written<E: Entity>(entity: &E, code: CodeChange) -> Box<EntityWrite> {
    Box::new(EntityWrite {
        expect: Expect::Any,
        ..creation(entity, code)
    })
}

/// What becomes of the code of an action that the master has told of; none if it should have some.
pub(super) fn code_of(action: &Action, code: Option<String>) -> Option<CodeChange> {
    match (&action.exec, code) {
        (_, Some(code)) => Some(CodeChange::Set(code.into_bytes())),
        (Exec::Code { .. }, None) => None,
        (_, None) => Some(CodeChange::Remove),
    }
}

fn unreadable(item: &Item) -> CopyError {
    CopyError::unreadable(&item.path)
}

/// Bytes of documents and code.
fn size(changes: &[Change]) -> usize {
    let bytes = changes.iter().map(|change| match change {
        Change::Put(write) => match &write.code {
            CodeChange::Set(code) => write.document.len() + code.len(),
            CodeChange::Keep | CodeChange::Remove => write.document.len(),
        },
        _ => 0,
    });
    bytes.sum()
}

/// A write of copies has failed.
pub(super) fn not_written(error: CatalogError) -> CopyError {
    match error {
        CatalogError::Store(error) => CopyError::Store(error),
        error => CopyError::Unavailable(format!("a copy cannot be kept: {error}")),
    }
}
