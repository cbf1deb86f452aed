//! Removing copies.

use std::ops::ControlFlow;

use super::Copies;
use super::ensure::Item;
use super::error::CopyError;
use super::mark::{Mark, Standing, prefix, prefix_inside};
use super::refresh::not_written;
use crate::catalog::{CatalogError, change};
use crate::entity::names::place_and_name;
use crate::entity::{Action, Package, Rule, Trigger};
use crate::store::{Change, CodeChange, Collection, EntityList, NoteKey, NoteKind, StoreError};
use crate::sync::lock;

/// How often a removal is decided again because what it was decided on has changed.
const TRIES: usize = 4;

impl Copies {
    /// What [`Copies::gone`] writes, to be made part of another commit: the entity goes with its
    /// marks, and with it the actions of a package and what a trigger knows of its rule. Commit it
    /// without waiting for anything in between, and call [`Copies::settled`] then. What was made
    /// here before there was a master stays.
    ///
    /// # Errors
    /// The store cannot be read. That the commit itself fails with [`StoreError::Changed`] means
    /// that the trigger has changed meanwhile: ask for the changes again.
    pub fn removal(&self, path: &str) -> Result<Vec<Change>, CopyError> {
        let mark = self.own_mark(path)?;
        let is_local = mark.is_some_and(|mark| mark.standing == Standing::Local);
        if is_local && self.store().entity(path)?.is_some() {
            return Ok(Vec::new());
        }
        self.whole_removal(path)
    }

    /// [`Copies::removal`], whatever is there.
    pub(super) fn whole_removal(&self, path: &str) -> Result<Vec<Change>, CopyError> {
        let stored = self.store().entity(path)?;
        let mut changes = self.with_marks(path)?;
        match stored.map(|stored| stored.collection) {
            // A package that was deleted here, too, may have got actions since that the master had.
            Some(Collection::Packages) | None => {
                changes.extend(self.removal_in(path)?);
                // What was deleted here with its package has left its marks.
                for (action, mark) in self.marks_inside(path)? {
                    if !self.0.ours.has(&action) && self.store().entity(&action)?.is_none() {
                        changes.push(Change::Unnote { key: mark });
                    }
                }
            }
            Some(Collection::Rules) => changes.extend(self.off_its_trigger(path)),
            _ => {}
        }
        Ok(changes)
    }

    /// What removes the copies of the actions that are in a package.
    fn removal_in(&self, package: &str) -> Result<Vec<Change>, CopyError> {
        let mut changes = Vec::new();
        for action in self.actions_in(package)? {
            if !self.0.ours.has(&action) && self.is_copied(&action)? {
                changes.extend(self.with_marks(&action)?);
            }
        }
        Ok(changes)
    }

    /// What removes the copies of actions in what is a binding now, where there was a package: the
    /// master has no actions there.
    pub(super) fn off_a_binding(&self, package: &Package) -> Result<Vec<Change>, CopyError> {
        match package.binding {
            Some(_) => self.removal_in(&package.path()),
            None => Ok(Vec::new()),
        }
    }

    /// Removes a copy with what belongs to it.
    pub(super) async fn remove(&self, path: &str, collection: Collection) -> Result<(), CopyError> {
        let inside = match collection {
            Collection::Packages => self.actions_in(path)?,
            _ => Vec::new(),
        };
        let mut tries = 1;
        loop {
            match self.catalog().write_all(self.whole_removal(path)?).await {
                Err(CatalogError::Changed) if tries < TRIES => tries += 1,
                written => {
                    written.map_err(not_written)?;
                    break;
                }
            }
        }
        for path in inside.iter().map(String::as_str).chain([path]) {
            lock(&self.0.checked).forget_all(path);
            (self.0.rooms.retire)(path);
        }
        Ok(())
    }

    /// The marks of what is in a package, or was, with the paths that they are of; not those that
    /// say that something was deleted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn marks_inside(&self, package: &str) -> Result<Vec<(String, NoteKey)>, StoreError> {
        let mut marks = Vec::new();
        let is_inside = |mark: &Mark| {
            mark.standing != Standing::Gone && place_and_name(&mark.path).0 == package
        };
        let visit = &mut |key: NoteKey, text: &[u8]| {
            let mark = Mark::read(text).filter(is_inside);
            marks.extend(mark.map(|mark| (mark.path, key)));
            ControlFlow::Continue(())
        };
        let prefix = prefix_inside(package);
        self.store()
            .visit_notes(NoteKind::Copy, &prefix, None, visit)?;
        Ok(marks)
    }

    /// Whether what waits for the master is shown only for as long as a package is here: an action in
    /// it, or a binding to it. What the master says of that when it gets it, is to come first.
    pub(super) fn is_needed(&self, item: &Item) -> bool {
        let needs = |path: &String| {
            let bound = self.catalog().package(path).ok();
            let bound = bound.and_then(|package| package.binding.as_ref().map(|to| to.path()));
            place_and_name(path).0 == item.path || bound.is_some_and(|to| to == item.path)
        };
        item.collection == Collection::Packages && self.0.ours.all().iter().any(needs)
    }

    /// Whether copies of actions are here of a package that is not: they were written through here,
    /// and nobody has asked for the package.
    pub(super) fn has_left_actions(&self, item: &Item) -> Result<bool, CopyError> {
        if item.collection != Collection::Packages || self.store().entity(&item.path)?.is_some() {
            return Ok(false);
        }
        Ok(!self.removal_in(&item.path)?.is_empty())
    }

    /// Whether what is at a path is a copy, of whoever it may be.
    pub(super) fn is_copied(&self, path: &str) -> Result<bool, StoreError> {
        Ok(match self.own_mark(path)? {
            Some(mark) if !mark.is_copy() => false,
            _ => self.is_marked(path)?,
        })
    }

    /// Whether anything is known of a path beside what is stored there.
    pub(super) fn is_marked(&self, path: &str) -> Result<bool, StoreError> {
        Ok(!self.marks(path)?.is_empty())
    }

    /// The removal of an entity and of all its marks.
    fn with_marks(&self, path: &str) -> Result<Vec<Change>, StoreError> {
        let marks = self.marks(path)?.into_iter();
        let mut changes: Vec<Change> = marks.map(|key| Change::Unnote { key }).collect();
        changes.push(Change::Drop { path: path.into() });
        Ok(changes)
    }

    /// The marks of a path, one for each who may see it.
    fn marks(&self, path: &str) -> Result<Vec<NoteKey>, StoreError> {
        let mut keys = Vec::new();
        let visit = &mut |key: NoteKey, text: &[u8]| {
            if Mark::read(text).is_some_and(|mark| mark.path == path) {
                keys.push(key);
            }
            ControlFlow::Continue(())
        };
        let prefix = prefix(path);
        self.store()
            .visit_notes(NoteKind::Copy, &prefix, None, visit)?;
        Ok(keys)
    }

    fn actions_in(&self, package: &str) -> Result<Vec<String>, CopyError> {
        let mut paths = Vec::new();
        let list = EntityList::Package(package);
        let listed = self.catalog().each(list, 0, usize::MAX, |action: Action| {
            paths.push(action.path());
        });
        listed.map_err(not_written)?;
        Ok(paths)
    }

    /// What takes a rule off its trigger, if that knows it.
    pub(super) fn off_its_trigger(&self, rule: &str) -> Option<Change> {
        let found: Rule = self.catalog().get(rule).ok()?;
        let mut trigger: Trigger = self.catalog().get(&found.trigger.to_string()).ok()?;
        trigger.rules.as_mut()?.remove(rule)?;
        let write = change(&trigger, CodeChange::Keep);
        Some(Change::Put(write))
    }
}
