//! Limits of a namespace (reference section 3.2).

use http_types::{Response, StatusCode};
use serde_json::json;

use super::dispatch::Request;
use super::error::ApiError;
use super::{auth, reply};

/// `GET /namespaces/{ns}/limits`
pub(super) fn get(request: &Request, namespace: &str) -> Result<Response, ApiError> {
    auth::own(&request.identity, namespace, namespace)?;
    let settings = request.http.state().settings();
    let ranges = &settings.actions;
    let mut limits = json!({
        "invocationsPerMinute": settings.rates.invocations_per_minute,
        "concurrentInvocations": settings.rates.concurrent_invocations,
        "firesPerMinute": settings.rates.fires_per_minute,
        "minActionMemory": ranges.memory.min,
        "maxActionMemory": ranges.memory.max,
        "minActionLogs": ranges.logs.min,
        "maxActionLogs": ranges.logs.max,
        "minActionTimeout": ranges.timeout.min,
        "maxActionTimeout": ranges.timeout.max,
        "minActionConcurrency": ranges.concurrency.min,
        "maxActionConcurrency": ranges.concurrency.max,
        "maxParameterSize": format!("{} B", settings.sizes.parameters),
        "maxActionInstances": ranges.instances,
    });
    if let Some(kinds) = &settings.allowed_kinds {
        limits["allowedKinds"] = json!(kinds);
    }
    Ok(reply::json(StatusCode::Ok, &limits))
}

/// `GET /namespaces/{ns}/limits/{x}`
pub(super) fn inner() -> ApiError {
    ApiError::new(
        StatusCode::BadRequest,
        "Inner entity level routes for limits are not yet implemented.",
    )
}
