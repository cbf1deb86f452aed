//! What the journal needs of the copies of the master's entities.

use crate::master::copies::{Copies, Shown};
use crate::store::{Change, Collection};

/// The copies of the master's entities, as the journal changes them. What is given as changes goes
/// into the journal's own commits, so that a copy and what the journal says of it are never apart.
pub trait Mirror: Send + Sync {
    /// What makes a document of the master the copy of a path.
    ///
    /// # Errors
    /// It is no such document, or the store failed: why.
    fn adoption(
        &self,
        shown: Shown,
        collection: Collection,
        path: &str,
        document: &[u8],
    ) -> Result<Vec<Change>, String>;

    /// What removes the copy of a path, because the master has nothing there.
    ///
    /// # Errors
    /// The store failed: why.
    fn removal(&self, path: &str) -> Result<Vec<Change>, String>;

    /// What marks an entity as one that only this gateway has.
    fn keep(&self, path: &str) -> Change;

    /// What takes away all that is known about the master's entity of a path.
    fn forget(&self, path: &str) -> Change;

    /// From now on nothing is fetched to a path. Several times makes several.
    fn hold(&self, path: &str);

    /// Undoes one [`Mirror::hold`].
    fn release(&self, path: &str);

    /// The copy of a path has been changed by what [`Mirror::adoption`] or [`Mirror::removal`] gave:
    /// what was fetched of it before is outdated, and so is what runs of it.
    fn settled(&self, path: &str);

    /// Whether what is at a path was made here before there was a master, which has none.
    fn is_local(&self, path: &str) -> bool;

    /// The master has nothing at a path, and neither has the store now.
    fn absent(&self, path: &str);

    /// What is here at a path may not be what the master has: it is looked at again.
    fn stale(&self, path: &str);
}

impl Mirror for Copies {
    fn adoption(
        &self,
        shown: Shown,
        collection: Collection,
        path: &str,
        document: &[u8],
    ) -> Result<Vec<Change>, String> {
        let changes = Copies::adoption(self, shown, collection, path, document);
        changes.map_err(|error| error.to_string())
    }

    fn removal(&self, path: &str) -> Result<Vec<Change>, String> {
        Copies::removal(self, path).map_err(|error| error.to_string())
    }

    fn keep(&self, path: &str) -> Change {
        Copies::keep(self, path)
    }

    fn forget(&self, path: &str) -> Change {
        Copies::forget(self, path)
    }

    fn hold(&self, path: &str) {
        self.ours().add(path);
    }

    fn release(&self, path: &str) {
        self.ours().remove(path);
    }

    fn settled(&self, path: &str) {
        Copies::settled(self, path);
    }

    fn is_local(&self, path: &str) -> bool {
        Copies::is_local(self, path).unwrap_or_default()
    }

    fn absent(&self, path: &str) {
        Copies::absent(self, path);
    }

    fn stale(&self, path: &str) {
        Copies::stale(self, path);
    }
}
