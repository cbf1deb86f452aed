//! Requests while there is a master: which are answered here, which go to it, and what becomes of
//! them when it is out of reach.
//!
//! What is answered here is answered by the same code as without a master (`dispatch`), after the
//! copies of what it needs were made as fresh as they must be. `policy` is the table; `forward`
//! carries what goes to the master.

mod activations;
mod elements;
mod error;
pub(super) mod forward;
mod merge;
pub(super) mod offline;
mod policy;
pub(super) mod web;

use std::sync::Arc;
use std::time::Duration;

use http_types::{Method, Response};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::State;
use super::dispatch::{Request, resource_answer};
use super::error::ApiError;
use super::path::Resource;
use crate::master::Master;
use crate::upstream::{Judged, Looped, Outgoing, UpstreamError, VIA};
use error::upstream_error;
use policy::{Policy, policy};

/// Says of a response that it is another OpenWhisk's and goes on as it is.
pub(super) struct Unchanged;

/// What has become of a request before anything here answers it.
enum Prepared {
    /// It is to be answered here.
    Here {
        /// Whether the master was wanted and is out of reach.
        offline: bool,
    },
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
            let mut response = answer.unwrap_or_else(|error| error.into_response(&transaction));
            offline::mark(&mut response, &master.upstream);
            Ok(response)
        }
    }
}

/// Does what must be done before a request is answered here, or answers it.
async fn prepare(
    request: &mut Request,
    master: &Master,
    method: Method,
    resource: Resource<'_>,
) -> Result<Prepared, ApiError> {
    match (policy(method, resource), resource) {
        (Policy::Here | Policy::Run, _) => Ok(Prepared::Here { offline: false }),
        (Policy::Copied | Policy::Passed, _) => match send_as_it_is(request, master).await? {
            Ok(response) if !response.status().is_server_error() => {
                Ok(Prepared::Answered(response.into()))
            }
            _ => Ok(Prepared::Here { offline: true }),
        },
        (Policy::Activations, Resource::Activations(namespace)) => {
            activations::list(request, master, namespace).await
        }
        (Policy::Activation, Resource::Activation(namespace, id, _)) => {
            activations::get(request, master, namespace, id).await
        }
        _ => {
            let sent = send_as_it_is(request, master).await?;
            let response = sent.map_err(|error| upstream_error(&error, method))?;
            Ok(Prepared::Answered(response.into()))
        }
    }
}

/// Has the master answer a request that it answers at once.
async fn send_as_it_is(
    request: &mut Request,
    master: &Master,
) -> Result<Result<Response, UpstreamError>, Looped> {
    send_on(&mut request.http, master, Judged::ByStatus, Duration::ZERO).await
}

/// Has the master answer a request, which goes on as it is, and so does the answer.
async fn send_on(
    request: &mut tide::Request<State>,
    master: &Master,
    judged: Judged,
    patience: Duration,
) -> Result<Result<Response, UpstreamError>, Looped> {
    let via = master.via.onward(via_of(request))?;
    let http = request.as_mut();
    let sent = forward::send(&master.upstream, http, judged, patience, &via).await;
    Ok(sent.map(|incoming| {
        let mut response = forward::response(incoming);
        response.ext_mut().insert(Unchanged);
        response
    }))
}

/// A request to the master that is made for a caller's, with the caller's key.
fn outgoing(
    request: &Request,
    master: &Master,
    method: hyper::Method,
    target: String,
) -> Result<Outgoing, Looped> {
    let via = master.via.onward(via_of(&request.http))?;
    let mut outgoing = Outgoing::new(method, target);
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            outgoing.headers.insert(name, value);
        }
    };
    add(HeaderName::from_static(VIA), &via);
    if let Some(key) = request.http.header(AUTHORIZATION.as_str()) {
        add(AUTHORIZATION, key.last().as_str());
    }
    Ok(outgoing)
}

/// Refuses a request that was here before. What it would wait for may wait for it.
pub(super) fn check_loop(request: &tide::Request<State>, master: &Master) -> Result<(), Looped> {
    match via_of(request).map(|via| master.via.onward(Some(via))) {
        Some(Err(Looped::Here)) => Err(Looped::Here),
        _ => Ok(()),
    }
}

/// What a request says about the gateways that it has come through.
pub(super) fn via_of(request: &tide::Request<State>) -> Option<&str> {
    Some(request.header(VIA)?.last().as_str())
}
