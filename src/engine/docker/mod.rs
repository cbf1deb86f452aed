//! Sandboxes as containers of a Docker Engine (or Podman), through the Engine API.

mod adopt;
mod client;
mod container;
mod containers;
mod error;
mod events;
mod first_process;
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
mod patience;
mod registry;
mod removal;
mod sandbox;
mod start;
mod supply;
mod told;
mod unused;
mod version;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::ClockId;
use smol::Task;
use smol::lock::Semaphore;

use crate::engine::{Engine, Found, Hold, ImageNeed, Listener, Sandbox, SandboxSpec, StartError};
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
pub use supply::{
    FailedImage, ImageBook, ImageOptions, ImagesStatus, Keeping, OwnImage, PullStatus, Pulled,
    Templates,
};
pub use version::Version;

use adopt::Adoption;
use container::Container;
use events::Watch;
use freezer::{Freezer, Ways};
use network::Place;
use registry::{Fate, Registry};
use sandbox::DockerSandbox;
use supply::{Choice, Supply, Trial};
use unused::{remove, remove_unused};

/// Containers that are started, or removed, at a time (reference section 7.8).
const AT_A_TIME: usize = 10;

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
    /// How images are chosen and kept.
    pub images: ImageOptions,
}

/// A Docker Engine as a source of sandboxes. It goes away and comes back without more ado: calls
/// meanwhile fail with [`StartError::Unavailable`].
pub struct DockerEngine {
    client: Client,
    place: Place,
    daemon: String,
    /// When this process began to use the engine, in nanoseconds since the machine was started.
    process: u64,
    events: Listener,
    counter: AtomicU64,
    registry: Arc<Registry>,
    ways: Arc<Ways>,
    starts: Semaphore,
    supply: Arc<Supply>,
    _watch: Task<()>,
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
        let process = since_boot();
        let watch = Watch {
            client: client.clone(),
            registry: registry.clone(),
            ways: ways.clone(),
            daemon: daemon.clone(),
            process,
            listener: options.events.clone(),
        };
        log::info!(
            "using the Docker Engine at {}, API {}, network {}",
            client.host(),
            client.version(),
            place.network
        );
        Ok(Arc::new(DockerEngine {
            supply: Arc::new(Supply::new(client.clone(), options.images)),
            client,
            place,
            daemon,
            process,
            events: options.events,
            counter: AtomicU64::new(0),
            registry,
            ways,
            starts: Semaphore::new(AT_A_TIME),
            _watch: executor.spawn(watch.run()),
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

    /// From now on the images that OWL pulls are noted in this book, and go when nobody needs
    /// them any more.
    pub fn keep_images(&self, book: Arc<dyn ImageBook>) {
        self.supply.keep(book);
    }

    /// How things stand with images: pulls under way, and what could not be got.
    pub fn images(&self) -> ImagesStatus {
        self.supply.status()
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

    /// Removes the containers of this daemon that are not in use.
    async fn sweep(&self) -> Result<(), DockerError> {
        let containers = self.own_containers().await?;
        remove_unused(&self.client, &self.registry, &self.ways, &containers).await
    }

    /// The containers with the label of this daemon.
    pub async fn own_containers(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        self.client
            .list_containers(DAEMON_LABEL, &self.daemon)
            .await
    }

    async fn start_sandbox(
        &self,
        spec: &SandboxSpec,
        hold: &Hold,
    ) -> Result<DockerSandbox, StartError> {
        let Some(need) = ImageNeed::of(spec) else {
            return Err(StartError::Failed(format!(
                "kind {} has no image in the runtimes manifest",
                spec.kind
            )));
        };
        let mut is_sure = false;
        loop {
            let image = self.supply.image(&need).await?;
            let permit = self.starts.acquire().await;
            match self.create(spec, &image.reference, hold).await {
                Ok((container, id)) => return self.launch(container, id, &need, image).await,
                // What was remembered has been removed meanwhile.
                Err(error) if error.is_not_found() && !is_sure => {
                    drop(permit);
                    self.supply.is_gone(&need.name);
                    is_sure = true;
                }
                Err(error) if error.is_not_found() => {
                    return Err(start::image_missing(&need, error.to_string()));
                }
                Err(error) => return Err(start::start_failed(&image.reference, &error)),
            }
        }
    }

    /// Creates a container under a name that is free.
    async fn create(
        &self,
        spec: &SandboxSpec,
        image: &str,
        hold: &Hold,
    ) -> Result<(Container, String), DockerError> {
        let mut attempt = 1;
        loop {
            let (name, fate) = self.free_name(spec);
            let settings =
                start::container(&self.daemon, self.process, &self.place.network, image, spec);
            let (client, registry) = (self.client.clone(), self.registry.clone());
            let hold = hold.clone();
            match Container::create(client, registry, (name, fate), settings, hold).await {
                Err(error) if error.is_name_taken() && attempt < NAMES => attempt += 1,
                result => return result,
            }
        }
    }

    /// A name that no container of this process has, and that is taken from now on: those that an
    /// earlier one has left keep theirs.
    fn free_name(&self, spec: &SandboxSpec) -> (String, Arc<Fate>) {
        loop {
            let counter = self.counter.fetch_add(1, Ordering::Relaxed);
            let name = start::container_name(&self.daemon, counter, spec);
            if let Some(fate) = self.registry.take_free(&name) {
                return (name, fate);
            }
        }
    }

    /// Starts a container that was created. If that fails, dropping it removes it.
    async fn launch(
        &self,
        container: Container,
        id: String,
        need: &ImageNeed,
        image: Choice,
    ) -> Result<DockerSandbox, StartError> {
        let trial = Trial::of(&self.supply, &image);
        let launched = async {
            // Before the start, so that nothing is missed.
            let logs = self.client.attach_container(&container.name).await?;
            self.client.start_container(&container.name).await?;
            let inspected = self.client.inspect_container(&container.name).await?;
            Ok((logs, inspected))
        };
        let (logs, inspected) = launched.await.map_err(|error: DockerError| {
            let refusal = trial.and_then(|trial| trial.refusal(&error.to_string()));
            refusal.unwrap_or_else(|| start::start_failed(&image.reference, &error))
        })?;
        let told = inspected.image.as_deref();
        let image = self.supply.started(need, image, told).await;
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
            container.watch(&id, process, &self.events);
        }
        let trial = Trial::of(&self.supply, &image);
        Ok(DockerSandbox::new(container, id, trial, address, logs))
    }
}

impl Engine for DockerEngine {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn start_in<'a>(
        &'a self,
        spec: &'a SandboxSpec,
        hold: Hold,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        Box::pin(async move {
            let sandbox = self.start_sandbox(spec, &hold).await?;
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
                events: self.events.clone(),
            };
            let found = adoption.adopt(containers).await;
            // What an earlier process has asked for may be created yet: until now the list has it,
            // from now on it is removed when that is told.
            self.registry.settle();
            if let Err(error) = self.sweep().await {
                log::warn!("{error}");
            }
            found
        })
    }

    fn expect_image(&self, need: ImageNeed) {
        self.supply.expect(need);
    }
}

/// Nanoseconds since the machine was started, which no setting of its clock changes.
///
/// Asked of the C library, which finds its way under valgrind, too. The kernel has had this clock
/// for longer than anything else that is needed here.
fn since_boot() -> u64 {
    let time = ClockId::CLOCK_BOOTTIME.now().map(Duration::from);
    let nanoseconds = time.unwrap_or_default().as_nanos();
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}
