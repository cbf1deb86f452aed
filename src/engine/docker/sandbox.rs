//! One container that runs an action.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use smol::channel::bounded;
use smol::{Task, Timer};

use crate::BoxFuture;
use crate::engine::logs::LogSink;
use crate::engine::{FreezeError, Mismatch, Sandbox};
use crate::http::client::{Endpoint, ResponseStream, Wire, within};

use super::client::Client;
use super::containers::CreateContainer;
use super::error::DockerError;
use super::frames::Frames;
use super::registry::{Fate, Registry};
use super::supply::Trial;

/// Port of the proxy in every image (reference section 7).
const PORT: u16 = 8080;

/// How long the engine may take to tell that a container was killed for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(2);

/// Pauses before a container that could not be removed is tried again; the last one repeats.
const REMOVALS: [u64; 7] = [20, 50, 100, 200, 500, 1000, 5000];

/// How long a removal that somebody else has begun is waited for. Engines know of some that never
/// end.
const OTHERS: Duration = Duration::from_secs(30);

/// Pauses before each look for a container that may be created though nobody waits for it: engines
/// tell of a creation before it can be removed, too.
const ORPHANS: [u64; 3] = [0, 1000, 5000];

/// Exit code of a process that was killed (128 + SIGKILL), as for memory.
const KILLED: i64 = 137;

/// A container from just before it is created until it is removed. Dropped without having been
/// removed, it is removed in the background: a cancelled start leaves nothing behind.
pub(super) struct Container {
    client: Client,
    registry: Arc<Registry>,
    pub(super) name: String,
    fate: Arc<Fate>,
    removed: AtomicBool,
}

impl Container {
    /// Creates a container and gives its id, too. If nobody waits for that any more, it is
    /// removed as soon as it exists: the engine goes on creating it in any case.
    pub(super) async fn create(
        client: Client,
        registry: Arc<Registry>,
        name: String,
        settings: CreateContainer,
    ) -> Result<(Container, String), DockerError> {
        let executor = client.executor().clone();
        let container = Container {
            fate: registry.take(&name),
            client,
            registry,
            name,
            removed: AtomicBool::new(false),
        };
        let (sender, receiver) = bounded(1);
        let creation = async move {
            let created = container
                .client
                .create_container(&container.name, &settings)
                .await;
            let result = match created {
                Ok(id) => {
                    container.fate.set_created(id.clone());
                    Ok((container, id))
                }
                Err(error) => {
                    container.removed.store(true, Ordering::Release);
                    // After a refusal there is nothing to remove; after a broken connection
                    // there may be.
                    if !matches!(error, DockerError::Refused { .. }) {
                        container.registry.doubt(&container.name);
                        remove_orphan(&container.client, container.name.clone());
                    }
                    Err(error)
                }
            };
            // Not received, it is dropped here.
            drop(sender.try_send(result));
        };
        executor.spawn(creation).detach();
        receiver
            .recv()
            .await
            .expect("the creation above sends in any case")
    }

    /// A container that is there already.
    pub(super) fn existing(
        client: Client,
        registry: Arc<Registry>,
        name: String,
        id: &str,
    ) -> Container {
        let fate = registry.take(&name);
        fate.set_created(id.to_owned());
        Container {
            client,
            registry,
            name,
            fate,
            removed: AtomicBool::new(false),
        }
    }

    pub(super) fn fate(&self) -> &Fate {
        &self.fate
    }

    /// Lets it go on, if it is frozen.
    pub(super) async fn thaw(&self) -> Result<(), FreezeError> {
        match self.fate.freezer() {
            Some(freezer) => freezer.thaw(&self.client).await,
            None => Ok(()),
        }
    }

    /// Kills and removes it: it is gone then, or its engine is. What an engine that is away has
    /// of it is removed when that is back.
    pub(super) async fn remove(&self) {
        self.fate.set_leaving();
        if !remove(&self.client, &self.name, false).await {
            remove_later(&self.client, self.name.clone());
        }
        self.removed.store(true, Ordering::Release);
        self.fate.set_ended();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.removed.load(Ordering::Acquire) {
            self.registry.release(&self.name);
            return;
        }
        self.fate.set_leaving();
        let (client, registry) = (self.client.clone(), self.registry.clone());
        let name = std::mem::take(&mut self.name);
        let removal = async move {
            let is_gone = remove(&client, &name, false).await;
            registry.release(&name);
            if !is_gone {
                remove_later(&client, name);
            }
        };
        self.client.executor().spawn(removal).detach();
    }
}

/// Removes a container that is nobody's any more, when the engine is there.
fn remove_later(client: &Client, name: String) {
    let remover = client.clone();
    let removal = async move { _ = remove(&remover, &name, true).await };
    client.executor().spawn(removal).detach();
}

/// Removes a container that nobody waits for any more, if it was created or is just being created.
pub(super) fn remove_orphan(client: &Client, name: String) {
    let remover = client.clone();
    let removal = async move {
        for pause in ORPHANS {
            Timer::after(Duration::from_millis(pause)).await;
            remove(&remover, &name, true).await;
        }
    };
    client.executor().spawn(removal).detach();
}

/// Removes a container, however often that has to be tried. Gives whether it is gone: if not, the
/// engine is away, and it was not to be waited for.
async fn remove(client: &Client, name: &str, while_away: bool) -> bool {
    let began = Instant::now();
    let mut pauses = REMOVALS.into_iter();
    // Whoever waits for the engine has told of it.
    let mut is_told = while_away;
    loop {
        match client.remove_container(name).await {
            Ok(()) => return true,
            // Somebody else is at it: until that is done, it takes its room.
            Err(error) if error.is_conflict() => {
                log::debug!("{error}");
                if began.elapsed() >= OTHERS {
                    return true;
                }
            }
            Err(error) => {
                if !is_told {
                    log::warn!("{error}");
                    is_told = true;
                }
                if error.is_unavailable() && !while_away {
                    return false;
                }
            }
        }
        let pause = pauses.next().unwrap_or(REMOVALS[REMOVALS.len() - 1]);
        Timer::after(Duration::from_millis(pause)).await;
    }
}

/// A container that was started.
pub(super) struct DockerSandbox {
    id: String,
    /// Watched if its image is made for other machines.
    trial: Option<Arc<Trial>>,
    /// None if it ended before it could be asked for.
    address: Option<IpAddr>,
    logs: LogSink,
    container: Container,
    /// Feeds `logs` for as long as the container prints.
    _pump: Task<()>,
}

impl DockerSandbox {
    pub(super) fn new(
        container: Container,
        id: String,
        trial: Option<Arc<Trial>>,
        address: Option<IpAddr>,
        stream: ResponseStream,
    ) -> Self {
        let logs = LogSink::new();
        let pump = pump(stream, logs.clone(), container.name.clone(), trial.clone());
        if address.is_none() {
            container.fate.set_ended();
        }
        DockerSandbox {
            id,
            trial,
            address,
            logs,
            _pump: container.client.executor().spawn(pump),
            container,
        }
    }
}

impl DockerSandbox {
    /// Waits until it is known whether it was killed for memory.
    async fn look_for_memory_kill(&self) -> bool {
        let mut pause = Duration::from_millis(5);
        loop {
            if self.container.fate.is_out_of_memory() {
                return true;
            }
            let client = &self.container.client;
            match client.inspect_container(&self.container.name).await {
                Ok(container) if container.state.oom_killed == Some(true) => return true,
                // It ended by itself. (For one that was killed the flag may still come.)
                Ok(container)
                    if !container.state.running && container.state.exit_code != KILLED =>
                {
                    return false;
                }
                Ok(_) => {}
                Err(error) => {
                    log::debug!("{error}");
                    return false;
                }
            }
            Timer::after(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// The container alone.
    pub(super) fn into_container(self) -> Container {
        self.container
    }
}

/// Feeds what a container prints to its sink.
async fn pump(mut stream: ResponseStream, logs: LogSink, name: String, trial: Option<Arc<Trial>>) {
    let mut frames = Frames::default();
    loop {
        match stream.chunk().await {
            Ok(Some(chunk)) => {
                let now = SystemTime::now();
                let push = |stream, payload: &[u8]| {
                    if let Some(trial) = &trial {
                        trial.prints(payload);
                    }
                    logs.push(stream, payload, now);
                };
                if frames.push(&chunk, push).is_err() {
                    log::warn!("the logs of container {name} are not in frames: given up");
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                log::debug!("the logs of container {name} broke off: {error}");
                break;
            }
        }
    }
    logs.close();
}

impl Sandbox for DockerSandbox {
    fn foreign(&self) -> BoxFuture<'_, Option<(String, Mismatch)>> {
        Box::pin(async { self.trial.as_ref()?.verdict().await })
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async {
            match self.address {
                Some(address) => {
                    let address = SocketAddr::new(address, PORT);
                    Endpoint::Tcp(address).connect().await
                }
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }

    fn logs(&self) -> &LogSink {
        &self.logs
    }

    fn has_exited(&self) -> bool {
        self.container.fate.has_ended()
    }

    fn killed_for_memory(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            // An engine that hangs is not waited for, either.
            let known = within(MEMORY_WAIT, self.look_for_memory_kill()).await;
            known.unwrap_or(false)
        })
    }

    fn freeze(&self) -> BoxFuture<'_, Result<(), FreezeError>> {
        Box::pin(async {
            match self.container.fate.freezer() {
                Some(freezer) => freezer.freeze(&self.container.client).await,
                None => Err(FreezeError::Unsupported("it has ended")),
            }
        })
    }

    fn thaw(&self) -> BoxFuture<'_, Result<(), FreezeError>> {
        Box::pin(self.container.thaw())
    }

    fn outlives(&self) -> bool {
        true
    }

    fn remove(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.container.remove())
    }
}
