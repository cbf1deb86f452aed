//! One container of this daemon, from just before it is created until it is gone.

use std::sync::{Arc, Mutex};

use smol::channel::bounded;

use crate::engine::{Event, FreezeError, Hold, Listener};
use crate::sync::lock;

use super::client::Client;
use super::containers::CreateContainer;
use super::error::DockerError;
use super::first_process::FirstProcess;
use super::registry::{Fate, Registry};
use super::removal::{Removal, Sure};

/// A container from just before it is created until it is removed. Dropped without having been
/// removed, it is removed in the background: a cancelled start leaves nothing behind. Its name is
/// taken and its place is held until it is gone, whoever waits for that.
pub(super) struct Container {
    client: Client,
    registry: Arc<Registry>,
    pub(super) name: String,
    fate: Arc<Fate>,
    /// Its place; none: it is being removed, or was never created.
    hold: Mutex<Option<Hold>>,
}

impl Container {
    /// Creates a container under a name that was taken for it, and gives its id, too. If nobody
    /// waits for that any more, it is removed as soon as it exists: the engine goes on creating it
    /// in any case.
    pub(super) async fn create(
        client: Client,
        registry: Arc<Registry>,
        (name, fate): (String, Arc<Fate>),
        settings: CreateContainer,
        hold: Hold,
    ) -> Result<(Container, String), DockerError> {
        let executor = client.executor().clone();
        let container = Container {
            client,
            registry,
            name,
            fate,
            hold: Mutex::new(Some(hold)),
        };
        let (sender, receiver) = bounded(1);
        let creation = async move {
            let (client, name) = (&container.client, &container.name);
            let result = match client.create_container(name, &settings).await {
                Ok(id) => {
                    container.fate.set_created(id.clone());
                    Ok((container, id))
                }
                Err(error) => {
                    match error {
                        // Of what was refused there is nothing.
                        DockerError::Refused { .. } => {
                            lock(&container.hold).take();
                            container.registry.release(name);
                        }
                        // After a broken connection there may be.
                        _ => drop(container.leave(Sure::No)),
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
        hold: Hold,
    ) -> Container {
        let fate = registry.take(&name);
        fate.set_created(id.to_owned());
        Container {
            client,
            registry,
            name,
            fate,
            hold: Mutex::new(Some(hold)),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn fate(&self) -> &Fate {
        &self.fate
    }

    /// From now on its end is told as soon as its first process has ended, where the kernel of this
    /// machine tells of that.
    pub(super) fn watch(&self, id: &str, process: i64, listener: &Listener) {
        let first = match FirstProcess::find(id, process) {
            Ok(first) => first,
            Err(error) => {
                log::debug!("the first process of container {}: {error}", self.name);
                return;
            }
        };
        let (name, fate, listener) = (self.name.clone(), self.fate.clone(), listener.clone());
        let watch = async move {
            match first.ended().await {
                Ok(()) => {
                    fate.set_empty();
                    ended(&name, &fate, &listener);
                }
                Err(error) => log::debug!("the first process of container {name}: {error}"),
            }
        };
        self.client.executor().spawn(watch).detach();
    }

    /// Lets it go on, if it is frozen.
    pub(super) async fn thaw(&self) -> Result<(), FreezeError> {
        match self.fate.freezer() {
            Some(freezer) => freezer.thaw(&self.client).await,
            None => Ok(()),
        }
    }

    /// Kills and removes it: it is gone then, or its engine does not answer. What an engine that is
    /// away has of it is removed when that is back, and keeps its place until then.
    pub(super) async fn remove(&self) {
        if let Some(gone) = self.leave(Sure::Yes) {
            let _ = gone.recv().await;
        }
    }

    /// Begins to remove it, unless that was done before. What is given ends when it is gone or its
    /// engine is.
    fn leave(&self, created: Sure) -> Option<smol::channel::Receiver<()>> {
        let hold = lock(&self.hold).take()?;
        self.fate.set_leaving();
        let (told, gone) = bounded(1);
        let removal = Removal {
            client: self.client.clone(),
            registry: self.registry.clone(),
            name: self.name.clone(),
            fate: self.fate.clone(),
            hold,
        };
        let removal = removal.run(created, told);
        self.client.executor().spawn(removal).detach();
        Some(gone)
    }
}

/// Tells of the end of a container, the first time that it is seen, unless it was asked for.
pub(super) fn ended(name: &str, fate: &Fate, listener: &Listener) {
    if fate.set_ended() && !fate.is_leaving() {
        log::info!("container {name} has ended");
        if let Some(id) = fate.id() {
            let (id, out_of_memory) = (id.to_owned(), fate.is_out_of_memory());
            listener.tell(Event::Ended { id, out_of_memory });
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(self.leave(Sure::Yes));
    }
}
