//! What the server says about itself, to anybody (reference sections 1.1 and 1.11).

use http_types::{Response, StatusCode};
use serde_json::json;

use super::{State, reply, upstreams};

/// `GET /`
pub(super) fn info(state: &State) -> Response {
    const MB: u64 = 1 << 20;
    let settings = state.settings();
    let ranges = &settings.actions;
    let rates = settings.rates.get();
    let bytes = |mb: u32| u64::from(mb) * MB;
    let mut info = json!({
        "description": "OpenWhisk",
        "support": {
            "github": "https://github.com/apache/openwhisk/issues",
            "slack": "http://slack.openwhisk.org",
        },
        "api_paths": ["/api/v1"],
        "limits": {
            "actions_per_minute": rates.invocations_per_minute,
            "triggers_per_minute": rates.fires_per_minute,
            "concurrent_actions": rates.concurrent_invocations,
            "sequence_length": settings.sequence_length,
            "default_min_action_duration": ranges.timeout.min,
            "default_max_action_duration": ranges.timeout.max,
            "default_min_action_memory": bytes(ranges.memory.min),
            "default_max_action_memory": bytes(ranges.memory.max),
            "default_min_action_logs": bytes(ranges.logs.min),
            "default_max_action_logs": bytes(ranges.logs.max),
            "min_action_duration": ranges.timeout.min,
            "max_action_duration": ranges.timeout.max,
            "min_action_memory": bytes(ranges.memory.min),
            "max_action_memory": bytes(ranges.memory.max),
            "min_action_logs": bytes(ranges.logs.min),
            "max_action_logs": bytes(ranges.logs.max),
        },
        "runtimes": state.manifest().info(state.docker_answers()),
    });
    upstreams::tell(state, &mut info);
    reply::json(StatusCode::Ok, &info)
}

/// `GET /api/v1`
pub(super) fn api_info(state: &State) -> Response {
    let settings = state.settings();
    reply::json(
        StatusCode::Ok,
        &json!({
            "description": "OpenWhisk API",
            "api_version": "1.0.0",
            "api_version_path": "v1",
            "build": settings.build,
            "buildno": settings.build_number,
            "swagger_paths": {"ui": "/docs", "api-docs": "/api-docs"},
        }),
    )
}

/// `GET /invokers`: the daemon reports itself as the only one.
pub(super) fn invokers(state: &State) -> Response {
    let health = if runs_actions(state) {
        "up"
    } else {
        "unhealthy"
    };
    reply::json(StatusCode::Ok, &json!({"invoker0/0": health}))
}

/// `GET /invokers/healthy/count`
pub(super) fn healthy_invokers(state: &State) -> Response {
    reply::json(StatusCode::Ok, &u8::from(runs_actions(state)))
}

/// `GET /invokers/ready`
pub(super) fn invokers_ready(state: &State) -> Response {
    if runs_actions(state) {
        reply::json(StatusCode::Ok, &json!({"healthy": "1/1"}))
    } else {
        let body = json!({"unhealthy": "0/1"});
        reply::json(StatusCode::InternalServerError, &body)
    }
}

/// `GET /activation` and `GET /activation/count`
pub(super) fn running(state: &State) -> Response {
    reply::json(StatusCode::Ok, &state.invoker().figures().running)
}

fn runs_actions(state: &State) -> bool {
    state.invoker().figures().accepts && !state.operations().is_disabled()
}
