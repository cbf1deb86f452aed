//! What the master says of entities beside our own questions: its answers to writes that went
//! through here, and to requests that were only passed on.

use super::Copies;
use super::checked::Remembered;
use super::error::CopyError;
use super::mark::{Base, Mark, Standing, Viewer, key};
use super::refresh::not_written;
use crate::catalog::CatalogError;
use crate::entity::{Identity, Rule, RuleStatus, json};
use crate::store::{Change, Collection, Store, StoreError};
use crate::sync::lock;

/// How often a change is decided again because what it was decided on has changed.
const TRIES: usize = 4;

/// Which parameters a document of the master's has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The entity's own: it is the answer to a write.
    Own,
    /// Those that it inherits, too: it is the answer to a `GET`.
    Merged,
}

/// A write to the master that is under way. What was fetched before it has ended is not kept, and
/// unless its answer was, the next who wants the copy asks the master.
#[must_use = "the write is over when this is dropped"]
pub struct Writing {
    copies: Copies,
    path: String,
}

impl Drop for Writing {
    fn drop(&mut self) {
        lock(&self.copies.0.absent).forget(&self.path);
        if !self.copies.0.flights.end_write(&self.path) {
            self.copies.outdate(&self.path);
        }
    }
}

/// What [`Copies::forget`] gives, for whoever has no more than the store.
pub fn forget(path: &str) -> Change {
    let key = key(path, &Viewer::Owner);
    Change::Unnote { key }
}

/// The change after which the copy of a path is compared with the master's before it is used, also
/// after a restart; none if there is no copy. For whoever has no more than the store.
///
/// # Errors
/// The store cannot be read.
pub fn outdated(store: &Store, path: &str) -> Result<Option<Change>, StoreError> {
    let text = store.note(&key(path, &Viewer::Owner))?;
    let mark = text.as_deref().and_then(Mark::read);
    let mark = mark
        .filter(Mark::is_copy)
        .map(|mark| Mark { checked: 0, ..mark });
    Ok(mark.map(|mark| mark.kept_for(&Viewer::Owner)))
}

impl Copies {
    /// To be held from before a write to a path is sent to the master until its answer has been
    /// adopted.
    pub fn writing(&self, path: &str) -> Writing {
        self.0.flights.begin_write(path);
        lock(&self.0.absent).forget(path);
        Writing {
            copies: self.clone(),
            path: path.to_owned(),
        }
    }

    /// Makes the copy of a path what the master has answered to a caller. A rule is attached to
    /// the copy of its trigger as well. While writes to the path wait for the master, only what
    /// they are based on is renewed.
    ///
    /// # Errors
    /// The document is not that entity, or has no code where there must be some; the store does not
    /// take it. The copy is outdated then.
    pub async fn adopt_answer(
        &self,
        identity: &Identity,
        shown: Shown,
        collection: Collection,
        path: &str,
        document: &[u8],
    ) -> Result<(), CopyError> {
        let viewer = Viewer::of(identity, path);
        let mut tries = 1;
        let adopted = loop {
            let mut changes = match self.changes(&viewer, shown, collection, path, document) {
                Ok(changes) => changes,
                Err(error) => break Err(error),
            };
            if self.0.ours.has(path) {
                changes.retain(|change| matches!(change, Change::Note { .. }));
            } else if shown == Shown::Merged && self.is_older(path, document)? {
                return Ok(());
            }
            match self.catalog().write_all(changes).await {
                Err(CatalogError::Changed) if tries < TRIES => tries += 1,
                written => break written.map(drop).map_err(not_written),
            }
        };
        match adopted {
            Err(error) => {
                self.outdate(path);
                Err(error)
            }
            // It may have been asked for before a write that has ended since.
            Ok(()) if shown == Shown::Merged => {
                let mut checked = lock(&self.0.checked);
                checked.set_alone(path, &viewer, Remembered::Outdated);
                Ok(())
            }
            Ok(()) => {
                self.settled(path);
                Ok(())
            }
        }
    }

    /// What [`Copies::adopt_answer`] writes for keys of the namespace that the path is in, to be
    /// made part of another commit, whether writes to the path wait or not. Commit it without
    /// waiting for anything in between, and call [`Copies::settled`] then.
    ///
    /// # Errors
    /// The document is not that entity, or has no code where there must be some. That the commit
    /// itself fails with [`StoreError::Changed`] means that a rule's trigger has changed meanwhile:
    /// ask for the changes again.
    pub fn adoption(
        &self,
        shown: Shown,
        collection: Collection,
        path: &str,
        document: &[u8],
    ) -> Result<Vec<Change>, CopyError> {
        self.changes(&Viewer::Owner, shown, collection, path, document)
    }

    /// The copy of a path is in the store as the master has it, or as it is kept here; or it has
    /// been removed from there.
    pub fn settled(&self, path: &str) {
        let is_last = self.0.flights.settle(path);
        let stored = self.store().entity(path).ok().flatten();
        let mark = self.store().note(&key(path, &Viewer::Owner)).ok().flatten();
        let mark = mark.as_deref().and_then(Mark::read);
        let remembered = mark.and_then(|mark| match mark.standing {
            Standing::Kept => Some(Remembered::Kept),
            Standing::Copy(_) | Standing::Local if is_last => {
                Some(Remembered::Compared(self.now()))
            }
            Standing::Copy(_) | Standing::Local | Standing::Gone => Some(Remembered::Outdated),
            Standing::Hidden => None,
        });
        lock(&self.0.absent).forget(path);
        let mut checked = lock(&self.0.checked);
        match remembered {
            Some(remembered) => checked.set_alone(path, &Viewer::Owner, remembered),
            None => checked.forget_all(path),
        }
        drop(checked);
        match stored {
            Some(stored) => self.has_changed(path, stored.collection),
            None => (self.0.rooms.retire)(path),
        }
    }

    /// The master has nothing at a path any more: the copy goes, and with it the actions of a
    /// package and what a trigger knows of its rule. While writes to the path wait for the master,
    /// only the mark goes.
    ///
    /// # Errors
    /// The store does not do it.
    pub async fn gone(&self, path: &str) -> Result<(), CopyError> {
        if self.0.ours.has(path) {
            let changes = vec![self.forget(path)];
            self.catalog()
                .write_all(changes)
                .await
                .map_err(not_written)?;
            return Ok(());
        }
        let stored = self.store().entity(path)?;
        // Actions may be here whose package is not.
        let collection = stored.map_or(Collection::Packages, |stored| stored.collection);
        self.remove(path, collection).await?;
        self.0.flights.settle(path);
        self.absent(path);
        Ok(())
    }

    /// The master has changed the status of a rule: so it is in the copy of its trigger.
    ///
    /// # Errors
    /// The store does not do it.
    pub async fn set_rule_status(&self, path: &str, status: RuleStatus) -> Result<(), CopyError> {
        let mut tries = 1;
        loop {
            let Ok(rule) = self.catalog().get::<Rule>(path) else {
                return Ok(());
            };
            self.outdate(&rule.trigger.to_string());
            let attached = self.attached(&rule, status);
            let changes = attached.into_iter().collect();
            match self.catalog().write_all(changes).await {
                Err(CatalogError::Changed) if tries < TRIES => tries += 1,
                written => return written.map(drop).map_err(not_written),
            }
        }
    }

    /// What is at a path has changed at the master, nobody here knows how: whoever wants it asks
    /// first. So it is with the trigger of a rule and with the actions of a package.
    pub fn stale(&self, path: &str) {
        self.outdate(path);
        lock(&self.0.checked).outdate_in(path);
        if let Ok(rule) = self.catalog().get::<Rule>(path) {
            self.outdate(&rule.trigger.to_string());
        }
    }

    /// What the copy of a path was made of; none if there is no copy, so that the master is thought
    /// to have nothing there.
    pub fn base(&self, path: &str) -> Result<Option<Base>, StoreError> {
        let mark = self.own_mark(path)?;
        Ok(mark.and_then(|mark| mark.base().cloned()))
    }

    /// Whether what is at a path is kept here beside the master's, and never fetched.
    pub fn is_kept(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.own_mark(path)?.is_some_and(|mark| mark.is_kept()))
    }

    /// The change that makes what is at a path, as it is, the copy of a state of the master's: where
    /// a write was made there that answers without a document. Call [`Copies::settled`] then.
    pub fn copy_of(&self, path: &str, base: Base) -> Change {
        Mark::new(path, Standing::Copy(base)).kept_for(&Viewer::Owner)
    }

    /// The change that makes what is at a path one that [is kept](Self::is_kept): to be made in
    /// the commit that puts it there.
    pub fn keep(&self, path: &str) -> Change {
        Mark::new(path, Standing::Kept).kept_for(&Viewer::Owner)
    }

    /// The change that takes the mark off a path: to be made in the commit that removes what was
    /// kept there. Call [`Copies::settled`] then.
    pub fn forget(&self, path: &str) -> Change {
        forget(path)
    }

    /// Whoever wants what is at a path asks the master first.
    pub(super) fn outdate(&self, path: &str) {
        lock(&self.0.absent).forget(path);
        let mut checked = lock(&self.0.checked);
        let is_remembered = checked.get(path, &Viewer::Owner).is_some();
        if !is_remembered
            && self
                .own_mark(path)
                .is_ok_and(|mark| mark.is_some_and(|mark| !mark.is_kept()))
        {
            // Its time in the store may be young, after a restart.
            checked.set(path, &Viewer::Owner, Remembered::Outdated);
        }
        checked.outdate(path);
    }

    pub(super) fn own_mark(&self, path: &str) -> Result<Option<Mark>, StoreError> {
        let text = self.store().note(&key(path, &Viewer::Owner))?;
        Ok(text.as_deref().and_then(Mark::read))
    }

    /// Whether what is at a path has changed after a document was made.
    fn is_older(&self, path: &str, document: &[u8]) -> Result<bool, StoreError> {
        let updated = |document: &[u8]| {
            let base: Option<Base> = json::stored(document);
            base.map_or(0, |base| base.updated)
        };
        let stored = self.store().entity(path)?;
        Ok(stored.is_some_and(|stored| updated(&stored.document) > updated(document)))
    }
}
