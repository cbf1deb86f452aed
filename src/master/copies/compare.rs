//! What the master says of an entity, beside the copy that is here.

use bytes::Bytes;

use super::Copies;
use super::ask::{Answer, Part};
use super::ensure::Item;
use super::error::CopyError;
use super::inherited::Heir;
use super::mark::Base;
use crate::catalog::{Entity, creation};
use crate::entity::{Action, Exec, Package, Parameters, Rule, Trigger};
use crate::store::{CodeChange, Collection, EntityWrite, Expect, Stored};

/// What the master says of an entity, beside what is here.
pub(super) enum Told {
    /// It is the same.
    Same(Base),
    /// It is another: what is to be written.
    New(Base, Box<EntityWrite>),
    /// There is none.
    Absent,
}

impl Copies {
    /// Asks the master for an entity, and compares it with what is here.
    pub(super) async fn told(
        &self,
        item: &Item,
        stored: Option<&Stored>,
    ) -> Result<Told, CopyError> {
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
            // Its place is free for what may be asked for next.
            drop(document);
            if action.base() == old.base() {
                let known = old.parameters.clone();
                let action = self.with_own(item, action, &old, &known).await?;
                let base = action.base();
                // The order of what it has may be another each time, and its sandboxes depend on
                // its revision.
                if action.parameters.is_same_set(&old.parameters) {
                    return Ok(Told::Same(base));
                }
                return Ok(Told::New(base, written(&action, CodeChange::Keep)));
            }
        }
        let _permit = self.0.large.acquire().await;
        let Some(document) = self.document(item, Part::Whole).await? else {
            return Ok(Told::Absent);
        };
        let action = Action::told(&document, &item.path);
        let (mut action, code) = action.ok_or_else(|| unreadable(item))?;
        drop(document);
        let code = code_of(&action, code).ok_or_else(|| unreadable(item))?;
        let unknown = Parameters::default();
        self.disinherit_now(item, &mut action, &unknown).await?;
        Ok(Told::New(action.base(), written(&action, code)))
    }

    async fn told_package(&self, item: &Item, old: Option<Package>) -> Result<Told, CopyError> {
        let Some(document) = self.document(item, Part::Whole).await? else {
            return Ok(Told::Absent);
        };
        let package = Package::told(&document, &item.path);
        let mut package = package.ok_or_else(|| unreadable(item))?;
        drop(document);
        let Some(old) = old else {
            let unknown = Parameters::default();
            self.disinherit_now(item, &mut package, &unknown).await?;
            return compared(None, package);
        };
        let is_same = package.base() == old.base();
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
}

/// What is here, if it is of the collection and can be read.
fn old<E: Entity>(stored: Option<&Stored>) -> Option<E> {
    let stored = stored.filter(|stored| stored.collection == E::COLLECTION)?;
    E::from_document(&stored.document, stored.revision)
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
