//! Web actions: actions that anybody can call with plain HTTP (reference section 6).
//!
//! A request goes from its path (`target`) to the action (`resolve`), through the action's own
//! idea of who may call it (`auth`), becomes the action's arguments (`arguments`, `media`), and
//! the result becomes the answer (`response`, `http`, `cors`).

mod arguments;
mod auth;
mod cors;
mod extension;
mod http;
mod media;
mod resolve;
mod response;
mod target;

use std::sync::Arc;

use http_types::{Method, Response, StatusCode};

pub(super) use target::Target;

use super::auth::authenticate;
use super::error::ApiError;
use super::invoke::ACTIVATION_HEADER;
use super::{State, body, headers, master, reply};
use crate::entity::Identity;
use crate::http::server::Beyond;
use crate::invoke::{Call, Outcome, Throttled, admission};
use arguments::Received;
use media::MediaType;
use resolve::Found;
use response::Answer;

type Request = tide::Request<State>;

/// Says of a request that it has been counted against its owner's limits.
#[derive(Clone, Copy)]
pub(super) struct Counted;

/// Answers a request for a web action. It always does: failures are complete answers, too.
///
/// Query, headers and body are those of the request; only its path is not looked at. The
/// transaction's id is left to the caller to add to the answer.
pub(super) async fn serve(request: Request, target: Target, transaction: &str) -> Response {
    let method = request.method();
    if !cors::allows(method) {
        return ApiError::method(cors::METHODS).into_web_response(transaction);
    }
    let found = match resolve::find(&request, &target).await {
        Ok(found) => found,
        Err(error) => return failure(error, request.state(), transaction),
    };
    let annotations = &found.resolved.action.annotations;
    if annotations.is_true("web-custom-options") {
        return run(request, &target, found, transaction).await;
    }
    let asked = header(&request, "Access-Control-Request-Headers").map(String::from);
    let mut response = if method == Method::Options {
        Response::new(StatusCode::Ok)
    } else {
        run(request, &target, found, transaction).await
    };
    cors::allow(&mut response, asked.as_deref());
    response
}

/// Who a web action runs as, if that is known here.
pub(super) async fn owner(
    state: &State,
    target: &Target,
) -> Result<Option<Arc<Identity>>, ApiError> {
    resolve::owner(state, &target.namespace).await
}

/// Runs an action, and answers what it says.
async fn run(request: Request, target: &Target, found: Found, transaction: &str) -> Response {
    let state = request.state().clone();
    let accepted = accepted_types(&request);
    let outcome = match call(request, target, found, transaction).await {
        Ok(call) => state.invoker().invoke(call).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    let (id, answer) = match outcome {
        Ok(Outcome::Finished(activation)) => {
            let answer = response::answer(&activation.response, target.extension)
                .map_err(ApiError::from)
                .and_then(|answer| acceptable(answer, accepted.as_deref()));
            (activation.id, answer)
        }
        Ok(Outcome::Accepted(id)) => {
            let late = ApiError::new(StatusCode::Accepted, "Response not yet ready.");
            (id, Err(late))
        }
        Ok(Outcome::Refused(id, refusal)) => (id, Err(refusal.into())),
        Err(error) => return failure(error, &state, transaction),
    };
    let mut response = match answer {
        Ok(answer) => wire(answer),
        Err(error) => error.into_web_response(transaction),
    };
    reply::add(&mut response, ACTIVATION_HEADER, id.to_string());
    response
}

/// Counts a request against its owner's limits, once.
fn count(request: &Request, owner: &Identity) -> Result<(), Throttled> {
    match request.ext::<Counted>() {
        Some(Counted) => Ok(()),
        None => request.state().throttle_invocation(owner),
    }
}

/// The answer to a request that could not be done.
fn failure(error: ApiError, state: &State, transaction: &str) -> Response {
    let error = error.known_if(state.is_offline());
    error.into_web_response(transaction)
}

/// The call that a request means. The order of the checks is that of section 6.1.
async fn call(
    mut request: Request,
    target: &Target,
    found: Found,
    transaction: &str,
) -> Result<Call, ApiError> {
    let Found { owner, resolved } = found;
    let action = &*resolved.action;
    let state = request.state().clone();
    count(&request, &owner)?;
    let max = state.settings().max_payload_of(&owner);
    body::check_length(&request, max, body::TooLarge::Request)?;
    let checked = match request.header("Authorization") {
        None => None,
        Some(_) => Some(authenticate(&request).await),
    };
    let required = action.annotations.get("require-whisk-auth");
    let secret = header(&request, auth::HEADER);
    let allows = |known| auth::allows(required, secret, known);
    // Wrong credentials are as good as none.
    let caller = match checked {
        // Those that nobody can check now are neither, where it takes the right ones.
        Some(Err(error)) if error.is_server_error() && !allows(false) && allows(true) => {
            return Err(error);
        }
        checked => checked.and_then(Result::ok),
    };
    // Preflight requests carry no credentials.
    if request.method() != Method::Options && !allows(caller.is_some()) {
        return Err(ApiError::new(
            StatusCode::Unauthorized,
            "Authentication is possible but has failed or not yet been provided.",
        ));
    }
    let body = body::read_any(&mut request, max, body::TooLarge::Request).await?;
    let method = request.method();
    let received = Received {
        method: method.as_ref(),
        headers: headers::passed_on(&request),
        path: &target.rest,
        user: caller.as_ref().map(|caller| &*caller.namespace),
        query: request.url().query().unwrap_or_default(),
        media: header(&request, "Content-Type").and_then(MediaType::parse),
        body,
    };
    let payload = if action.annotations.is_true("raw-http") {
        arguments::raw(received)
    } else {
        let is_final = action.annotations.is_true("final");
        arguments::promoted(received, is_final.then_some(&action.parameters))?
    };
    // Keys were checked above: what OWL itself adds may have the name of a final parameter.
    let elsewhere = || state.invoker().has_tiers();
    admission::check(
        state.catalog(),
        &state.manifest(),
        &owner,
        action,
        None,
        elsewhere,
    )?;
    let wait = Some(state.settings().longest_blocking);
    let mut call = Call::new(owner, resolved, Some(payload), transaction.into(), wait);
    call.via = master::via_of(&request).as_deref().map(Into::into);
    Ok(call)
}

/// What the caller accepts, from all of its `Accept` headers.
fn accepted_types(request: &Request) -> Option<String> {
    let values = request.header("Accept")?.iter();
    let values: Vec<&str> = values.map(|value| value.as_str()).collect();
    Some(values.join(","))
}

/// The last value of a header.
fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    Some(request.header(name)?.last().as_str())
}

/// The answer, if the caller accepts its type.
fn acceptable(answer: Answer, accepted: Option<&str>) -> Result<Answer, ApiError> {
    match (&answer.content, accepted) {
        (Some(content), Some(accepted)) if !body::accepts(accepted, &content.essence) => {
            Err(ApiError::new(
                StatusCode::NotAcceptable,
                format!(
                    "Resource representation is only available with these types:\n{}",
                    content.header
                ),
            ))
        }
        _ => Ok(answer),
    }
}

/// The response that an answer is.
fn wire(answer: Answer) -> Response {
    let known = StatusCode::try_from(answer.status);
    let mut beyond = Beyond {
        status: known.is_err().then_some(answer.status),
        headers: Vec::new(),
    };
    let mut response = Response::new(known.unwrap_or(StatusCode::Ok));
    let mut add = |response: &mut Response, name: String, value: String| {
        if value.is_ascii() {
            response.append_header(&*name, value);
        } else {
            beyond.headers.push((name, value));
        }
    };
    for (name, value) in answer.headers {
        add(&mut response, name, value);
    }
    if let Some(content) = answer.content {
        add(&mut response, "content-type".into(), content.header);
        response.set_body(content.bytes);
    }
    response.ext_mut().insert(beyond);
    response
}
