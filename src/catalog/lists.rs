//! Lists of entities (reference section 1.10), the last updated first.

use std::ops::ControlFlow;

use super::documents::read;
use super::{Catalog, CatalogError, Entity};
use crate::entity::{Action, Package};
use crate::store::{Collection, EntityList};

impl Catalog {
    /// Shows the entities of a list one by one: there is no more than one in memory.
    pub fn each<E: Entity>(
        &self,
        list: EntityList<'_>,
        skip: usize,
        limit: usize,
        mut show: impl FnMut(E),
    ) -> Result<(), CatalogError> {
        let mut left = limit;
        if left == 0 {
            return Ok(());
        }
        self.visit(list, skip, |entity| {
            show(entity);
            left -= 1;
            enough(left == 0)
        })
    }

    /// Shows the stored entities of all namespaces one by one, but for those that cannot be read.
    pub fn each_anywhere<E: Entity>(&self, mut show: impl FnMut(E)) -> Result<(), CatalogError> {
        let visit = &mut |stored| {
            if let Ok(entity) = read(&stored) {
                show(entity);
            }
        };
        Ok(self.store().visit_everywhere(E::COLLECTION, visit)?)
    }

    /// Entities of a namespace.
    pub fn list<E: Entity>(
        &self,
        namespace: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<E>, CatalogError> {
        let list = EntityList::Collection(namespace, E::COLLECTION);
        let mut entities = Vec::new();
        self.each(list, skip, limit, |entity| entities.push(entity))?;
        Ok(entities)
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

    /// Shows those packages of a namespace that everybody may read. `skip` counts only them, so it
    /// costs a look at each package before.
    pub fn each_public_package(
        &self,
        namespace: &str,
        skip: usize,
        limit: usize,
        mut show: impl FnMut(Package),
    ) -> Result<(), CatalogError> {
        let (mut skipped, mut left) = (0, limit);
        if left == 0 {
            return Ok(());
        }
        self.visit(packages(namespace), 0, |package: Package| {
            if package.is_public() {
                if skipped < skip {
                    skipped += 1;
                } else {
                    show(package);
                    left -= 1;
                }
            }
            enough(left == 0)
        })
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
