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

    /// Deletes a package or a binding, if it is empty.
    ///
    /// # Errors
    /// [`CatalogError::Changed`] if it is not empty, or is not there any more as it was read.
    pub async fn delete_empty_package(&self, package: &Package) -> Result<(), CatalogError> {
        self.write_all(removal(package).into()).await.map(drop)
    }

    /// Deletes a package with the actions in it, all or nothing; gives their paths.
    ///
    /// # Errors
    /// [`CatalogError::Changed`] if somebody changes the package or what is in it meanwhile.
    pub async fn delete_package(&self, package: &Package) -> Result<Vec<String>, CatalogError> {
        let mut changes = Vec::from(removal(package));
        let mut paths = Vec::new();
        self.visit(EntityList::Package(&package.path()), 0, |action: Action| {
            paths.push(action.path());
            changes.push(Change::Delete {
                path: action.path(),
                revision: action.revision,
            });
            ControlFlow::Continue(())
        })?;
        self.write_all(changes).await?;
        Ok(paths)
    }
}

/// The removal of a package, in which nothing is to be left.
fn removal(package: &Package) -> [Change; 2] {
    let path = package.path();
    [
        Change::Emptied { path: path.clone() },
        Change::Delete {
            path,
            revision: package.revision,
        },
    ]
}
