//! What was deleted, here and at the master: while that is out of reach, nobody has to guess whether
//! there is such a thing.
//!
//! It is durable, but not part of the deletion's own commit: a store that is full must be able to
//! delete. Who loses it to a crash is told that nobody knows.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Mutex;

use super::Copies;
use super::checked::Remembered;
use super::mark::{Mark, Standing, Viewer, key};
use crate::catalog::CatalogError;
use crate::store::{Change, NoteKey, NoteKind, StoreError};
use crate::sync::lock;

/// Most paths that are remembered; the ones that were deleted first are forgotten.
const MOST: usize = 1024;

/// The paths that are remembered, the oldest first; none before the first deletion, which reads
/// them from the store.
#[derive(Default)]
pub(super) struct Gone(Mutex<Option<VecDeque<String>>>);

impl Gone {
    /// Adds a path, and gives the one that has to go for it.
    fn add(
        &self,
        path: &str,
        read: impl FnOnce() -> Result<VecDeque<String>, StoreError>,
    ) -> Result<Option<String>, StoreError> {
        let mut known = lock(&self.0);
        let known = match &mut *known {
            Some(known) => known,
            none => none.insert(read()?),
        };
        known.retain(|other| other != path);
        known.push_back(path.to_owned());
        if known.len() > MOST {
            return Ok(known.pop_front());
        }
        Ok(None)
    }
}

impl Copies {
    /// There is nothing at a path any more, neither here nor at the master, which was told so by
    /// its owner. To be called when it has been removed here.
    pub fn absent(&self, path: &str) {
        let asked = Remembered::Outdated;
        lock(&self.0.checked).set_alone(path, &Viewer::Owner, asked);
        let (copies, path) = (self.clone(), path.to_owned());
        let noted = async move {
            if let Err(error) = copies.note_gone(&path).await {
                log::warn!("that {path} was deleted may not be known later: {error}");
            }
        };
        self.0.rooms.executor.spawn(noted).detach();
    }

    async fn note_gone(&self, path: &str) -> Result<(), CatalogError> {
        let mark = Mark::new(path, Standing::Gone);
        let key = key(path, &Viewer::Owner);
        let changes = vec![
            Change::Noted { key, text: None },
            mark.kept_for(&Viewer::Owner),
        ];
        match self.catalog().write_all(changes).await {
            // It has been made again.
            Err(CatalogError::Changed) => return Ok(()),
            written => written?,
        };
        match self.0.gone.add(path, || self.all_gone())? {
            Some(oldest) => self.forget_gone(&oldest).await,
            None => Ok(()),
        }
    }

    async fn forget_gone(&self, path: &str) -> Result<(), CatalogError> {
        let key = || key(path, &Viewer::Owner);
        let Some(text) = self.store().note(&key())? else {
            return Ok(());
        };
        if Mark::read(&text).is_none_or(|mark| mark.standing != Standing::Gone) {
            return Ok(());
        }
        let says = Change::Noted {
            key: key(),
            text: Some(text),
        };
        let changes = vec![says, Change::Unnote { key: key() }];
        match self.catalog().write_all(changes).await {
            Ok(_) | Err(CatalogError::Changed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All that the store remembers to have been deleted, the oldest first.
    fn all_gone(&self) -> Result<VecDeque<String>, StoreError> {
        let mut gone = Vec::new();
        let visit = &mut |_: NoteKey, text: &[u8]| {
            let mark = Mark::read(text).filter(|mark| mark.standing == Standing::Gone);
            gone.extend(mark.map(|mark| (mark.checked, mark.path)));
            ControlFlow::Continue(())
        };
        self.store().visit_notes(NoteKind::Copy, &[], None, visit)?;
        gone.sort();
        Ok(gone.into_iter().map(|(_, path)| path).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let gone = Gone::default();
        let add = |path: &str| gone.add(path, || Ok(["first".into(), "second".into()].into()));
        for i in 2..MOST {
            assert_eq!(add(&i.to_string()).unwrap(), None);
        }
        // Deleted once more, it is the youngest.
        assert_eq!(add("first").unwrap(), None);
        assert_eq!(add("another").unwrap().as_deref(), Some("second"));
        assert_eq!(add("2").unwrap(), None);
        assert_eq!(add("last").unwrap().as_deref(), Some("3"));
    }
}
