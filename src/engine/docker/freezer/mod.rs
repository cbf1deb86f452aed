//! Freezing containers: through their cgroups where that can be done, which takes a few
//! microseconds; else through the engine, which takes milliseconds.

mod cgroup;
mod paths;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::Timer;
use smol::lock::Mutex as Turn;

use crate::engine::FreezeError;
use crate::sync::lock;

use super::client::Client;
use super::error::DockerError;
use cgroup::Cgroup;

/// When to look whether the kernel has stopped all processes, after it was told to. It has in
/// most cases by the first look; one that waits for a disk is stopped when it has what it waits
/// for.
const LOOKS: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
];

/// How the containers of one engine are frozen, found out with the first of them.
#[derive(Debug, Default)]
pub(super) struct Ways(Mutex<Way>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Unknown,
    /// Through their cgroups.
    Cgroup,
    /// Through the engine: their cgroups are out of reach.
    Engine,
    /// Not at all.
    None,
}

impl Ways {
    fn known(&self) -> Way {
        *lock(&self.0)
    }

    /// Takes note of what has worked, or not. Gives whether that is news.
    fn settle(&self, found: Way) -> bool {
        let mut way = lock(&self.0);
        let is_news = *way == Way::Unknown;
        if is_news {
            *way = found;
        }
        is_news
    }
}

/// The freezer of one container.
#[derive(Debug)]
pub(super) struct Freezer {
    ways: Arc<Ways>,
    /// The container's full id.
    id: String,
    /// Number of its first process, as the engine sees it.
    process: i64,
    state: Mutex<State>,
    /// Held while the engine is asked, so that one request does not overtake another.
    turn: Turn<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Found when it is first needed, and then kept open.
    cgroup: Option<Cgroup>,
    frozen: Option<Frozen>,
}

/// Through what a container was frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frozen {
    Cgroup,
    Engine,
}

/// How an earlier process has left a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Frozen by it, so without a run.
    Frozen,
    /// Running, or stopped by somebody else.
    Running,
}

impl Freezer {
    pub(super) fn new(ways: Arc<Ways>, id: String, process: i64) -> Freezer {
        Freezer {
            ways,
            id,
            process,
            state: Mutex::default(),
            turn: Turn::new(()),
        }
    }

    /// See [`crate::engine::Sandbox::freeze`].
    pub(super) async fn freeze(&self, client: &Client) -> Result<(), FreezeError> {
        {
            let _turn = self.turn.lock().await;
            if lock(&self.state).frozen.is_some() {
                return Ok(());
            }
            if !self.freeze_cgroup()? {
                return self.pause(client).await;
            }
        }
        for look in LOOKS {
            Timer::after(look).await;
            let state = lock(&self.state);
            match (&state.cgroup, state.frozen) {
                // Processes that come while others are being stopped can slip through; told
                // again, the kernel looks for them.
                (Some(cgroup), Some(_)) if !cgroup.is_frozen().unwrap_or(true) => {
                    self.check(cgroup.freeze())?;
                }
                _ => return Ok(()),
            }
        }
        log::debug!(
            "the kernel is still stopping the processes of container {}",
            self.id
        );
        Ok(())
    }

    /// See [`crate::engine::Sandbox::thaw`].
    pub(super) async fn thaw(&self, client: &Client) -> Result<(), FreezeError> {
        let _turn = self.turn.lock().await;
        let frozen = lock(&self.state).frozen;
        match frozen {
            None => Ok(()),
            Some(Frozen::Cgroup) => self.thaw_cgroup(),
            Some(Frozen::Engine) => {
                if let Err(error) = client.unpause_container(&self.id).await {
                    // Somebody else may have seen to it.
                    let inspected = client.inspect_container(&self.id).await;
                    if inspected.map_or(true, |found| found.state.paused == Some(true)) {
                        return Err(self.failed(error));
                    }
                }
                lock(&self.state).frozen = None;
                Ok(())
            }
        }
    }

    /// Lets the container go on if that takes no request: before it is killed, which reaches none
    /// that is frozen by version 1, and when the engine goes, which has to end it.
    pub(super) fn let_go(&self) {
        let frozen = lock(&self.state).frozen;
        if frozen == Some(Frozen::Cgroup)
            && let Err(error) = self.thaw_cgroup()
        {
            // Most likely it has ended.
            log::debug!("{error}");
        }
    }

    /// Looks how an earlier process has left it, and takes over what that has done. `paused` is
    /// what the engine says of it.
    pub(super) fn look(&self, paused: bool) -> Left {
        let mut state = lock(&self.state);
        state.cgroup = Cgroup::find(&self.id, self.process).ok();
        state.frozen = match &state.cgroup {
            // Where its cgroup can be reached, nobody but an operator pauses it, whatever it does.
            Some(_) if paused => None,
            Some(cgroup) => {
                let frozen = cgroup.is_to_be_frozen().unwrap_or(false);
                frozen.then_some(Frozen::Cgroup)
            }
            None => paused.then_some(Frozen::Engine),
        };
        match state.frozen {
            Some(_) => Left::Frozen,
            None => Left::Running,
        }
    }

    /// Tells the kernel, if the cgroup can be found. Gives whether it could.
    fn freeze_cgroup(&self) -> Result<bool, FreezeError> {
        let way = self.ways.known();
        match way {
            Way::Engine => return Ok(false),
            Way::None => return Err(UNSUPPORTED),
            Way::Unknown | Way::Cgroup => {}
        }
        let mut state = lock(&self.state);
        if state.cgroup.is_none() {
            match Cgroup::find(&self.id, self.process) {
                Ok(cgroup) => state.cgroup = Some(cgroup),
                Err(error) if way == Way::Unknown => {
                    log::debug!("the cgroup of container {}: {error}", self.id);
                    return Ok(false);
                }
                // Others were found: this one has ended.
                Err(error) => return Err(self.failed(error)),
            }
        }
        if let Some(cgroup) = &state.cgroup {
            self.check(cgroup.freeze())?;
        }
        state.frozen = Some(Frozen::Cgroup);
        self.ways.settle(Way::Cgroup);
        Ok(true)
    }

    fn thaw_cgroup(&self) -> Result<(), FreezeError> {
        let mut state = lock(&self.state);
        if let Some(cgroup) = &state.cgroup {
            self.check(cgroup.thaw())?;
        }
        state.frozen = None;
        Ok(())
    }

    async fn pause(&self, client: &Client) -> Result<(), FreezeError> {
        // Until it is known that it was not, it may be paused.
        lock(&self.state).frozen = Some(Frozen::Engine);
        let Err(error) = client.pause_container(&self.id).await else {
            if self.ways.settle(Way::Engine) {
                log::info!(
                    "idle containers are paused through the engine: their cgroups are out of reach"
                );
            }
            return Ok(());
        };
        if !matches!(error, DockerError::TimedOut { .. }) {
            lock(&self.state).frozen = None;
        }
        // Refused although it runs, others will be, too.
        if matches!(error, DockerError::Refused { .. })
            && let Ok(found) = client.inspect_container(&self.id).await
            && found.state.running
            && found.state.paused != Some(true)
            && self.ways.settle(Way::None)
        {
            log::warn!(
                "idle containers are not frozen, so they may go on using the processor: {error}"
            );
            return Err(UNSUPPORTED);
        }
        Err(self.failed(error))
    }

    fn check(&self, result: std::io::Result<()>) -> Result<(), FreezeError> {
        result.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: impl std::fmt::Display) -> FreezeError {
        FreezeError::Failed {
            sandbox: self.id.clone(),
            reason: error.to_string(),
        }
    }
}

/// Why none of an engine's containers is frozen.
const UNSUPPORTED: FreezeError =
    FreezeError::Unsupported("their cgroups are out of reach, and the engine cannot pause them");
