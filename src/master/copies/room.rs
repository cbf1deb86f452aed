//! Making room for copies where the store is full: nobody can delete them but by deleting what they
//! are copies of.

use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Copies;
use super::checked::Remembered;
use super::ensure::Item;
use super::error::CopyError;
use super::mark::{Mark, Viewer, prefix};
use super::refresh::not_written;
use crate::clock::now;
use crate::store::{NoteKey, NoteKind, StoreError};
use crate::sync::lock;

/// Copies that are looked for at a time.
const AT_A_TIME: usize = 16;

impl Copies {
    /// Removes those copies that were not wanted for longest, until there should be room for a copy
    /// of so many bytes; gives whether there were any.
    pub(super) async fn make_room(&self, item: &Item, bytes: usize) -> Result<bool, CopyError> {
        let mut freed = 0;
        let mut any = false;
        loop {
            let oldest = self.oldest(item)?;
            if oldest.is_empty() {
                return Ok(any);
            }
            for path in oldest {
                log::info!("the store is full: the copy of {path} goes, the master has it");
                freed += self.store().code(&path)?.map_or(0, |code| code.len());
                if let Some(stored) = self.store().entity(&path)? {
                    freed += stored.document.len();
                    self.remove(&path, stored.collection).await?;
                } else {
                    let changes = self.whole_removal(&path)?;
                    let removed = self.catalog().write_all(changes).await;
                    removed.map_err(not_written)?;
                }
            }
            any = true;
            if freed > 2 * bytes {
                return Ok(any);
            }
        }
    }

    /// Paths of the copies that were not wanted for longest, without what an entity needs itself.
    fn oldest(&self, item: &Item) -> Result<Vec<String>, StoreError> {
        let mut oldest = BinaryHeap::with_capacity(AT_A_TIME + 1);
        let (wall, clock) = (now(), self.now());
        let visit = &mut |key: NoteKey, text: &[u8]| {
            let Some(mark) = Mark::read(text) else {
                return ControlFlow::Continue(());
            };
            let is_needed = item.path == mark.path
                || item.path.starts_with(&format!("{}/", mark.path))
                || self.0.ours.has(&mark.path);
            if is_needed || !mark.is_copy() {
                return ControlFlow::Continue(());
            }
            // Behind the path stands who may see it.
            let viewer = key.name().get(prefix(&mark.path).len()..);
            let viewer = match viewer.and_then(|uuid| str::from_utf8(uuid).ok()) {
                None | Some("") => Viewer::Owner,
                Some(uuid) => Viewer::Other(uuid.to_owned()),
            };
            let remembered = lock(&self.0.checked).get(&mark.path, &viewer);
            let wanted = match remembered {
                Some(Remembered::Compared(at)) => {
                    let age = Duration::saturating_sub(clock, at).as_millis();
                    wall.saturating_sub(u64::try_from(age).unwrap_or(u64::MAX))
                }
                _ => mark.checked,
            };
            oldest.push((wanted, mark.path));
            if oldest.len() > AT_A_TIME {
                // The youngest of them.
                oldest.pop();
            }
            ControlFlow::Continue(())
        };
        self.store().visit_notes(NoteKind::Copy, &[], None, visit)?;
        Ok(oldest.into_iter().map(|(_, path)| path).collect())
    }
}
