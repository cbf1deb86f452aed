//! The REST API: one file per OpenWhisk resource.
//!
//! A request goes through `dispatch`: its path is taken apart (`path`), its key checked (`auth`),
//! and the resource's own function called. tide's router is given no routes: the rules of
//! OpenWhisk's URLs (trailing slashes, a key before "not found", names that are percent-encoded)
//! cannot be told to it.

mod actions;
mod activations;
mod auth;
mod body;
mod chunks;
mod classes;
mod dispatch;
mod docs;
mod error;
mod gateway;
mod headers;
mod invoke;
mod limits;
mod master;
mod namespaces;
mod operator;
mod packages;
mod path;
mod query;
mod record_list;
mod reply;
mod rows;
mod rules;
mod settings;
mod system;
mod target;
#[cfg(test)]
mod tests;
mod transaction;
mod triggers;
mod upstreams;
mod web;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use invoke::Invoke;
pub use operator::{Credentials, Operations};
pub use settings::Settings;

use crate::catalog::{Catalog, Manifest};
use crate::clock::now;
use crate::entity::Identity;
use crate::invoke::{Throttled, Throttles};
use crate::master::Master;
use crate::store::Store;
use crate::sync::Current;
use crate::upstream::{Upstream, Via};

/// What the API works with. Clones share it.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    services: Services,
    settings: Settings,
}

/// The rooms behind the API.
pub struct Services {
    /// Activations, and keys of namespaces.
    pub store: Store,
    /// Entities; over the same store.
    pub catalog: Catalog,
    /// Runs actions.
    pub invoker: Arc<dyn Invoke>,
    /// Counts what namespaces do.
    pub throttles: Arc<Throttles>,
    /// The kinds that there are.
    pub manifest: Current<Arc<Manifest>>,
    /// Whether a Docker engine answers; whoever watches the engine keeps it up to date.
    pub docker: Arc<AtomicBool>,
    /// What the operator sees and does.
    pub operations: Operations,
    /// The master; none: this OpenWhisk is its own.
    pub master: Option<Arc<Master>>,
    /// Those that take over what cannot run here; the master may be one of them.
    pub tiers: Vec<Upstream>,
    /// How this OpenWhisk marks what it sends to them; none if there are none.
    pub via: Option<Via>,
}

impl State {
    /// The API over these services.
    pub fn new(services: Services, settings: Settings) -> Self {
        State(Arc::new(Inner { services, settings }))
    }

    fn store(&self) -> &Store {
        &self.0.services.store
    }

    fn catalog(&self) -> &Catalog {
        &self.0.services.catalog
    }

    fn invoker(&self) -> &dyn Invoke {
        &*self.0.services.invoker
    }

    /// The kinds that there are now.
    fn manifest(&self) -> Arc<Manifest> {
        self.0.services.manifest.get()
    }

    pub(crate) fn master(&self) -> Option<&Arc<Master>> {
        self.0.services.master.as_ref()
    }

    /// Whether there is a master, and it is out of reach.
    fn is_offline(&self) -> bool {
        self.master()
            .is_some_and(|master| master.upstream.is_down())
    }

    fn via(&self) -> Option<&Via> {
        self.0.services.via.as_ref()
    }

    fn tiers(&self) -> &[Upstream] {
        &self.0.services.tiers
    }

    fn operations(&self) -> &Operations {
        &self.0.services.operations
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn docker_answers(&self) -> bool {
        self.0.services.docker.load(Ordering::Relaxed)
    }

    /// Counts a trigger that a caller fires.
    fn throttle_fire(&self, identity: &Identity) -> Result<(), Throttled> {
        self.0.services.throttles.fire(identity)
    }

    /// Counts an invocation of a caller against its rate and its concurrency.
    fn throttle_invocation(&self, identity: &Identity) -> Result<(), Throttled> {
        let in_flight = self.invoker().in_flight(&identity.namespace);
        self.0.services.throttles.invocation(identity, in_flight)
    }
}

/// The server that answers the API: enter it with [`tide::Server::respond`].
pub fn app(state: State) -> tide::Server<State> {
    let mut server = tide::with_state(state);
    server.with(Dispatch);
    server
}

/// Answers each request before tide's router, which has no routes, gets to: to match each path
/// against one that catches all would cost more than the rest of tide.
struct Dispatch;

#[tide::utils::async_trait]
impl tide::Middleware<State> for Dispatch {
    async fn handle(
        &self,
        request: tide::Request<State>,
        _: tide::Next<'_, State>,
    ) -> tide::Result {
        dispatch::serve(request).await
    }
}
