//! From a web action's URL to the action, and to whom it runs as (reference section 6.1).

use std::sync::Arc;

use super::target::Target;
use super::{Request, count};
use crate::api::State;
use crate::api::error::ApiError;
use crate::builtin;
use crate::catalog::{AccessError, CatalogError, Resolved};
use crate::entity::Identity;

/// A web action that is there.
pub(super) struct Found {
    /// The owner of the URL's namespace: the action runs as it, and it pays.
    pub(super) owner: Arc<Identity>,
    /// The action.
    pub(super) resolved: Resolved,
}

/// Finds an exported action and counts the request against its owner's limits.
///
/// Everything that is missing on the way looks the same to the caller, who may be anybody.
///
/// # Errors
/// 404; 403 for a binding to what its owner may not use; 500 if the store fails; 503 if a master
/// should be asked about the owner's key and cannot be.
pub(super) async fn find(request: &Request, target: &Target) -> Result<Found, ApiError> {
    let state = request.state();
    let owner = owner(state, &target.namespace)
        .await?
        .ok_or_else(ApiError::missing)?;
    let resolved = state.catalog().resolve(
        &owner,
        &target.namespace,
        target.package.as_deref(),
        &target.action,
    );
    match resolved {
        Ok(resolved) if resolved.action.annotations.is_true("web-export") => {
            Ok(Found { owner, resolved })
        }
        Err(AccessError::Forbidden(resource)) => {
            // Refused for the owner, whose request it is: it counts.
            count(request, &owner)?;
            Err(ApiError::forbidden(&resource))
        }
        Err(AccessError::Catalog(CatalogError::Store(error))) => Err(error.into()),
        Ok(_) | Err(AccessError::Catalog(_)) => Err(ApiError::missing()),
    }
}

/// Who a namespace's actions run as, if that is known here.
pub(super) async fn owner(
    state: &State,
    namespace: &str,
) -> Result<Option<Arc<Identity>>, ApiError> {
    let owner = match state.master() {
        Some(master) => master.keys.owner(namespace).await?,
        None => state.store().key_of_namespace(namespace)?,
    };
    Ok(owner.or_else(|| (namespace == builtin::NAMESPACE).then(|| builtin::identity().into())))
}
