//! Lists of entities (reference section 1.10), the last updated first.

use std::ops::ControlFlow;

use super::documents::read;
use super::{Catalog, CatalogError, Entity};
use crate::entity::{Action, Package};
use crate::store::{Collection, EntityList};

impl Catalog {
    /// What `row` makes of the entities of a list. Of each there is only that in memory: a
    /// document can have a megabyte of parameters that no row shows.
    pub fn rows<E: Entity, R>(
        &self,
        list: EntityList<'_>,
        skip: usize,
        limit: usize,
        mut row: impl FnMut(E) -> R,
    ) -> Result<Vec<R>, CatalogError> {
        let mut rows = Vec::new();
        if limit > 0 {
            self.visit(list, skip, |entity| {
                rows.push(row(entity));
                enough(rows.len() >= limit)
            })?;
        }
        Ok(rows)
    }

    /// Entities of a namespace.
    pub fn list<E: Entity>(
        &self,
        namespace: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<E>, CatalogError> {
        let list = EntityList::Collection(namespace, E::COLLECTION);
        self.rows(list, skip, limit, |entity| entity)
    }

    /// How many entities of a collection a namespace has.
    pub fn count<E: Entity>(&self, namespace: &str) -> Result<u64, CatalogError> {
        self.count_of(EntityList::Collection(namespace, E::COLLECTION))
    }

    /// How many entities a list has.
    pub fn count_of(&self, list: EntityList<'_>) -> Result<u64, CatalogError> {
        let built_in = match list {
            EntityList::Collection(_, Collection::Packages) => Package::built_in_list(list).len(),
            _ => Action::built_in_list(list).len(),
        };
        Ok(self.store().count_entities(list)? + built_in as u64)
    }

    /// What `row` makes of those packages of a namespace that everybody may read. `skip` counts
    /// only them, so it costs a look at each package before.
    pub fn public_packages<R>(
        &self,
        namespace: &str,
        skip: usize,
        limit: usize,
        mut row: impl FnMut(Package) -> R,
    ) -> Result<Vec<R>, CatalogError> {
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        let mut skipped = 0;
        self.visit(packages(namespace), 0, |package: Package| {
            if !package.is_public() {
                return ControlFlow::Continue(());
            }
            if skipped < skip {
                skipped += 1;
                return ControlFlow::Continue(());
            }
            rows.push(row(package));
            enough(rows.len() >= limit)
        })?;
        Ok(rows)
    }

    /// How many packages of a namespace everybody may read.
    pub fn count_public_packages(&self, namespace: &str) -> Result<u64, CatalogError> {
        let mut count = 0;
        self.visit(packages(namespace), 0, |package: Package| {
            count += u64::from(package.is_public());
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// Shows the entities of a list to `visit` until it breaks, what is built in at the end.
    pub(super) fn visit<E: Entity>(
        &self,
        list: EntityList<'_>,
        skip: usize,
        mut visit: impl FnMut(E) -> ControlFlow<()>,
    ) -> Result<(), CatalogError> {
        let mut ended = None;
        self.store().visit_entities(list, skip, &mut |stored| {
            let flow = match read(&stored) {
                Ok(entity) => visit(entity),
                Err(error) => {
                    ended = Some(Err(error));
                    return ControlFlow::Break(());
                }
            };
            if flow.is_break() {
                ended = Some(Ok(()));
            }
            flow
        })?;
        if let Some(ended) = ended {
            return ended;
        }
        let built_in = E::built_in_list(list);
        if !built_in.is_empty() {
            let stored = self.store().count_entities(list)?;
            let skip = skip.saturating_sub(usize::try_from(stored).unwrap_or(usize::MAX));
            // Whether it breaks off or comes to the end is the same here.
            let _ = built_in.into_iter().skip(skip).try_for_each(visit);
        }
        Ok(())
    }
}

const fn packages(namespace: &str) -> EntityList<'_> {
    EntityList::Collection(namespace, Collection::Packages)
}

const fn enough(enough: bool) -> ControlFlow<()> {
    if enough {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}
