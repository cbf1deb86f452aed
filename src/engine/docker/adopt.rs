//! Containers that an earlier process of this daemon has left: which of them can be used again.
//!
//! Nothing is written about runs for this. Only idle containers are ever frozen, and they are
//! thawed before their next run is sent; so one that is found frozen was idle when the earlier
//! process ended, however it ended, and one that is not may have been in the middle of a run. The
//! freezer's state outlives the process and nothing else: after a restart of the engine or of the
//! machine the containers do not run any more.

use std::sync::Arc;
use std::time::Duration;

use smol::Task;
use smol::lock::Semaphore;

use crate::engine::{Found, Held, Hold, Listener, Sandbox};
use crate::http::client::within;

use super::AT_A_TIME;
use super::client::Client;
use super::container::Container;
use super::containers::ContainerSummary;
use super::error::DockerError;
use super::freezer::{Freezer, Left, Ways};
use super::labels;
use super::registry::Registry;
use super::sandbox::DockerSandbox;

/// How long the proxy of a container that was initialised may take to accept a connection.
const ANSWERS: Duration = Duration::from_secs(2);

/// What taking containers over needs.
#[derive(Clone)]
pub(super) struct Adoption {
    pub(super) client: Client,
    pub(super) registry: Arc<Registry>,
    pub(super) ways: Arc<Ways>,
    /// The network that they have to be in.
    pub(super) network: String,
    /// Who is told of their ends.
    pub(super) events: Listener,
}

/// Why a container is not used again.
enum Unfit {
    /// For this reason.
    Because(&'static str),
    /// The engine could not be asked.
    Failed(DockerError),
}

impl From<DockerError> for Unfit {
    fn from(error: DockerError) -> Self {
        Unfit::Failed(error)
    }
}

impl Adoption {
    /// Takes over those of the containers that nobody uses and that are fit for it, and removes
    /// the others, some at a time.
    pub(super) async fn adopt(self, containers: Vec<ContainerSummary>) -> Vec<Found> {
        let in_use = self.registry.names();
        let permits = Arc::new(Semaphore::new(AT_A_TIME));
        let tasks: Vec<Task<Option<Found>>> = containers
            .into_iter()
            .filter(|container| !in_use.contains(container.name()))
            .map(|container| {
                let (this, permits) = (self.clone(), permits.clone());
                self.client.executor().spawn(async move {
                    let _permit = permits.acquire().await;
                    this.adopt_one(container).await
                })
            })
            .collect();
        let mut found = Vec::new();
        for task in tasks {
            found.extend(task.await);
        }
        found
    }

    async fn adopt_one(&self, summary: ContainerSummary) -> Option<Found> {
        let name = summary.name().to_owned();
        let (client, registry) = (self.client.clone(), self.registry.clone());
        // Removed from here on, unless it becomes part of a sandbox.
        let (hold, held) = Hold::new();
        let container = Container::existing(client, registry, name.clone(), &summary.id, hold);
        match self.examine(container, summary, held.clone()).await {
            Ok(found) => {
                log::info!("container {name} of an earlier run is used again");
                Some(found)
            }
            Err((container, unfit)) => {
                match unfit {
                    Unfit::Because(reason) => {
                        log::info!("removing container {name} of an earlier run: {reason}");
                    }
                    Unfit::Failed(error) => {
                        log::warn!("removing container {name} of an earlier run: {error}");
                    }
                }
                container.remove().await;
                // Longer, if the engine is away.
                held.freed().await;
                None
            }
        }
    }

    /// Looks whether a container is fit, and makes it a sandbox if so.
    async fn examine(
        &self,
        container: Container,
        summary: ContainerSummary,
        held: Held,
    ) -> Result<Found, (Container, Unfit)> {
        let client = &self.client;
        let prepared = async {
            let inspected = client.inspect_container(&summary.id).await?;
            let state = &inspected.state;
            let process = match state.pid {
                Some(process) if state.running && process > 0 => process,
                _ => return Err(Unfit::Because("it does not run any more")),
            };
            let freezer = Freezer::new(self.ways.clone(), summary.id.clone(), process);
            let left = freezer.look(state.paused == Some(true));
            container.fate().set_started(freezer);
            match left {
                Left::Frozen => {}
                Left::Running => return Err(Unfit::Because("a run may be under way in it")),
            }
            let made = summary.labels.as_ref().and_then(labels::read);
            let made = made.ok_or(Unfit::Because("its labels do not say what it runs"))?;
            let address = inspected.address_in(&self.network);
            let address = address.ok_or(Unfit::Because("it is not in the network"))?;
            container.watch(&summary.id, process, &self.events);
            Ok((made, address))
        };
        let (made, address) = match prepared.await {
            Ok(prepared) => prepared,
            Err(unfit) => return Err((container, unfit)),
        };
        // The engine attaches to none that it has paused.
        if let Err(error) = container.thaw().await {
            log::warn!("{error}");
            return Err((container, Unfit::Because("it cannot be thawed")));
        }
        let logs = match client.attach_container(&summary.id).await {
            Ok(logs) => logs,
            Err(error) => return Err((container, error.into())),
        };
        let sandbox = DockerSandbox::new(container, summary.id, None, Some(address), logs);
        if !matches!(within(ANSWERS, sandbox.connect()).await, Ok(Ok(_))) {
            let unfit = Unfit::Because("its proxy does not answer");
            return Err((sandbox.into_container(), unfit));
        }
        Ok(Found {
            sandbox: Box::new(sandbox),
            purpose: made.purpose,
            digest: made.digest,
            held,
        })
    }
}

/// Lets a container go on that an earlier process has frozen, so that it can be killed. Whatever
/// fails is found when it is removed.
pub(super) async fn let_go(client: &Client, ways: &Arc<Ways>, id: &str) {
    if let Ok(inspected) = client.inspect_container(id).await
        && let Some(process) = inspected.state.pid.filter(|process| *process > 0)
    {
        let freezer = Freezer::new(ways.clone(), id.to_owned(), process);
        freezer.look(false);
        freezer.let_go();
    }
}
