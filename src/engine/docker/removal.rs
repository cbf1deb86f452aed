//! Removing containers until they are gone, whatever an engine answers, and whether it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future::or;
use smol::Timer;
use smol::channel::Sender;

use crate::engine::Hold;

use super::client::Client;
use super::error::DockerError;
use super::registry::{Fate, Registry};

/// Pauses before a container that could not be removed is tried again, in milliseconds; the last one
/// repeats.
const PAUSES: [u64; 7] = [20, 50, 100, 200, 500, 1000, 5000];

/// How long a removal that somebody else has begun is waited for, where the container does not run
/// any more. Engines know of some that never end.
pub(super) const OTHERS: Duration = Duration::from_secs(30);

/// How long an engine that answers may take to create what it was asked for before.
const CREATES: Duration = Duration::from_secs(5);

/// For how long an engine has to be away before it is taken for granted that it will not create any
/// more what it was asked for before.
const FORGETS: Duration = Duration::from_secs(60);

/// Whether it is known that a container was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    Yes,
    /// The engine was asked, and has not answered: it may have been, or may yet be.
    No,
}

/// The removal of a container.
pub(super) struct Removal {
    pub(super) client: Client,
    pub(super) registry: Arc<Registry>,
    pub(super) name: String,
    pub(super) fate: Arc<Fate>,
    /// Its place, until it is gone.
    pub(super) hold: Hold,
}

impl Removal {
    /// Removes it, however long that takes. `told` is dropped when it is gone, or when the engine
    /// turns out to be away.
    pub(super) async fn run(self, created: Sure, told: Sender<()>) {
        match created {
            Sure::Yes => self.until_gone(told).await,
            Sure::No => self.until_settled().await,
        }
        self.fate.set_ended();
        self.registry.release(&self.name);
        drop(self.hold);
    }

    /// Removes a container that was created.
    async fn until_gone(&self, told: Sender<()>) {
        let mut told = Some(told);
        let mut pauses = PAUSES.iter();
        loop {
            let back = self.client.return_of_engine();
            let Err(error) = removed(&self.client, &self.name).await else {
                return;
            };
            // Whoever waits for it is told once.
            if told.take().is_some() {
                log::warn!("{error}: it is tried again");
            }
            // Nothing runs in it, and the engine removes it before it starts anything.
            if self.fate.is_empty() && self.client.is_away() {
                return;
            }
            let next = pauses.next().unwrap_or(&PAUSES[PAUSES.len() - 1]);
            if pause(*next, back).await {
                pauses = PAUSES.iter();
            }
        }
    }

    /// Removes a container that may have been created, or may yet be: until it was there, or would
    /// have come by now.
    async fn until_settled(&self) {
        let (mut absent, mut away, mut seen) = (None, None, false);
        let mut pauses = PAUSES[..6].iter();
        loop {
            let back = self.client.return_of_engine();
            let announced = self.fate.announcement();
            match self.client.remove_container(&self.name).await {
                Ok(true) => return,
                Ok(false) if seen => return,
                Ok(false) => {
                    away = None;
                    if absent.get_or_insert_with(Instant::now).elapsed() >= CREATES {
                        break;
                    }
                }
                // Somebody else is at it.
                Err(error) if error.is_conflict() => seen = true,
                Err(error) if error.is_unavailable() => {
                    absent = None;
                    if away.get_or_insert_with(Instant::now).elapsed() >= FORGETS {
                        break;
                    }
                }
                Err(error) => log::warn!("{error}"),
            }
            let next = pauses.next().copied().unwrap_or(1000);
            let woken = or(
                async {
                    announced.await;
                    true
                },
                pause(next, back),
            );
            if woken.await {
                // It is told of before it can be removed.
                pauses = PAUSES[..6].iter();
            }
        }
        // Should it come all the same.
        self.registry.doubt(&self.name);
    }
}

/// Removes a container, by name or id, however often that has to be tried.
///
/// # Errors
/// The engine is away.
pub(super) async fn removed(client: &Client, name: &str) -> Result<(), DockerError> {
    let mut since = None;
    let mut pauses = PAUSES.iter();
    loop {
        match client.remove_container(name).await {
            Ok(_) => return Ok(()),
            // Somebody else is at it: until that is done, it takes its room.
            Err(error) if error.is_conflict() => {
                log::debug!("{error}");
                let since = since.get_or_insert_with(Instant::now);
                if since.elapsed() >= OTHERS && !runs(client, name).await {
                    return Ok(());
                }
            }
            Err(error) if error.is_unavailable() => return Err(error),
            Err(error) => log::warn!("{error}"),
        }
        let pause = pauses.next().unwrap_or(&PAUSES[PAUSES.len() - 1]);
        Timer::after(Duration::from_millis(*pause)).await;
    }
}

/// Whether a container runs, as far as that is known.
async fn runs(client: &Client, name: &str) -> bool {
    let inspected = client.inspect_container(name).await;
    inspected.map_or(true, |found| found.state.running)
}

/// Removes in the background what an engine has created though nobody waits for it any more.
pub(super) fn remove_orphan(client: &Client, id: String) {
    let remover = client.clone();
    let removal = async move {
        // It is told of before it can be removed.
        for wait in PAUSES {
            if let Ok(true) = remover.remove_container(&id).await {
                return;
            }
            pause(wait, remover.return_of_engine()).await;
        }
    };
    client.executor().spawn(removal).detach();
}

/// Waits so many milliseconds, or until an engine is back. Tells which it was.
async fn pause(millis: u64, back: event_listener::EventListener) -> bool {
    let slept = async {
        Timer::after(Duration::from_millis(millis)).await;
        false
    };
    let back = async {
        back.await;
        true
    };
    or(back, slept).await
}
