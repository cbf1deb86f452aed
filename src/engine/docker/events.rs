//! What happens to containers without us: the events of the engine, and a sweep after each time
//! that the engine was away.
//!
//! The events end before an engine that is stopped ends its containers. What is frozen by version
//! 1 of the cgroups cannot be ended, so it goes on then.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_lite::future::{or, try_zip};
use hyper::Method;
use smol::Timer;

use super::DAEMON_LABEL;
use super::client::{Call, Client, broken};
use super::container::ended;
use super::containers::ContainerSummary;
use super::error::DockerError;
use super::freezer::Ways;
use super::json::Lines;
use super::patience::Patience;
use super::registry::Registry;
use super::removal::remove_orphan;
use super::told::{Change, Told, meaning, read};
use super::unused::remove_unused;
use crate::engine::{Event, Listener};
use crate::http::percent::encode;

/// After this long a stream has worked, and its end is answered at once.
const STABLE: Duration = Duration::from_secs(5);

/// Some engines send the head of a stream only with its first item: any wait will do.
const NO_LIMIT: Duration = Duration::from_secs(365 * 86_400);

/// What following the events needs.
pub(super) struct Watch {
    pub(super) client: Client,
    pub(super) registry: Arc<Registry>,
    pub(super) ways: Arc<Ways>,
    /// Whose containers it is about.
    pub(super) daemon: String,
    /// When this process of it began.
    pub(super) process: u64,
    /// Who is told.
    pub(super) listener: Listener,
}

impl Watch {
    /// Follows the events for as long as it is polled, through restarts of the engine.
    pub(super) async fn run(self) {
        let client = &self.client;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut since = now.unwrap_or_default().as_nanos() as u64;
        let mut patience = Patience::new(client.host());
        let mut is_up = true;
        loop {
            // What happened before the stream began is told by `since` to the one, and by what is
            // left to the other. At first nothing is in use, and what an earlier run has left may
            // be wanted.
            let sweep = async {
                if is_up {
                    return Ok(());
                }
                // What is still in use from here on is not taken by the sweep.
                client.set_away(false);
                self.sweep().await?;
                is_up = true;
                self.listener.tell(Event::Up);
                Ok(())
            };
            let follow = self.follow(&mut since);
            let started = Instant::now();
            let Err(error) = try_zip(sweep, or(follow, doubt(client))).await;
            if is_up {
                is_up = false;
                for fate in self.registry.all() {
                    fate.let_go();
                }
                self.listener.tell(Event::Down);
                log::warn!("the Docker Engine went away, trying again: {error}");
            } else {
                log::debug!("the Docker Engine went away again: {error}");
            }
            client.set_away(true);
            if started.elapsed() > STABLE {
                patience = Patience::new(client.host());
            }
            loop {
                Timer::after(patience.pause()).await;
                match client.negotiate().await {
                    Ok(_) => break,
                    Err(error) => log::debug!("{error}"),
                }
            }
            log::debug!("the Docker Engine at {} answers again", client.host());
        }
    }

    /// Applies events until the stream ends, and tells why it did.
    async fn follow(&self, since: &mut u64) -> Result<Infallible, DockerError> {
        let what = "follow events";
        // By type only: not all engines filter by label as they should.
        let filters = encode(r#"{"type":["container"]}"#);
        let (seconds, nanos) = (*since / 1_000_000_000, *since % 1_000_000_000);
        let path = format!("/events?since={seconds}.{nanos:09}&filters={filters}");
        let mut call = Call::new(Method::GET, path, what);
        call.limit = NO_LIMIT;
        let mut stream = self.client.stream(call).await?;
        let mut lines = Lines::default();
        loop {
            let chunk = stream.chunk().await;
            let chunk = chunk.map_err(|error| broken(what, &error))?;
            let end = || broken(what, &std::io::Error::other("the stream ended"));
            let chunk = chunk.ok_or_else(end)?;
            lines.push(&chunk, |line| {
                let Some(event) = read(line) else { return };
                *since = event.time_nano.unwrap_or(*since);
                if let Some(told) = meaning(&event, &self.daemon) {
                    log::debug!("container {}: {:?}", told.name, told.change);
                    self.apply(&told);
                }
            });
        }
    }

    fn apply(&self, told: &Told) {
        match (told.change, self.registry.get(told.name)) {
            (Change::Created, Some(fate)) if !self.is_left(told) => fate.announce(),
            (Change::Created, _) => {
                if self.is_left(told) || self.registry.was_doubtful(told.name) {
                    log::info!(
                        "removing container {}, for which nobody waits any more",
                        told.name
                    );
                    remove_orphan(&self.client, told.id.to_owned());
                }
            }
            (_, None) => {}
            (Change::Signalled, Some(fate)) => fate.set_signalled(),
            (Change::Ended(code), Some(fate)) => {
                let by_kernel = self.client.flavour().is_memory_kill(code);
                if by_kernel && !fate.is_signalled() {
                    fate.set_out_of_memory();
                }
                ended(told.name, &fate, &self.listener);
            }
            (Change::OutOfMemory, Some(fate)) => fate.set_out_of_memory(),
        }
    }

    /// Whether a container that was created just now is one that an earlier process of the daemon
    /// has asked for.
    fn is_left(&self, told: &Told) -> bool {
        let earlier = told.process.is_some_and(|process| process < self.process);
        earlier && self.registry.is_settled()
    }

    /// Notes which containers in use do not run any more, and removes those that nobody uses.
    async fn sweep(&self) -> Result<(), DockerError> {
        let Watch {
            client, registry, ..
        } = self;
        // Before the list is made: what is created after that is not in it, yet not gone.
        let created = registry.created();
        let containers = client.list_containers(DAEMON_LABEL, &self.daemon).await?;
        for (name, fate) in created {
            let found = containers.iter().find(|container| container.name() == name);
            if found.is_none_or(ContainerSummary::has_ended) {
                ended(&name, &fate, &self.listener);
            }
        }
        remove_unused(client, registry, &self.ways, &containers).await
    }
}

/// Ends when the engine cannot be spoken to though its events go on: one that is being stopped takes
/// no calls any more, and has yet to end its containers.
async fn doubt(client: &Client) -> Result<Infallible, DockerError> {
    loop {
        client.has_failed().await;
        match client.negotiate().await {
            Err(error) if error.is_unavailable() => return Err(error),
            _ => {}
        }
    }
}
