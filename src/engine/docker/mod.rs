//! Sandboxes as containers of a Docker Engine (or Podman), through the Engine API.

mod adopt;
mod client;
mod containers;
mod error;
mod events;
mod flavour;
mod frames;
mod freezer;
mod host;
pub mod image;
mod images;
mod info;
mod json;
mod labels;
mod network;
mod networks;
mod registry;
mod sandbox;
mod start;
mod version;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::Task;
use smol::lock::Semaphore;

use crate::engine::{Engine, Found, Listener, Sandbox, SandboxSpec, StartError};
use crate::sync::lock;
use crate::{BoxFuture, Executor};

pub use client::Client;
pub use containers::{
    ContainerState, ContainerSummary, EndpointSettings, InspectedContainer, NetworkSettings,
};
pub use error::DockerError;
pub use flavour::Flavour;
pub use host::Host;
pub use images::{Image, ImageSummary};
pub use info::Info;
pub use labels::DAEMON_LABEL;
pub use networks::Network;
pub use version::Version;

use adopt::Adoption;
use freezer::{Freezer, Ways};
use network::Place;
use registry::Registry;
use sandbox::{Container, DockerSandbox};

/// Containers that are started, or removed, at a time (reference section 7.8).
const AT_A_TIME: usize = 10;

/// Images that are pulled at a time.
const PULLS: usize = 3;

/// How long a registry that could not be reached is left in peace, if there is an image to use
/// instead. Finding out may take 20 s of DNS time-outs, before each start.
const REGISTRY_REST: Duration = Duration::from_secs(300);

/// Attempts to find a name that no container has.
const NAMES: usize = 5;

/// Where the engine is and how it is used.
#[derive(Clone, Debug)]
pub struct DockerOptions {
    /// Address as in `DOCKER_HOST`; none to look at the usual places.
    pub host: Option<String>,
    /// Network for the containers (`OWL_NET_NAME`); none to find one.
    pub network: Option<String>,
    /// Tells the containers of this daemon from those of others on the same engine. It must be
    /// the same after a restart, so that containers left over are found.
    pub daemon_id: String,
    /// What is told of the engine and its containers as it happens.
    pub events: Listener,
}

/// A Docker Engine as a source of sandboxes. It goes away and comes back without more ado: calls
/// meanwhile fail with [`StartError::Unavailable`].
pub struct DockerEngine {
    client: Client,
    place: Place,
    daemon: String,
    counter: AtomicU64,
    registry: Arc<Registry>,
    ways: Arc<Ways>,
    starts: Semaphore,
    pulls: Semaphore,
    /// Since when no registry can be reached.
    registry_away: Mutex<Option<Instant>>,
    _events: Task<()>,
}

impl DockerEngine {
    /// Finds the engine, agrees on a version, chooses the network, and follows its events from
    /// now on.
    pub async fn connect(
        executor: Executor,
        options: DockerOptions,
    ) -> Result<Arc<DockerEngine>, DockerError> {
        let client = Client::connect(executor.clone(), options.host.as_deref()).await?;
        let place = network::choose(&client, options.network.as_deref()).await?;
        let registry = Arc::new(Registry::default());
        let ways = Arc::new(Ways::default());
        let daemon = options.daemon_id;
        let events = events::watch(
            client.clone(),
            registry.clone(),
            ways.clone(),
            daemon.clone(),
            options.events,
        );
        log::info!(
            "using the Docker Engine at {}, API {}, network {}",
            client.host(),
            client.version(),
            place.network
        );
        Ok(Arc::new(DockerEngine {
            client,
            place,
            daemon,
            counter: AtomicU64::new(0),
            registry,
            ways,
            starts: Semaphore::new(AT_A_TIME),
            pulls: Semaphore::new(PULLS),
            registry_away: Mutex::new(None),
            _events: executor.spawn(events),
        }))
    }

    /// The engine's API, for checks and images.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Name of the network that the containers are in.
    pub fn network(&self) -> &str {
        &self.place.network
    }

    /// Where the containers reach this host, or the container that this daemon runs in; none if
    /// the network has no gateway.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.place.address
    }

    /// What the engine says of itself.
    pub async fn info(&self) -> Result<Info, DockerError> {
        self.client.info().await
    }

    /// Removes all containers of this daemon, in use or not. Goes on after errors and gives them
    /// all.
    pub async fn remove_all(&self) -> Vec<DockerError> {
        match self.own_containers().await {
            Ok(containers) => {
                let ids = containers.into_iter().map(|container| container.id);
                remove(&self.client, &self.ways, ids.collect()).await
            }
            Err(error) => vec![error],
        }
    }

    /// The containers with the label of this daemon.
    pub async fn own_containers(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        self.client
            .list_containers(DAEMON_LABEL, &self.daemon)
            .await
    }

    async fn start_sandbox(&self, spec: &SandboxSpec) -> Result<DockerSandbox, StartError> {
        let Some(image) = spec.image.as_deref() else {
            return Err(StartError::Failed(format!(
                "kind {} has no image in the runtimes manifest",
                spec.kind
            )));
        };
        let mut may_pull = spec.pull;
        if start::pulls_first(spec, image) {
            self.pull_newer(spec, image).await?;
            may_pull = false;
        }
        loop {
            let permit = self.starts.acquire().await;
            match self.create(spec, image).await {
                Ok((container, id)) => return self.launch(container, id, image).await,
                Err(error) if error.is_not_found() && may_pull => {
                    drop(permit);
                    self.pull(image)
                        .await
                        .map_err(|error| start::pull_failed(spec, image, &error))?;
                    may_pull = false;
                }
                Err(error) if error.is_not_found() => {
                    return Err(start::image_missing(spec, image, error.to_string()));
                }
                Err(error) => return Err(start::start_failed(image, &error)),
            }
        }
    }

    /// Creates a container under a name that is free.
    async fn create(
        &self,
        spec: &SandboxSpec,
        image: &str,
    ) -> Result<(Container, String), DockerError> {
        let mut attempt = 1;
        loop {
            let counter = self.counter.fetch_add(1, Ordering::Relaxed);
            let name = start::container_name(&self.daemon, counter, spec);
            let settings = start::container(&self.daemon, &self.place.network, image, spec);
            let (client, registry) = (self.client.clone(), self.registry.clone());
            match Container::create(client, registry, name, settings).await {
                Err(error) if error.is_conflict() && attempt < NAMES => attempt += 1,
                result => return result,
            }
        }
    }

    /// Starts a container that was created. If that fails, dropping it removes it.
    async fn launch(
        &self,
        container: Container,
        id: String,
        image: &str,
    ) -> Result<DockerSandbox, StartError> {
        let launched = async {
            // Before the start, so that nothing is missed.
            let logs = self.client.attach_container(&container.name).await?;
            self.client.start_container(&container.name).await?;
            let inspected = self.client.inspect_container(&container.name).await?;
            Ok((logs, inspected))
        };
        let (logs, inspected) = launched
            .await
            .map_err(|error| start::start_failed(image, &error))?;
        let address = inspected.address_in(&self.place.network);
        if address.is_none() && inspected.state.running {
            return Err(StartError::Failed(format!(
                "container {} has no address in network {}",
                container.name, self.place.network
            )));
        }
        if let Some(process) = inspected.state.pid.filter(|process| *process > 0) {
            let freezer = Freezer::new(self.ways.clone(), id.clone(), process);
            container.fate().set_started(freezer);
        }
        Ok(DockerSandbox::new(container, id, image, address, logs))
    }

    async fn pull(&self, image: &str) -> Result<(), DockerError> {
        let _permit = self.pulls.acquire().await;
        self.client.pull_image(image).await
    }

    /// Pulls an image that may be there in an older form, which has to do while no registry can
    /// be reached.
    async fn pull_newer(&self, spec: &SandboxSpec, image: &str) -> Result<(), StartError> {
        let away = *lock(&self.registry_away);
        let resting = away.is_some_and(|since| since.elapsed() < REGISTRY_REST);
        if resting && self.has_image(image).await {
            return Ok(());
        }
        let result = self.pull(image).await;
        let away = result.as_ref().is_err_and(start::is_registry_away);
        *lock(&self.registry_away) = away.then(Instant::now);
        match result {
            Ok(()) => Ok(()),
            Err(error) if away && self.has_image(image).await => {
                log::warn!("{error}; using the image that is there");
                Ok(())
            }
            Err(error) => Err(start::pull_failed(spec, image, &error)),
        }
    }

    async fn has_image(&self, image: &str) -> bool {
        matches!(self.client.inspect_image(image).await, Ok(Some(_)))
    }
}

impl Engine for DockerEngine {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn start<'a>(
        &'a self,
        spec: &'a SandboxSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        Box::pin(async {
            let sandbox = self.start_sandbox(spec).await?;
            Ok(Box::new(sandbox) as Box<dyn Sandbox>)
        })
    }

    fn adopt(&self) -> BoxFuture<'_, Vec<Found>> {
        Box::pin(async {
            let containers = match self.own_containers().await {
                Ok(containers) => containers,
                Err(error) => {
                    log::warn!("{error}");
                    return Vec::new();
                }
            };
            let adoption = Adoption {
                client: self.client.clone(),
                registry: self.registry.clone(),
                ways: self.ways.clone(),
                network: self.place.network.clone(),
            };
            adoption.adopt(containers).await
        })
    }
}

/// Removes those of the containers that are not in use.
async fn remove_unused(
    client: &Client,
    registry: &Registry,
    ways: &Arc<Ways>,
    containers: &[ContainerSummary],
) -> Vec<DockerError> {
    // Asked after the list was made: what is in it and not here now was never ours, or is not
    // any more.
    let in_use = registry.names();
    let unused: Vec<String> = containers
        .iter()
        .filter(|container| !in_use.contains(container.name()))
        .map(|container| container.id.clone())
        .collect();
    if !unused.is_empty() {
        log::info!("removing {} containers that nobody uses", unused.len());
    }
    remove(client, ways, unused).await
}

/// Removes containers side by side; errors are collected.
async fn remove(client: &Client, ways: &Arc<Ways>, ids: Vec<String>) -> Vec<DockerError> {
    let permits = Arc::new(Semaphore::new(AT_A_TIME));
    let removals: Vec<Task<Result<(), DockerError>>> = ids
        .into_iter()
        .map(|id| {
            let (permits, remover, ways) = (permits.clone(), client.clone(), ways.clone());
            client.executor().spawn(async move {
                let _permit = permits.acquire().await;
                adopt::let_go(&remover, &ways, &id).await;
                remover.remove_container(&id).await
            })
        })
        .collect();
    let mut errors = Vec::new();
    for removal in removals {
        errors.extend(removal.await.err());
    }
    errors
}
