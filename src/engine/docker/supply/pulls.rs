//! Pulls under way: a few at once, and one for each image, however many want it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use smol::channel::{Receiver, bounded};
use smol::lock::Semaphore;

use super::keeper::Keeper;
use super::progress::{Progress, Pulled};
use crate::engine::docker::client::{Client, broken};
use crate::engine::docker::error::DockerError;
use crate::engine::docker::images::Image;
use crate::sync::lock;

/// Images that are pulled at a time.
const AT_A_TIME: usize = 3;

/// How often a pull shows in the log how far it is.
const SHOWN: Duration = Duration::from_secs(5);

/// What came of a pull, for all who wanted it.
pub(super) type Outcome = Result<Arc<Image>, Arc<DockerError>>;

/// How a pull stands, for people.
#[derive(Clone, Debug)]
pub struct PullStatus {
    /// The image.
    pub image: String,
    /// Since when it is wanted.
    pub since: Instant,
    /// How far it is.
    pub progress: Pulled,
}

/// The pulls under way.
pub(super) struct Pulls {
    client: Client,
    keeper: Arc<Keeper>,
    permits: Semaphore,
    flights: Mutex<BTreeMap<String, Arc<Flight>>>,
}

/// One pull.
struct Flight {
    since: Instant,
    progress: Mutex<Progress>,
    outcome: OnceLock<Outcome>,
    /// Closed at its end.
    ended: Receiver<()>,
}

impl Pulls {
    pub(super) fn new(client: Client, keeper: Arc<Keeper>) -> Self {
        Pulls {
            client,
            keeper,
            permits: Semaphore::new(AT_A_TIME),
            flights: Mutex::default(),
        }
    }

    /// Pulls an image, or waits for who does already. It is pulled to its end even if nobody waits
    /// for it any more.
    pub(super) async fn pull(self: &Arc<Self>, image: &str) -> Outcome {
        let flight = self.join(image);
        // Nothing is ever sent.
        let _ = flight.ended.recv().await;
        flight.outcome.get().cloned().unwrap_or_else(|| {
            let reason = std::io::Error::other("the daemon stops");
            Err(Arc::new(broken(&format!("pull image {image}"), &reason)))
        })
    }

    /// How the pulls under way stand, in the order of their names.
    pub(super) fn status(&self) -> Vec<PullStatus> {
        let flights = lock(&self.flights);
        let status = |(image, flight): (&String, &Arc<Flight>)| PullStatus {
            image: image.clone(),
            since: flight.since,
            progress: lock(&flight.progress).sum(),
        };
        flights.iter().map(status).collect()
    }

    fn join(self: &Arc<Self>, image: &str) -> Arc<Flight> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(image) {
            return flight.clone();
        }
        let (sender, ended) = bounded(1);
        let flight = Arc::new(Flight {
            since: Instant::now(),
            progress: Mutex::default(),
            outcome: OnceLock::new(),
            ended,
        });
        flights.insert(image.to_owned(), flight.clone());
        let (pulls, image, led) = (self.clone(), image.to_owned(), flight.clone());
        let pull = async move {
            let outcome = pulls.carry(&image, &led.progress).await;
            let _ = led.outcome.set(outcome.map(Arc::new).map_err(Arc::new));
            lock(&pulls.flights).remove(&image);
            drop::<smol::channel::Sender<()>>(sender);
        };
        self.client.executor().spawn(pull).detach();
        flight
    }

    async fn carry(&self, image: &str, progress: &Mutex<Progress>) -> Result<Image, DockerError> {
        let _permit = self.permits.acquire().await;
        let before = self.keeper.before().await?;
        log::info!("pulling image {image}");
        let started = Instant::now();
        let mut shown = started;
        let pulled = self.client.pull_image(image, |line| {
            lock(progress).take(line);
            if shown.elapsed() >= SHOWN {
                shown = Instant::now();
                log::info!("pulling image {image}: {}", lock(progress).sum());
            }
        });
        pulled.await?;
        let found = self.client.inspect_image(image).await?;
        let found = found.ok_or_else(|| DockerError::Refused {
            what: format!("find image {image}"),
            status: 404,
            message: "the engine has pulled it and does not have it".to_owned(),
        })?;
        self.keeper.came(image, &found.id, &before).await;
        log::info!(
            "pulled image {image} in {} s: {}",
            started.elapsed().as_secs(),
            lock(progress).sum()
        );
        Ok(found)
    }
}
