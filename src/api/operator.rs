//! What is for the operator of a gateway, and not for its namespaces (reference section 1.1).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_types::headers::HeaderValues;
use http_types::{Response, StatusCode};
use ring::hmac;
use ring::rand::SystemRandom;

use super::error::ApiError;
use super::{State, auth, reply, upstreams};
use crate::entity::basic_credentials;
use crate::metrics::{Kind, Metrics, Readers, Text};
use crate::pool::Cause;
use crate::upstream::write_metrics;

/// Name and password of the operator, as a tag that they can be compared with but not read from.
pub struct Credentials {
    /// Random for each process: makes comparisons take the same time whatever is compared.
    key: hmac::Key,
    tag: hmac::Tag,
}

impl Credentials {
    /// Of a text `name:password`; none if it is not one.
    pub fn new(text: &str) -> Option<Self> {
        let (name, password) = text.split_once(':')?;
        if name.is_empty() || password.is_empty() {
            return None;
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        let tag = hmac::sign(&key, text.as_bytes());
        Some(Credentials { key, tag })
    }

    fn are_in(&self, authorization: Option<&HeaderValues>) -> bool {
        authorization
            .and_then(|header| basic_credentials(header.last().as_str()))
            .is_some_and(|given| {
                hmac::verify(&self.key, given.expose().as_bytes(), self.tag.as_ref()).is_ok()
            })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What the operator sees and does.
#[derive(Default)]
pub struct Operations {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who may read it.
    pub readers: Readers,
    /// Who may disable the server; nobody if it is none.
    pub operator: Option<Credentials>,
    /// Whether it takes no more work.
    disabled: AtomicBool,
}

impl Operations {
    /// Operations on a daemon that takes work.
    pub fn new(metrics: Arc<Metrics>, readers: Readers, operator: Option<Credentials>) -> Self {
        Operations {
            metrics,
            readers,
            operator,
            disabled: AtomicBool::new(false),
        }
    }

    /// Refuses new work once the operator has disabled the server.
    pub(super) fn check_enabled(&self) -> Result<(), ApiError> {
        if !self.is_disabled() {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::ServiceUnavailable,
            "The server is currently unavailable (because it is overloaded or down for maintenance).",
        ))
    }

    /// Whether the operator has disabled the server.
    pub(super) fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }
}

/// `POST /disable`: what runs goes on, what is new is refused until the daemon is started again.
pub(super) fn disable(
    operations: &Operations,
    authorization: Option<&HeaderValues>,
) -> Result<Response, ApiError> {
    // OpenWhisk's own credentials are known to everybody: without others there is no such route.
    let operator = operations
        .operator
        .as_ref()
        .ok_or_else(ApiError::no_route)?;
    if !operator.are_in(authorization) {
        return Err(ApiError::unauthenticated("username or password are wrong."));
    }
    operations.disabled.store(true, Ordering::Relaxed);
    log::warn!("disabled by the operator: new work is refused until the daemon is started again");
    Ok(reply::text("controller is disabled"))
}

/// Any other method on `/disable`.
pub(super) fn disable_only_by_post(state: &State) -> ApiError {
    match state.operations().operator {
        Some(_) => ApiError::method("POST"),
        None => ApiError::no_route(),
    }
}

/// `GET /metrics`, for those who may read it.
pub(super) fn metrics(state: &State, peer: Option<&str>) -> Result<Response, ApiError> {
    let operations = state.operations();
    let readable = match operations.readers {
        Readers::Loopback => auth::is_loopback(peer),
        Readers::Everyone => true,
        Readers::Nobody => false,
    };
    if !readable {
        return Err(ApiError::no_route());
    }
    let mut text = Text::default();
    operations.metrics.write(&mut text);
    write_pool(state, &mut text);
    write_store(state, &mut text)?;
    if let Some(master) = state.master() {
        master.journal.write_metrics(&mut text);
    }
    let upstreams = upstreams::all(state);
    if !upstreams.is_empty() {
        write_metrics(&upstreams, &mut text);
    }
    if let Some(master) = state.master() {
        master.fires.figures().write(&mut text);
    }
    let mut response = reply::text(&text.finish());
    response.insert_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    Ok(response)
}

fn write_pool(state: &State, text: &mut Text) {
    let figures = state.invoker().figures();
    let (pool, counts) = (figures.pool, figures.pool.counts);
    text.single(
        "owl_activations_in_flight",
        Kind::Gauge,
        "Activations that run, or wait for a sandbox.",
        figures.running,
    );
    let name = "owl_pool_sandboxes";
    text.family(name, Kind::Gauge, "Sandboxes, by what they do.");
    for (phase, number) in [
        ("busy", counts.busy),
        ("starting", counts.starting),
        ("idle", counts.idle - counts.frozen),
        ("frozen", counts.frozen),
        ("stem", counts.stems),
        ("removing", counts.removing),
    ] {
        text.sample(name, &[("state", phase)], number);
    }
    text.single(
        "owl_pool_capacity",
        Kind::Gauge,
        "Sandboxes that there may be at a time.",
        pool.capacity,
    );
    text.single(
        "owl_pool_waiting",
        Kind::Gauge,
        "Activations that wait for a sandbox.",
        counts.waiting,
    );
    let name = "owl_pool_starts_total";
    let help = "Sandboxes that were given to an activation: warm, stem cells, or to be started.";
    text.family(name, Kind::Counter, help);
    text.sample(name, &[("start", "warm")], pool.tally.hits);
    text.sample(name, &[("start", "stem")], pool.tally.stems);
    text.sample(name, &[("start", "cold")], pool.tally.colds);
    for (name, help, count) in [
        (
            "owl_pool_prepared_total",
            "Sandboxes that were started ahead of a call.",
            pool.tally.prepared,
        ),
        (
            "owl_pool_waited_total",
            "Activations that had to wait for a sandbox.",
            pool.tally.waited,
        ),
        (
            "owl_pool_refused_total",
            "Activations that got no sandbox, and none to wait for.",
            pool.tally.refused,
        ),
        (
            "owl_pool_stems_failed_total",
            "Stem cells that could not be started, or have ended by themselves.",
            pool.tally.stems_failed,
        ),
    ] {
        text.single(name, Kind::Counter, help, count);
    }
    let name = "owl_pool_evictions_total";
    text.family(
        name,
        Kind::Counter,
        "Sandboxes that had to go, by the cause.",
    );
    for cause in Cause::ALL {
        let count = pool.tally.removals(cause);
        text.sample(name, &[("cause", cause.name())], count);
    }
    for (name, help, value) in [
        (
            "owl_pool_memory_bytes",
            "What the memory limits of all sandboxes come to.",
            pool.memory << 20,
        ),
        (
            "owl_pool_memory_budget_bytes",
            "What they may come to.",
            pool.memory_budget << 20,
        ),
        (
            "owl_pool_memory_short",
            "1 while the machine is short of memory, so that no sandbox is started.",
            pool.held.into(),
        ),
        (
            "owl_pool_engines_down",
            "Engines that do not answer.",
            pool.down as u64,
        ),
    ] {
        text.single(name, Kind::Gauge, help, value);
    }
    text.single(
        "owl_pool_removed_total",
        Kind::Counter,
        "Sandboxes that were removed: to make room, when idle for long, or of no more use.",
        pool.removed,
    );
}

fn write_store(state: &State, text: &mut Text) -> Result<(), ApiError> {
    let figures = state.store().figures()?;
    for (name, help, value) in [
        (
            "owl_store_bytes",
            "Bytes that the store uses.",
            figures.usage.bytes,
        ),
        (
            "owl_store_size_bytes",
            "Bytes that the store may use.",
            figures.usage.map_size,
        ),
        (
            "owl_store_activations",
            "Activation records that are stored.",
            figures.usage.activations,
        ),
        (
            "owl_store_pending",
            "Activations that were promised, or noted as running, and have no record yet.",
            figures.pending,
        ),
    ] {
        text.single(name, Kind::Gauge, help, value);
    }
    text.single(
        "owl_store_commits_total",
        Kind::Counter,
        "Durable commits since the store was made.",
        figures.commits,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use http_types::headers::HeaderValue;

    use super::*;

    #[test]
    fn credentials() {
        assert!(Credentials::new("no colon").is_none());
        assert!(Credentials::new(":x").is_none() && Credentials::new("x:").is_none());
        let known = Credentials::new("a:b").unwrap();
        let given = |header: &str| {
            let header: HeaderValue = header.parse().unwrap();
            known.are_in(Some(&header.into()))
        };
        assert!(given("Basic YTpi"));
        assert!(!given("Basic YTpj") && !given("Bearer YTpi") && !known.are_in(None));
        assert_eq!(format!("{known:?}"), "***");
    }
}
