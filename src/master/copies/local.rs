//! What was made here before there was a master: it is the gateway's own, and is not lost because
//! the master does not know it.

use super::Copies;
use super::checked::Remembered;
use super::ensure::{Item, base_of};
use super::error::CopyError;
use super::flights::Landed;
use super::mark::{Base, Mark, Standing, Viewer, key};
use super::refresh::not_written;
use crate::catalog::CatalogError;
use crate::store::{Change, StoreError, Stored};
use crate::sync::lock;

impl Copies {
    /// Whether what is at a path was made here before there was a master.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_local(&self, path: &str) -> Result<bool, StoreError> {
        if self.store().entity(path)?.is_none() {
            return Ok(false);
        }
        Ok(match self.own_mark(path)? {
            Some(mark) => mark.standing == Standing::Local,
            // What waits for the master has no mark yet, and what others have fetched has theirs.
            None => !self.0.ours.has(path) && !self.is_marked(path)?,
        })
    }

    /// [`Copies::is_local`], and it is noted: what is changed here for the master to get later
    /// could not be told from it.
    ///
    /// # Errors
    /// The store does not do it.
    pub async fn note_local(&self, path: &str) -> Result<bool, CopyError> {
        let is_local = self.is_local(path)?;
        if is_local && self.own_mark(path)?.is_none() {
            return self.mark_local(&Mark::new(path, Standing::Local)).await;
        }
        Ok(is_local)
    }

    /// The master has nothing of that name: what is here is served as it is. It is asked again when
    /// that is as old as a copy may be.
    pub(super) async fn stays(&self, item: &Item, mark: Mark) -> Result<Landed, CopyError> {
        let is_known = self.own_mark(&item.path)?.is_some();
        if !is_known {
            if !self.mark_local(&mark).await? {
                return Ok(Landed::Overtaken);
            }
            log::info!(
                "{} was made here before there was a master, which has none of that name: it stays, \
                 on this gateway only",
                item.path
            );
        }
        let remembered = Remembered::Compared(self.now());
        lock(&self.0.checked).set(&item.path, &item.viewer, remembered);
        Ok(Landed::Here)
    }

    /// Keeps a mark, if there is none; gives whether there was none.
    async fn mark_local(&self, mark: &Mark) -> Result<bool, CopyError> {
        let unmarked = Change::Noted {
            key: key(&mark.path, &Viewer::Owner),
            text: None,
        };
        let changes = vec![unmarked, mark.kept_for(&Viewer::Owner)];
        match self.catalog().write_all(changes).await {
            Err(CatalogError::Changed) => Ok(false),
            written => written.map(|_| true).map_err(not_written),
        }
    }

    /// What the master has takes the place of what was made here before there was one.
    pub(super) fn gives_way(&self, item: &Item, stored: &Stored, to: &Base) {
        let here = base_of(stored).map_or_else(|| "?".into(), |base| base.version);
        log::warn!(
            "{} {here} was made here before there was a master, which has {} of that name: the \
             master's takes its place",
            item.path,
            to.version
        );
    }
}
