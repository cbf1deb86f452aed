//! Reading and writing entities of every collection.

use super::{Catalog, CatalogError};
use crate::builtin;
use crate::entity::{Action, Package, Rule, Trigger};
use crate::store::{Change, CodeChange, Collection, EntityList, EntityWrite, Expect, Stored};

/// An entity that the catalogue keeps: a document with a path, in a collection.
pub trait Entity: Sized {
    /// Its collection.
    const COLLECTION: Collection;

    /// Reads a stored document; none if it is not one.
    fn from_document(document: &[u8], revision: u64) -> Option<Self>;

    /// What is stored.
    fn document(&self) -> Vec<u8>;

    /// `ns/[package/]name`
    fn path(&self) -> String;

    /// Last change, in milliseconds since 1970.
    fn updated(&self) -> u64;

    /// Revision in the store that it was made from.
    fn revision(&self) -> u64;

    /// Takes the revision that a write has given it.
    fn set_revision(&mut self, revision: u64);

    /// The built-in entity of a path.
    fn built_in(_path: &str) -> Option<Self> {
        None
    }

    /// The built-in entities of a list.
    fn built_in_list(_list: EntityList<'_>) -> Vec<Self> {
        Vec::new()
    }
}

/// An entity whose type has what its own `impl` would say; what is built in follows.
macro_rules! entity {
    ($entity:ident, $collection:ident $(, $built_in:item)*) => {
        impl Entity for $entity {
            const COLLECTION: Collection = Collection::$collection;

            fn from_document(document: &[u8], revision: u64) -> Option<Self> {
                $entity::from_document(document, revision)
            }

            fn document(&self) -> Vec<u8> {
                $entity::document(self)
            }

            fn path(&self) -> String {
                $entity::path(self)
            }

            fn updated(&self) -> u64 {
                self.updated
            }

            fn revision(&self) -> u64 {
                self.revision
            }

            fn set_revision(&mut self, revision: u64) {
                self.revision = revision;
            }

            $($built_in)*
        }
    };
}

entity!(
    Action,
    Actions,
    fn built_in(path: &str) -> Option<Self> {
        builtin::action(path)
    },
    fn built_in_list(list: EntityList<'_>) -> Vec<Self> {
        match list {
            EntityList::Collection(builtin::NAMESPACE, Collection::Actions) => builtin::actions(),
            EntityList::Package(package) => builtin::actions_of(package),
            EntityList::Collection(..) => Vec::new(),
        }
    }
);

entity!(
    Package,
    Packages,
    fn built_in(path: &str) -> Option<Self> {
        builtin::package(path)
    },
    fn built_in_list(list: EntityList<'_>) -> Vec<Self> {
        match list {
            EntityList::Collection(builtin::NAMESPACE, Collection::Packages) => builtin::packages(),
            _ => Vec::new(),
        }
    }
);

entity!(Trigger, Triggers);

entity!(Rule, Rules);

/// The write of an entity that is not there yet.
pub fn creation<E: Entity>(entity: &E, code: CodeChange) -> EntityWrite {
    write(entity, code, Expect::Absent)
}

/// The write of an entity that is at the revision it carries.
pub fn change<E: Entity>(entity: &E, code: CodeChange) -> EntityWrite {
    write(entity, code, Expect::Revision(entity.revision()))
}

fn write<E: Entity>(entity: &E, code: CodeChange, expect: Expect) -> EntityWrite {
    let path = entity.path();
    EntityWrite {
        path,
        collection: E::COLLECTION,
        document: entity.document(),
        code,
        updated: entity.updated(),
        expect,
    }
}

/// The entity of a stored document.
pub(super) fn read<E: Entity>(stored: &Stored) -> Result<E, CatalogError> {
    if stored.collection != E::COLLECTION {
        return Err(CatalogError::OtherCollection);
    }
    E::from_document(&stored.document, stored.revision).ok_or(CatalogError::Corrupt)
}

/// Whether something can be written at a path.
fn writable(path: &str) -> Result<(), CatalogError> {
    if builtin::holds(path) {
        return Err(CatalogError::BuiltIn);
    }
    Ok(())
}

impl Catalog {
    /// The entity of a path.
    ///
    /// # Errors
    /// [`CatalogError::OtherCollection`] if what has the path is something else.
    pub fn get<E: Entity>(&self, path: &str) -> Result<E, CatalogError> {
        Ok(self.found(path)?.0)
    }

    /// The entity of a path, built in or stored, with the bytes of its stored document.
    pub(super) fn found<E: Entity>(&self, path: &str) -> Result<(E, usize), CatalogError> {
        if builtin::holds(path) {
            let entity = E::built_in(path).ok_or_else(|| match Package::built_in(path) {
                Some(_) => CatalogError::OtherCollection,
                None if Action::built_in(path).is_some() => CatalogError::OtherCollection,
                None => CatalogError::Missing,
            })?;
            return Ok((entity, 0));
        }
        let stored = self.store().entity(path)?.ok_or(CatalogError::Missing)?;
        Ok((read(&stored)?, stored.document.len()))
    }

    /// Creates an entity without code; gives it with its revision.
    pub async fn create<E: Entity>(&self, entity: E) -> Result<E, CatalogError> {
        let write = creation(&entity, CodeChange::Remove);
        self.written(entity, write).await
    }

    /// Changes an entity without code, which carries the revision that it was made from; gives it
    /// with the new one.
    pub async fn update<E: Entity>(&self, entity: E) -> Result<E, CatalogError> {
        let write = change(&entity, CodeChange::Keep);
        self.written(entity, write).await
    }

    /// Deletes an entity at its revision, with its code.
    pub async fn delete<E: Entity>(&self, entity: &E) -> Result<(), CatalogError> {
        let path = entity.path();
        writable(&path)?;
        let revision = entity.revision();
        if self.is_alone() {
            return Ok(self.store().delete_entity(&path, revision).await?);
        }
        self.write_all(vec![Change::Delete { path, revision }])
            .await
            .map(drop)
    }

    /// Makes several changes or none ([`crate::store::Store::write_all`]); gives the revision of
    /// everything written.
    pub async fn write_all(&self, mut changes: Vec<Change>) -> Result<u64, CatalogError> {
        // What is built in stays anyway.
        changes.retain(|change| match change {
            Change::Stays { path, .. } => !builtin::holds(path),
            _ => true,
        });
        for path in changes.iter().filter_map(Change::path) {
            writable(path)?;
        }
        Ok(self.store().write_all(self.accompanied(changes)).await?)
    }

    pub(super) async fn written<E: Entity>(
        &self,
        mut entity: E,
        write: EntityWrite,
    ) -> Result<E, CatalogError> {
        writable(&write.path)?;
        let revision = if self.is_alone() {
            self.store().put_entity(write).await?
        } else {
            self.write_all(vec![Change::Put(write)]).await?
        };
        entity.set_revision(revision);
        Ok(entity)
    }
}

#[cfg(test)]
#[path = "built_in_tests.rs"]
mod tests;
