//! Requests while there is a master: which are answered here, which go to it, and what becomes of
//! them when it is out of reach.
//!
//! What is answered here is answered by the same code as without a master (`dispatch`), after the
//! copies of what it needs were made as fresh as they must be. `policy` is the table; `forward`
//! carries what goes to the master.

mod activations;
mod elements;
mod entity;
mod error;
mod fired;
pub(super) mod forward;
mod merge;
pub(super) mod offline;
mod passed;
mod policy;
pub(super) mod web;
mod written;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http_types::{Method, Response};
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use super::State;
use super::dispatch::{Request, resource_answer};
use super::error::ApiError;
use super::path::Resource;
use crate::master::Master;
use crate::master::copies::{CopyError, Need, Source};
use crate::store::Collection;
use crate::upstream::{Incoming, Judged, Looped, Outgoing, UpstreamError, VIA};
use entity::Entity;
use error::upstream_error;
use policy::{Policy, policy};
use written::Kept;

/// Says of a response that it is another OpenWhisk's and goes on as it is.
pub(super) struct Unchanged;

/// What has become of a request before anything here answers it.
enum Prepared {
    /// It is to be answered here.
    Here {
        /// Whether the master was wanted and is out of reach.
        offline: bool,
    },
    /// It is to be made here, with what goes along with it.
    Kept(Kept),
    /// It has its answer.
    Answered(Box<Response>),
}

/// Answers a request under `/api/v1` whose caller is known.
pub(super) async fn answer(
    mut request: Request,
    master: Arc<Master>,
    method: Method,
    resource: Resource<'_>,
) -> Result<Response, ApiError> {
    match prepare(&mut request, &master, method, resource).await? {
        Prepared::Answered(response) => Ok(*response),
        Prepared::Here { offline: false } => resource_answer(request, method, resource).await,
        Prepared::Here { offline: true } => {
            let transaction = request.transaction.clone();
            let answer = resource_answer(request, method, resource).await;
            Ok(marked(answer, &master, &transaction))
        }
        Prepared::Kept(kept) => {
            let transaction = request.transaction.clone();
            let answer = resource_answer(request, method, resource).await;
            let answer = kept.told(answer);
            kept.end();
            Ok(marked(answer, &master, &transaction))
        }
    }
}

/// An answer that was given without the master.
fn marked(answer: Result<Response, ApiError>, master: &Master, transaction: &str) -> Response {
    let mut response = answer.unwrap_or_else(|error| {
        let error = error.known_if(master.upstream.is_down());
        error.into_response(transaction)
    });
    offline::mark(&mut response, &master.upstream);
    response
}

/// Does what must be done before a request is answered here, or answers it.
async fn prepare(
    request: &mut Request,
    master: &Master,
    method: Method,
    resource: Resource<'_>,
) -> Result<Prepared, ApiError> {
    let here = Ok(Prepared::Here { offline: false });
    let entity = || Entity::of(resource, &request.identity.namespace);
    match (policy(method, resource), resource) {
        (Policy::Here, _) => here,
        (Policy::Copied, _) => match entity() {
            Some(entity) => copied(request, master, &entity, Need::Read).await,
            // With names that nothing can have.
            None => here,
        },
        (Policy::Run, _) => match entity() {
            Some(entity) => {
                // Before the master is asked: what is missing is asked for as well.
                request.count_invocation()?;
                copied(request, master, &entity, Need::Run).await
            }
            None => here,
        },
        (Policy::Fired, _) => match entity() {
            Some(entity) => fired::fire(request, master, &entity).await,
            None => here,
        },
        (Policy::Passed, _) => passed::pass(request, master, resource).await,
        (Policy::Written, _) => match entity() {
            Some(entity) => written::write(request, master, method, entity).await,
            None => here,
        },
        (Policy::Activations, Resource::Activations(namespace)) => {
            activations::list(request, master, namespace).await
        }
        (Policy::Activation, Resource::Activation(namespace, id, _)) => {
            activations::get(request, master, namespace, id).await
        }
        _ => {
            let sent = send_as_it_is(request, master).await?;
            let answer = sent.map_err(|error| upstream_error(&error, method))?;
            Ok(Prepared::Answered(response(answer).into()))
        }
    }
}

/// Makes the copy of an entity as fresh as it must be.
async fn copied(
    request: &Request,
    master: &Master,
    entity: &Entity,
    need: Need,
) -> Result<Prepared, ApiError> {
    let copies = master.copies.for_request(via_of(&request.http).as_deref());
    let identity = &request.identity;
    let (namespace, name) = (&*entity.namespace, &*entity.name);
    let source = match entity.collection {
        Collection::Actions => {
            let package = entity.package.as_deref();
            copies
                .ensure_action(identity, namespace, package, name, need)
                .await
        }
        Collection::Packages => copies.ensure_package(identity, namespace, name, need).await,
        Collection::Triggers => copies.ensure_trigger(identity, namespace, name, need).await,
        Collection::Rules => copies.ensure_rule(identity, namespace, name, need).await,
        Collection::Apis => return Ok(Prepared::Here { offline: false }),
    };
    if let Err(CopyError::KeyRefused) = source {
        master.keys.doubt(&identity.uuid);
    }
    Ok(Prepared::Here {
        offline: source? == Source::Offline,
    })
}

/// Has the master answer a request that it answers at once.
async fn send_as_it_is(
    request: &mut Request,
    master: &Master,
) -> Result<Result<Incoming, UpstreamError>, Looped> {
    let sent = send_on(&mut request.http, master, Judged::ByStatus, Duration::ZERO).await?;
    if let Ok(answer) = &sent {
        heed(request, master, answer.status);
    }
    Ok(sent)
}

/// Takes from the status of an answer what it says about the caller's key.
fn heed(request: &Request, master: &Master, status: StatusCode) {
    if status == StatusCode::UNAUTHORIZED {
        master.keys.doubt(&request.identity.uuid);
    }
}

/// Has the master answer a request, which goes on as it is.
async fn send_on(
    request: &mut tide::Request<State>,
    master: &Master,
    judged: Judged,
    patience: Duration,
) -> Result<Result<Incoming, UpstreamError>, Looped> {
    let via = master.via.onward(via_of(request).as_deref())?;
    let http = request.as_mut();
    Ok(forward::send(&master.upstream, http, judged, patience, &via).await)
}

/// The master's answer as it is.
fn response(answer: Incoming) -> Response {
    let mut response = forward::response(answer);
    response.ext_mut().insert(Unchanged);
    response
}

/// A request to the master that is made for a caller's.
fn outgoing(
    request: &Request,
    master: &Master,
    method: hyper::Method,
    target: String,
) -> Result<Outgoing, Looped> {
    let via = master.via.onward(via_of(&request.http).as_deref())?;
    let mut outgoing = Outgoing::by(&request.identity, method, target);
    if let Ok(via) = HeaderValue::from_str(&via) {
        outgoing.headers.insert(HeaderName::from_static(VIA), via);
    }
    Ok(outgoing)
}

/// What a request says about the gateways that it has come through, in all of its headers of that
/// name.
pub(super) fn via_of(request: &tide::Request<State>) -> Option<Cow<'_, str>> {
    let values = request.header(VIA)?;
    let mut values = values.iter().map(|value| value.as_str());
    let first = values.next()?;
    Some(values.fold(Cow::Borrowed(first), |all, value| all + ", " + value))
}
