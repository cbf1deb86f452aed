//! A container as a sandbox: how it is reached, what it prints, how it ends.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use smol::{Task, Timer};

use crate::BoxFuture;
use crate::engine::logs::LogSink;
use crate::engine::{FreezeError, Mismatch, Sandbox};
use crate::http::client::{Endpoint, ResponseStream, Wire, within};

use super::container::Container;
use super::frames::Frames;
use super::supply::Trial;

/// Port of the proxy in every image (reference section 7).
const PORT: u16 = 8080;

/// How long the engine may take to tell that a container was killed for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(2);

/// Exit code of a process that was killed (128 + SIGKILL), as for memory.
const KILLED: i64 = 137;

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
            container.fate().set_ended();
        }
        DockerSandbox {
            id,
            trial,
            address,
            logs,
            _pump: container.client().executor().spawn(pump),
            container,
        }
    }
}

impl DockerSandbox {
    /// Waits until it is known whether it was killed for memory.
    async fn look_for_memory_kill(&self) -> bool {
        let mut pause = Duration::from_millis(5);
        loop {
            if self.container.fate().is_out_of_memory() {
                return true;
            }
            let client = self.container.client();
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
        self.container.fate().has_ended()
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
            match self.container.fate().freezer() {
                Some(freezer) => freezer.freeze(self.container.client()).await,
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
