//! Who sees to it that the catalogue has what is about to be looked up.

use std::sync::Arc;

use super::{AccessError, Catalog};
use crate::BoxFuture;
use crate::entity::{FullName, Identity};

/// Fetches what the catalogue is a copy of. Without one the catalogue is all there is.
pub trait Supplier: Send + Sync {
    /// Sees to it that what a caller reaches under the name of an action, and what stands on the
    /// way to it, is in the catalogue as far as that can be, so that [`Catalog::resolve_name`]
    /// finds it. What is not there at all is no error: the catalogue tells. `came` names the OWLs
    /// that the request has come through for which it is wanted.
    fn supply<'a>(
        &'a self,
        identity: &'a Arc<Identity>,
        name: &'a FullName,
        came: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), AccessError>>;
}

impl Catalog {
    /// To be waited for before an action is resolved that no request has named: components of
    /// sequences and compositions, and actions of rules. Nothing to do without a [`Supplier`].
    /// `came` names the OWLs that the request has come through.
    ///
    /// # Errors
    /// Nothing is known of the action here, and nobody can be asked; or the caller may not see it.
    pub async fn prepare(
        &self,
        identity: &Arc<Identity>,
        name: &FullName,
        came: Option<&str>,
    ) -> Result<(), AccessError> {
        match self.supplier() {
            Some(supplier) => supplier.supply(identity, name, came).await,
            None => Ok(()),
        }
    }
}
