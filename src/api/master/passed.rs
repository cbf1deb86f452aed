//! What the master answers while it can: lists and packages, which it alone has all of. Without it,
//! what is copied here is shown.

use std::time::Duration;

use http_types::Method;
use smol::Timer;
use smol::future::{or, zip};

use super::entity::Entity;
use super::error::upstream_error;
use super::{Prepared, response, send_as_it_is, via_of};
use crate::api::dispatch::Request;
use crate::api::error::ApiError;
use crate::api::path::Resource;
use crate::master::Master;
use crate::master::copies::Need;
use crate::upstream::{Incoming, Looped, UpstreamError};

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
    let is_own = is_own(resource, &request.identity.namespace);
    let sent = match master.upstream.patience() {
        Some(patience) if is_own => or(sent(request, master, resource), late(patience)).await,
        _ => sent(request, master, resource).await,
    };
    let sent = match sent? {
        Ok(answer) if !answer.status.is_server_error() => {
            return Ok(Prepared::Answered(response(answer).into()));
        }
        sent => sent,
    };
    if let Resource::Package(namespace, name) | Resource::PackageActions(namespace, name) = resource
    {
        let copies = master.copies.for_request(via_of(&request.http).as_deref());
        let identity = &request.identity;
        let namespace = namespace.namespace(&identity.namespace)?;
        let name = name.entity()?;
        // What others have fetched is not shown.
        copies
            .ensure_package(identity, &namespace, &name, Need::Read)
            .await?;
    }
    if is_own {
        return Ok(Prepared::Here { offline: true });
    }
    let answer = sent.map_err(|error| upstream_error(&error, Method::Get))?;
    Ok(Prepared::Answered(response(answer).into()))
}

/// Whether the answer can be given here, if there are copies.
fn is_own(resource: Resource<'_>, own: &str) -> bool {
    match resource {
        Resource::Package(..) | Resource::PackageActions(..) => true,
        Resource::Actions(namespace)
        | Resource::Packages(namespace)
        | Resource::Triggers(namespace)
        | Resource::Rules(namespace) => namespace
            .namespace(own)
            .is_ok_and(|namespace| namespace == own),
        _ => false,
    }
}

/// No answer, when the time for it is over.
async fn late(patience: Duration) -> Result<Result<Incoming, UpstreamError>, Looped> {
    Timer::after(patience).await;
    Ok(Err(UpstreamError::Broken("no answer yet".to_owned())))
}

/// Whether the master does not know what is at a path: a write to it waits, or it is kept beside.
fn is_only_here(master: &Master, path: &str) -> Result<bool, ApiError> {
    Ok(master.copies.ours().has(path) || master.copies.is_kept(path)?)
}

/// Has the master answer. Meanwhile a package that somebody reads is copied, with what it is bound
/// to: so it is there when the master is not. Its actions are, once they are used.
async fn sent(
    request: &mut Request,
    master: &Master,
    resource: Resource<'_>,
) -> Result<Result<Incoming, UpstreamError>, Looped> {
    let own = request.identity.clone();
    let named = match resource {
        Resource::Package(namespace, name) => {
            let namespace = namespace.namespace(&own.namespace).ok();
            namespace.zip(name.entity().ok())
        }
        _ => None,
    };
    let Some((namespace, name)) = named else {
        return send_as_it_is(request, master).await;
    };
    let copies = master.copies.for_request(via_of(&request.http).as_deref());
    let copied = copies.ensure_package(&own, &namespace, &name, Need::Run);
    // What comes of the copy is of no concern to who gets the master's answer.
    let (sent, _) = zip(send_as_it_is(request, master), copied).await;
    sent
}
