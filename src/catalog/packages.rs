//! Changes that concern a package and what is in it.

use std::ops::ControlFlow;

use super::{Catalog, CatalogError, Entity, creation};
use crate::entity::{Action, Package};
use crate::store::{Change, CodeChange, EntityList};

impl Catalog {
    /// Creates an action in a package; gives it with its revision. The package stays for as long
    /// as that takes, so the action is never left without one.
    ///
    /// # Errors
    /// [`CatalogError::Exists`]; [`CatalogError::Changed`] if the package is not there any more as
    /// it was read.
    pub async fn create_packaged_action(
        &self,
        package: &Package,
        mut action: Action,
        code: CodeChange,
    ) -> Result<Action, CatalogError> {
        let stays = Change::Stays {
            path: package.path(),
            revision: package.revision,
        };
        let changes = vec![stays, Change::Put(creation(&action, code))];
        action.set_revision(self.write_all(changes).await?);
        Ok(action)
    }

    /// Deletes a package or a binding with the actions in it, all or nothing; gives the paths of
    /// the actions.
    ///
    /// # Errors
    /// [`CatalogError::Changed`] if somebody changes the package or what is in it meanwhile.
    pub async fn delete_package(&self, package: &Package) -> Result<Vec<String>, CatalogError> {
        let path = package.path();
        let mut changes = Vec::new();
        let mut paths = Vec::new();
        self.visit(EntityList::Package(&path), 0, |action: Action| {
            paths.push(action.path());
            changes.push(Change::Delete {
                path: action.path(),
                revision: action.revision,
            });
            ControlFlow::Continue(())
        })?;
        changes.push(Change::Emptied { path: path.clone() });
        changes.push(Change::Delete {
            path,
            revision: package.revision,
        });
        self.write_all(changes).await?;
        Ok(paths)
    }
}
