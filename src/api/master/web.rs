//! Web actions and APIs of the API gateway, while there is a master. An action runs here as its
//! owner, if a key of the owner's namespace is known here; else the master answers.

use std::sync::Arc;

use http_types::Response;

use super::{error, send_on};
use crate::api::State;
use crate::api::error::ApiError;
use crate::api::web::{self, Target};
use crate::builtin;
use crate::master::Master;
use crate::upstream::Judged;

type Request = tide::Request<State>;

/// Answers a request for a web action.
pub(in crate::api) async fn serve(
    request: Request,
    master: Arc<Master>,
    target: Target,
    transaction: &str,
) -> Result<Response, ApiError> {
    // The APIs that the master's clients manage are the master's.
    let manages_apis =
        target.namespace == builtin::NAMESPACE && target.package.as_deref() == Some("apimgmt");
    if manages_apis || web::owner(request.state(), &target).await?.is_none() {
        return forward(request, master).await;
    }
    Ok(web::serve(request, target, transaction).await)
}

/// Has the master answer a request for a web action or for an API, which nobody here can.
pub(in crate::api) async fn forward(
    mut request: Request,
    master: Arc<Master>,
) -> Result<Response, ApiError> {
    let method = request.method();
    // The action may run as long as any.
    let patience = request.state().settings().longest_blocking;
    send_on(&mut request, &master, Judged::Not, patience)
        .await?
        .map_err(|error| error::upstream_error(&error, method))
}
