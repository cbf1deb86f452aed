//! Web actions and APIs of the API gateway, while there is a master. An action runs here as its
//! owner, if a key of the owner's namespace is known here; else the master answers.

use std::sync::Arc;

use http_types::Response;

use super::error::upstream_error;
use super::{offline, response, send_on, via_of};
use crate::api::State;
use crate::api::error::ApiError;
use crate::api::web::{self, Counted, Target};
use crate::builtin;
use crate::entity::Identity;
use crate::master::Master;
use crate::master::copies::{Need, Source};
use crate::upstream::Judged;

type Request = tide::Request<State>;

/// Answers a request for a web action.
pub(in crate::api) async fn serve(
    request: Request,
    master: Arc<Master>,
    target: Target,
    transaction: &str,
) -> Result<Response, ApiError> {
    if target.namespace == builtin::NAMESPACE {
        // The APIs that the master's clients manage are the master's.
        return forward(request, master).await;
    }
    match web::owner(request.state(), &target).await? {
        Some(owner) => Ok(run(request, &master, &owner, target, transaction).await),
        None => forward(request, master).await,
    }
}

/// Answers a request for a web action that an API of this gateway leads to.
pub(in crate::api) async fn serve_behind_api(
    request: Request,
    master: Arc<Master>,
    target: Target,
    transaction: &str,
) -> Result<Response, ApiError> {
    let owner = web::owner(request.state(), &target).await?;
    let owner = owner.ok_or_else(ApiError::missing)?;
    Ok(run(request, &master, &owner, target, transaction).await)
}

/// Runs an action of a namespace whose key is known, when the copy is as fresh as it must be.
async fn run(
    mut request: Request,
    master: &Master,
    owner: &Arc<Identity>,
    target: Target,
    transaction: &str,
) -> Response {
    let (namespace, package) = (&*target.namespace, target.package.as_deref());
    let copies = master.copies.for_request(via_of(&request).as_deref());
    if !copies.is_at_hand(owner, &target.path()) {
        // Before the master is asked, which is so for what is missing as well.
        match request.state().throttle_invocation(owner) {
            Ok(()) => request.set_ext(Counted),
            Err(error) => return ApiError::from(error).into_web_response(transaction),
        };
    }
    let ensured = copies.ensure_action(owner, namespace, package, &target.action, Need::Run);
    let (mut response, is_offline) = match ensured.await {
        Ok(source) => {
            let response = web::serve(request, target, transaction).await;
            (response, source == Source::Offline)
        }
        Err(error) => {
            let error = ApiError::from(error).known_if(master.upstream.is_down());
            let is_offline = error.is_server_error();
            (error.into_web_response(transaction), is_offline)
        }
    };
    if is_offline {
        offline::mark(&mut response, &master.upstream);
    }
    response
}

/// Has the master answer a request for a web action or for an API, which nobody here can.
pub(in crate::api) async fn forward(
    mut request: Request,
    master: Arc<Master>,
) -> Result<Response, ApiError> {
    let method = request.method();
    // The action may run as long as any.
    let patience = request.state().settings().longest_blocking;
    let sent = send_on(&mut request, &master, Judged::Not, patience).await?;
    Ok(response(
        sent.map_err(|error| upstream_error(&error, method))?,
    ))
}
