//! The images that sandboxes need: which one a name means on this machine, whether it is there,
//! and how it gets there.
//!
//! A cold start finds what it needs in memory ([`known`]); what is not known is looked for
//! ([`search`]), mostly in the background already, when an action is made that needs it
//! ([`expected`]). [`keeper`] lets go what nobody needs any more.

mod book;
mod emulation;
mod expected;
mod keeper;
mod keeping;
mod known;
mod machine;
mod naming;
pub(super) mod platform;
pub(super) mod progress;
mod pulls;
mod search;
mod trial;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use smol::lock::Semaphore;

pub use book::{ImageBook, OwnImage};
pub use expected::FailedImage;
pub use keeping::Keeping;
pub use naming::Templates;
pub use progress::Pulled;
pub use pulls::PullStatus;

pub(super) use known::Choice;
pub(super) use trial::Trial;

use expected::Expected;
use keeper::Keeper;
use known::Known;
use machine::Machine;
use pulls::Pulls;

use super::client::Client;
use super::error::DockerError;
use crate::engine::{ImageNeed, StartError};
use crate::sync::lock;

/// Images that are got in advance at a time: fewer than are pulled at a time, so that a cold start
/// does not wait for what nobody has asked for yet.
const IN_ADVANCE: usize = 2;

/// How images are chosen and kept.
#[derive(Clone, Debug, Default)]
pub struct ImageOptions {
    /// Under which names users' images are looked for.
    pub templates: Templates,
    /// How long images are kept that OWL has pulled and nobody needs.
    pub keeping: Keeping,
}

/// How things stand with images.
#[derive(Clone, Debug, Default)]
pub struct ImagesStatus {
    /// Pulls under way, in the order of their names.
    pub pulls: Vec<PullStatus>,
    /// Images that could not be got in advance, in the order of their names.
    pub failed: Vec<FailedImage>,
    /// Images on the engine that OWL has pulled.
    pub own: usize,
}

/// The images of one engine.
pub(super) struct Supply {
    client: Client,
    templates: Templates,
    machine: smol::lock::Mutex<Option<Arc<Machine>>>,
    known: Mutex<Known>,
    pulls: Arc<Pulls>,
    keeper: Arc<Keeper>,
    expected: Mutex<Expected>,
    in_advance: Semaphore,
}

impl Supply {
    pub(super) fn new(client: Client, options: ImageOptions) -> Self {
        let templates = options.templates;
        let keeper = Keeper::new(client.clone(), templates.clone(), options.keeping);
        let keeper = Arc::new(keeper);
        Supply {
            pulls: Arc::new(Pulls::new(client.clone(), keeper.clone())),
            client,
            templates,
            machine: smol::lock::Mutex::new(None),
            known: Mutex::default(),
            keeper,
            expected: Mutex::default(),
            in_advance: Semaphore::new(IN_ADVANCE),
        }
    }

    /// From now on there is a book of the images that OWL pulls.
    pub(super) fn keep(&self, book: Arc<dyn ImageBook>) {
        self.keeper.keep(book);
    }

    /// How things stand.
    pub(super) fn status(&self) -> ImagesStatus {
        ImagesStatus {
            pulls: self.pulls.status(),
            failed: lock(&self.expected).failed(),
            own: self.keeper.count(),
        }
    }

    /// The image that a sandbox is to be started from. What is known costs no question.
    pub(super) async fn image(self: &Arc<Self>, need: &ImageNeed) -> Result<Choice, StartError> {
        if need.pulls_first() {
            return self.newest(need).await;
        }
        let known = lock(&self.known).choice(&need.name).cloned();
        match known {
            Some(choice) => Ok(choice),
            None => self.search(need).await,
        }
    }

    /// The engine does not have what a name has led to.
    pub(super) fn is_gone(&self, name: &str) {
        lock(&self.known).forget(name);
    }

    /// An image does not run on the engine's machine.
    fn does_not_run(&self, id: &str) {
        lock(&self.known).does_not_run(id, Instant::now());
    }

    /// A container has been started of what was chosen, and tells the id of its image: of another
    /// one, if the name was given to that meanwhile. Gives the image that it really is of.
    pub(super) async fn started(
        self: &Arc<Self>,
        need: &ImageNeed,
        choice: Choice,
        told: Option<&str>,
    ) -> Choice {
        let choice = match told {
            Some(told) if !choice.is_of(told) => {
                let real = match self.client.inspect_image(told).await {
                    Ok(Some(image)) => self.judged(&choice.reference, &image).await.ok(),
                    _ => None,
                };
                let real = Choice {
                    told: Some(told.to_owned()),
                    ..real.map_or(choice, |(_, real)| real)
                };
                lock(&self.known).choose(&need.name, real.clone());
                real
            }
            _ => choice,
        };
        self.keeper.used(&choice.id);
        self.look_if_due();
        choice
    }

    /// Lets images go that nobody needs, if it is time.
    fn look_if_due(self: &Arc<Self>) {
        if !self.keeper.is_due() {
            return;
        }
        let supply = self.clone();
        let look = async move {
            match supply.machine().await {
                Ok(machine) => supply.keeper.look(&machine).await,
                Err(error) => log::debug!("{error}"),
            }
        };
        self.client.executor().spawn(look).detach();
    }

    /// The machine of the engine, which is asked once.
    async fn machine(&self) -> Result<Arc<Machine>, DockerError> {
        let mut known = self.machine.lock().await;
        match &*known {
            Some(machine) => Ok(machine.clone()),
            None => {
                let machine = Arc::new(Machine::ask(&self.client).await?);
                *known = Some(machine.clone());
                Ok(machine)
            }
        }
    }
}
