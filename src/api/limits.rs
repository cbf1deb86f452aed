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
    let identity = &request.identity;
    let rates = settings.rates_of(identity);
    let ranges = settings.actions_of(identity);
    let size = |bytes: u64| format!("{bytes} B");
    let mut limits = json!({
        "invocationsPerMinute": rates.invocations_per_minute,
        "concurrentInvocations": rates.concurrent_invocations,
        "firesPerMinute": rates.fires_per_minute,
        "minActionMemory": ranges.memory.min,
        "maxActionMemory": ranges.memory.max,
        "minActionLogs": ranges.logs.min,
        "maxActionLogs": ranges.logs.max,
        "minActionTimeout": ranges.timeout.min,
        "maxActionTimeout": ranges.timeout.max,
        "minActionConcurrency": ranges.concurrency.min,
        "maxActionConcurrency": ranges.concurrency.max,
        "maxParameterSize": size(settings.sizes_of(identity).parameters),
        "maxActionInstances": ranges.instances,
    });
    let set = &identity.limits;
    if let Some(kinds) = set
        .allowed_kinds
        .as_ref()
        .or(settings.allowed_kinds.as_ref())
    {
        limits["allowedKinds"] = json!(kinds);
    }
    if let Some(stored) = set.store_activations {
        limits["storeActivations"] = json!(stored);
    }
    if set.max_payload_size.is_some() {
        limits["maxPayloadSize"] = json!(size(settings.max_payload_of(identity)));
    }
    if set.truncation_size.is_some() {
        limits["truncationSize"] = json!(size(set.truncation(settings.max_payload)));
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
