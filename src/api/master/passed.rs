//! What the master answers while it can: lists and packages, which it alone has all of. Without it,
//! what is copied here is shown.

use http_types::Method;

use super::entity::Entity;
use super::error::upstream_error;
use super::{Prepared, response, send_as_it_is};
use crate::api::dispatch::Request;
use crate::api::error::ApiError;
use crate::api::path::Resource;
use crate::master::Master;
use crate::master::copies::Need;

/// Has the master answer, or sees to it that this gateway may.
pub(super) async fn pass(
    request: &mut Request,
    master: &Master,
    resource: Resource<'_>,
) -> Result<Prepared, ApiError> {
    if let Some(entity) = Entity::of(resource, &request.identity.namespace)
        && is_only_here(master, &entity.path())?
    {
        return Ok(Prepared::Here { offline: false });
    }
    let sent = match send_as_it_is(request, master).await? {
        Ok(answer) if !answer.status.is_server_error() => {
            return Ok(Prepared::Answered(response(answer).into()));
        }
        sent => sent,
    };
    let identity = &request.identity;
    let is_own = match resource {
        Resource::Package(namespace, name) | Resource::PackageActions(namespace, name) => {
            let namespace = namespace.namespace(&identity.namespace)?;
            let name = name.entity()?;
            // What others have fetched is not shown.
            master
                .copies
                .ensure_package(identity, &namespace, &name, Need::Read)
                .await?;
            true
        }
        Resource::Actions(namespace)
        | Resource::Packages(namespace)
        | Resource::Triggers(namespace)
        | Resource::Rules(namespace) => {
            namespace.namespace(&identity.namespace)? == identity.namespace
        }
        _ => false,
    };
    if is_own {
        return Ok(Prepared::Here { offline: true });
    }
    let answer = sent.map_err(|error| upstream_error(&error, Method::Get))?;
    Ok(Prepared::Answered(response(answer).into()))
}

/// Whether the master does not know what is at a path: a write to it waits, or it is kept beside.
fn is_only_here(master: &Master, path: &str) -> Result<bool, ApiError> {
    Ok(master.copies.ours().has(path) || master.copies.is_kept(path)?)
}
