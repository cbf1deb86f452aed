//! Comparing a copy with what the master has, and making it the same.

use std::time::Duration;

use super::Copies;
use super::checked::Remembered;
use super::compare::Told;
use super::ensure::Item;
use super::error::CopyError;
use super::flights::{Fetch, Landed};
use super::mark::{Mark, Standing, Viewer, key};
use crate::catalog::CatalogError;
use crate::clock::now;
use crate::entity::Package;
use crate::store::{Change, CodeChange, Collection, Expect, StoreError};
use crate::sync::lock;

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
            Told::Absent if stored.is_some() && self.is_needed(item) => return Ok(Landed::Here),
            Told::Absent => return self.commit_absence(item, fetch, (since, checked)).await,
            Told::Same(base) => (base, None),
            Told::New(base, write) => (base, Some(write)),
        };
        let known = self.mark(item)?;
        let replaced = match &stored {
            Some(stored) if write.is_some() && item.viewer == Viewer::Owner => {
                self.is_local(&item.path)?.then(|| (stored, base.clone()))
            }
            _ => None,
        };
        let mark = Mark {
            path: item.path.clone(),
            standing: Standing::Copy(base),
            checked,
        };
        let is_new = write.is_some();
        let mut changes: Vec<Change> = Vec::new();
        if let Some(mut write) = write {
            if item.collection == Collection::Packages
                && let Some(package) = Package::from_document(&write.document, 0)
            {
                changes.extend(self.off_a_binding(&package)?);
            }
            // What has come between is newer than what was compared.
            write.expect = match &stored {
                Some(stored) => Expect::Revision(stored.revision),
                None => Expect::Absent,
            };
            changes.push(Change::Put(*write));
        }
        if is_new || known.is_none_or(|old| old.standing != mark.standing) {
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
        if let Some((stored, base)) = replaced {
            self.gives_way(item, stored, &base);
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

    /// The master has nothing there: neither has the catalogue, unless it had it before there was
    /// a master. The master was asked at two times that are the same, on our clock and by date.
    async fn commit_absence(
        &self,
        item: &Item,
        fetch: &Fetch,
        (since, checked): (Duration, u64),
    ) -> Result<Landed, CopyError> {
        let landed = self.commit_removal(item, fetch).await?;
        if landed == Landed::Overtaken {
            return Ok(landed);
        }
        let stored = self.store().entity(&item.path)?;
        if item.viewer == Viewer::Owner
            && stored.is_some_and(|stored| stored.collection == item.collection)
        {
            let mark = Mark {
                path: item.path.clone(),
                standing: Standing::Local,
                checked,
            };
            return self.stays(item, mark).await;
        }
        lock(&self.0.absent).set(&item.path, &item.viewer, since);
        Ok(landed)
    }

    /// The copy of a path goes, if there is one.
    async fn commit_removal(&self, item: &Item, fetch: &Fetch) -> Result<Landed, CopyError> {
        if fetch.is_overtaken() || self.0.ours.has(&item.path) {
            return Ok(Landed::Overtaken);
        }
        if self.is_copied(&item.path)? || self.has_left_actions(item)? {
            self.remove(&item.path, item.collection).await?;
            if item.viewer == Viewer::Owner {
                self.absent(&item.path);
            }
        }
        Ok(Landed::Absent)
    }

    /// A caller may not see it any more. What nobody of another namespace may see any more goes;
    /// what is the caller's own stays, to be found the same when the caller may see it again.
    async fn hide(&self, item: &Item) -> Result<(), CopyError> {
        if self.mark(item)?.is_none_or(|mark| !mark.is_copy()) {
            return Ok(());
        }
        lock(&self.0.checked).forget(&item.path, &item.viewer);
        let change = match item.viewer {
            Viewer::Owner => Mark::new(&item.path, Standing::Hidden).kept_for(&item.viewer),
            Viewer::Other(_) => Change::Unnote {
                key: key(&item.path, &item.viewer),
            },
        };
        let changes = vec![change];
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
