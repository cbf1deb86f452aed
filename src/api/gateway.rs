//! Requests to APIs of the API gateway: `/api/{namespace}{base path}{path}`.
//!
//! Each leads to a web action, as if that had been asked for itself: its arguments, rights, limits
//! and answers are those of section 6 of the reference. What the gateway adds is what the public
//! one adds: parameters in the path, whose values are arguments like those of the query; the path
//! as `__ow_path`, base path included, where it has parameters, and none where it has not; and the
//! secure key in `X-Require-Whisk-Auth`.

use std::borrow::Cow;

use http_types::{Method, Response, StatusCode};

use super::error::ApiError;
use super::path::Encoded;
use super::{State, master, reply, web};
use crate::entity::names;
use crate::gateway::{Apis, GatewayError, Routed};

/// The header that asks a web action's `require-whisk-auth`.
const SECRET_HEADER: &str = "X-Require-Whisk-Auth";

/// Answers a request to an API. `rest` is what stands behind the namespace in the path.
pub(super) async fn serve(
    mut request: tide::Request<State>,
    namespace: Encoded<'_>,
    rest: &str,
    transaction: &str,
) -> Result<Response, ApiError> {
    let namespace = namespace.decode();
    if !names::is_name(&namespace) {
        return Err(ApiError::no_route());
    }
    let method = request.method();
    let apis = Apis::new(request.state().store().clone());
    let (backend, secure_key, parameters) =
        match apis.route(&namespace, &segments(rest), method.as_ref().parse().ok())? {
            Routed::To {
                backend,
                secure_key,
                parameters,
            } => (backend, secure_key, parameters),
            Routed::OtherMethods(methods) if method == Method::Options => {
                return Ok(preflight(&request, &methods.join(", ")));
            }
            Routed::OtherMethods(methods) => return Err(ApiError::method(methods.join(", "))),
            Routed::Nowhere => {
                return match request.state().master().cloned() {
                    None => Err(ApiError::no_route()),
                    Some(master) => master::web::forward(request, master).await,
                };
            }
        };
    let path = if parameters.is_empty() { "" } else { rest };
    let http: &mut http_types::Request = request.as_mut();
    if !parameters.is_empty() {
        // Behind the others: the last of a name counts. Over all of the query is the body, as ever.
        http.url_mut().query_pairs_mut().extend_pairs(&parameters);
    }
    if let Some(key) = secure_key {
        http.insert_header(SECRET_HEADER, key.expose());
    }
    // As web actions are named in URLs; the last extension is the one that counts.
    let target = web::Target::of(&format!(
        "/api/v1/web/{}/{}/{}.{}{path}",
        backend.namespace,
        backend.package_or_default(),
        backend.action,
        backend.extension,
    ));
    let target = target.ok_or_else(ApiError::missing)?;
    match request.state().master().cloned() {
        None => Ok(web::serve(request, target, transaction).await),
        Some(master) => master::web::serve_behind_api(request, master, target, transaction).await,
    }
}

/// The decoded segments of a path. A slash at its end makes no difference.
fn segments(path: &str) -> Vec<Cow<'_, str>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').map(|text| Encoded(text).decode()).collect()
}

/// The answer to `OPTIONS`, where the path has no such operation of its own.
fn preflight(request: &tide::Request<State>, methods: &str) -> Response {
    let mut response = Response::new(StatusCode::Ok);
    reply::allow_origins(&mut response, methods);
    if let Some(asked) = request.header("Access-Control-Request-Headers") {
        reply::allow_headers(&mut response, asked.last().as_str());
    }
    response
}

impl From<GatewayError> for ApiError {
    /// For what can happen while a request is routed: the store, or what is in it, is damaged.
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Store(error) => error.into(),
            error => Self::new(StatusCode::InternalServerError, error.to_string()),
        }
    }
}
