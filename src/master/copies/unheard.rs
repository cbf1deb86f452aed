//! What nobody here has heard of: only the master could say whether it is there.

use std::fmt::Display;
use std::sync::Arc;

use super::Copies;
use super::ensure::Item;
use super::error::CopyError;
use crate::entity::Identity;
use crate::entity::names::{namespace_and_package, place_and_name};
use crate::store::Collection;

impl Copies {
    /// Sees whether it can be told without the master what a caller's write finds at a path: for one
    /// that makes something (`makes`) the package that it is in, for others the entity. That is
    /// here, or known not to be there. `why` the master does not tell is for the error.
    ///
    /// # Errors
    /// [`CopyError::Unavailable`]: nobody here has heard of it. The store cannot be read.
    pub fn heard_of(
        &self,
        identity: &Arc<Identity>,
        (collection, path): (Collection, &str),
        makes: bool,
        why: &dyn Display,
    ) -> Result<(), CopyError> {
        let (place, _) = place_and_name(path);
        let (namespace, package) = namespace_and_package(place);
        if namespace != identity.namespace {
            // It is refused, whatever is there.
            return Ok(());
        }
        let package_is_here = package.is_none() || self.store().entity(place)?.is_some();
        let item = match package_is_here {
            true if makes => return Ok(()),
            true => Item::new(identity, collection, path.to_owned()),
            false => Item::new(identity, Collection::Packages, place.to_owned()),
        };
        if self.store().entity(&item.path)?.is_some() {
            return Ok(());
        }
        let known = self.known(&item)?;
        self.offline(&item, known, || why.to_string()).map(drop)
    }
}
