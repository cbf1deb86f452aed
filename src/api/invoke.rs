//! Invoking an action (reference section 4).

use std::sync::Arc;
use std::time::Duration;

use http_types::{Response, StatusCode};
use hyper::header::HeaderName;
use serde_json::json;

use super::actions::Target;
use super::dispatch::Request;
use super::error::ApiError;
use super::query::Query;
use super::{body, master, reply};
use crate::BoxFuture;
use crate::entity::{Action, Activation, ActivationId, FullName, Identity, Status, json};
use crate::invoke::{Call, Figures, Fire, InvokeError, Invoker, Outcome, admission};

/// The header that names the activation.
pub(super) const ACTIVATION_HEADER: HeaderName = HeaderName::from_static(ActivationId::HEADER);

/// What runs actions for the API.
pub trait Invoke: Send + Sync {
    /// Invokes an action.
    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Outcome, InvokeError>>;

    /// Fires a trigger; gives nothing if no rule is active.
    fn fire(&self, fire: Fire) -> BoxFuture<'_, Result<Option<ActivationId>, InvokeError>>;

    /// Whether an action that a caller means is here and can run here, as far as that is known.
    fn can_run(&self, identity: &Arc<Identity>, action: &FullName) -> bool;

    /// How many activations of a namespace are queued or running.
    fn in_flight(&self, namespace: &str) -> usize;

    /// Whether there are other OpenWhisks that may have a runtime which is not here.
    fn has_tiers(&self) -> bool;

    /// The action of a path was changed or deleted: its sandboxes are of no more use.
    fn retire(&self, path: &str);

    /// An action was made or changed: what it needs may be got before it is invoked.
    fn expect(&self, _action: &Action) {}

    /// How things stand.
    fn figures(&self) -> Figures;
}

impl Invoke for Invoker {
    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(Invoker::invoke(self, call))
    }

    fn fire(&self, fire: Fire) -> BoxFuture<'_, Result<Option<ActivationId>, InvokeError>> {
        Box::pin(Invoker::fire(self, fire))
    }

    fn can_run(&self, identity: &Arc<Identity>, action: &FullName) -> bool {
        Invoker::can_run(self, identity, action)
    }

    fn in_flight(&self, namespace: &str) -> usize {
        Invoker::in_flight(self, namespace)
    }

    fn has_tiers(&self) -> bool {
        Invoker::has_tiers(self)
    }

    fn retire(&self, path: &str) {
        Invoker::retire(self, path);
    }

    fn expect(&self, action: &Action) {
        Invoker::expect(self, action);
    }

    fn figures(&self) -> Figures {
        Invoker::figures(self)
    }
}

/// What the query of an invocation asks for.
struct Wanted {
    /// How long to wait for the result; none: do not.
    wait: Option<Duration>,
    /// Only the result instead of the record.
    result: bool,
}

/// `POST .../actions/[{package}/]{name}`. The order of the checks is that of sections 1.5 and 4.2:
/// throttles, rights, size, form, existence, rights to a sequence's components.
pub(super) async fn post(mut request: Request, target: Target) -> Result<Response, ApiError> {
    let state = request.http.state().clone();
    let identity = request.identity.clone();
    request.count_invocation()?;
    let access = target.check_access(&request)?;
    let max = state.settings().max_payload_of(&identity);
    body::check_length(&request.http, max, body::TooLarge::Request)?;
    let wanted = wanted(
        &Query::of(request.http.url()),
        state.settings().longest_blocking,
    )?;
    let payload =
        json::payload(body::read(&mut request.http, max, body::TooLarge::Request).await?)?;
    let resolved = target.find(request.catalog(), &access)?;
    admission::check(
        request.catalog(),
        &state.manifest(),
        &identity,
        &resolved.action,
        payload.as_deref(),
        || state.invoker().has_tiers(),
    )?;
    let via = master::via_of(&request.http).as_deref().map(Into::into);
    let mut call = Call::new(
        identity,
        resolved,
        payload,
        request.transaction,
        wanted.wait,
    );
    call.via = via;
    Ok(match state.invoker().invoke(call).await? {
        Outcome::Accepted(id) => accepted(id),
        Outcome::Finished(activation) => finished(activation, wanted.result),
        Outcome::Refused(id, refusal) => {
            return Err(ApiError::from(refusal).of_activation(id));
        }
    })
}

fn wanted(query: &Query<'_>, longest: Duration) -> Result<Wanted, ApiError> {
    let blocking = query.flag("blocking", false)?;
    let result = query.flag("result", false)?;
    let wait = match query.get("timeout") {
        None => longest,
        Some(timeout) => timeout
            .parse()
            .ok()
            .map(Duration::from_millis)
            .filter(|wait| !wait.is_zero() && *wait <= longest)
            .ok_or_else(|| {
                let max = longest.as_millis();
                ApiError::query(
                    "timeout",
                    format_args!("Timeout must be number of milliseconds up to {max}."),
                )
            })?,
    };
    Ok(Wanted {
        wait: blocking.then_some(wait),
        result,
    })
}

/// The answer to a caller that does not wait.
pub(super) fn accepted(id: ActivationId) -> Response {
    let id = id.to_string();
    let mut response = reply::json(StatusCode::Accepted, &json!({"activationId": id}));
    reply::add(&mut response, ACTIVATION_HEADER, id);
    response
}

/// The answer to a blocking caller (reference section 4.5). A result that is an array is answered
/// bare, whatever was asked for.
fn finished(activation: Arc<Activation>, result: bool) -> Response {
    let status = match activation.response.status {
        Status::Success => StatusCode::Ok,
        Status::ApplicationError | Status::DeveloperError => StatusCode::BadGateway,
        Status::InternalError => StatusCode::InternalServerError,
    };
    let id = activation.id.to_string();
    let mut response = match activation.response.result.as_deref() {
        Some(value) if result || value.get().starts_with('[') => {
            reply::json_shared(status, ResultOf(activation))
        }
        None if result => reply::json_text(status, "{}"),
        _ => reply::json_shared(status, activation.full_record()),
    };
    reply::add(&mut response, ACTIVATION_HEADER, id);
    response
}

/// The result of an activation as a body: the task that stores its record has the same one.
struct ResultOf(Arc<Activation>);

impl AsRef<[u8]> for ResultOf {
    fn as_ref(&self) -> &[u8] {
        let result = self.0.response.result.as_deref();
        result.map_or(b"", |value| value.get().as_bytes())
    }
}
