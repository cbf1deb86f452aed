//! Lets images go that OWL has pulled and that nobody needs: by age, and when the engine's disk
//! runs full.
//!
//! It has no timer: it looks when an image is pulled, and else once a day at most, when containers
//! start or actions are made.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::book::{ImageBook, OwnImage};
use super::keeping::{Fate, Keeping, View, fate, unused};
use super::machine::Machine;
use super::naming::{Templates, familiar};
use super::platform::Platform;
use crate::blocking::unblock;
use crate::clock;
use crate::engine::docker::client::Client;
use crate::engine::docker::error::DockerError;
use crate::sync::lock;

/// How long it does not look again, if nothing is pulled.
const DAY: Duration = Duration::from_secs(86_400);

/// How exactly the last use is kept: each time it is noted costs a write.
const HOUR: Duration = Duration::from_secs(3600);

/// Names that are kept of an image.
const MOST_NAMES: usize = 16;

/// What the engine had before a pull.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Ids of its images, by name.
    names: HashMap<String, String>,
    ids: HashSet<String>,
}

/// Who keeps the images.
pub(super) struct Keeper {
    client: Client,
    templates: Templates,
    keeping: Keeping,
    book: OnceLock<Arc<dyn ImageBook>>,
    /// The images that OWL has pulled, by id: what the book says.
    own: Mutex<HashMap<String, OwnImage>>,
    looked: Mutex<Option<Instant>>,
    /// An image has come since then that was not there.
    has_more: AtomicBool,
    /// Held while it looks.
    turn: smol::lock::Mutex<()>,
}

impl Keeper {
    pub(super) fn new(client: Client, templates: Templates, keeping: Keeping) -> Self {
        Keeper {
            client,
            templates,
            keeping,
            book: OnceLock::new(),
            own: Mutex::default(),
            looked: Mutex::default(),
            has_more: AtomicBool::new(false),
            turn: smol::lock::Mutex::new(()),
        }
    }

    /// From now on there is a book. Without one nothing is OWL's, and nothing is removed.
    pub(super) fn keep(&self, book: Arc<dyn ImageBook>) {
        let images = book.own().unwrap_or_default();
        let images = images.into_iter().map(|image| (image.id.clone(), image));
        *lock(&self.own) = images.collect();
        // Only the first counts.
        let _ = self.book.set(book);
    }

    /// How many images are OWL's.
    pub(super) fn count(&self) -> usize {
        lock(&self.own).len()
    }

    /// What the engine has now: to be asked before a pull.
    pub(super) async fn before(&self) -> Result<Before, DockerError> {
        let mut before = Before::default();
        if self.book.get().is_none() {
            return Ok(before);
        }
        for image in self.client.list_images().await? {
            for name in image.names() {
                before.names.insert(familiar(name), image.id.clone());
            }
            before.ids.insert(image.id);
        }
        Ok(before)
    }

    /// An image has been pulled: it is OWL's, unless it was there already, or somebody else's had
    /// its name.
    pub(super) async fn came(&self, name: &str, id: &str, before: &Before) {
        let Some(book) = self.book.get() else {
            return;
        };
        if !before.ids.contains(id) {
            self.has_more.store(true, Ordering::Relaxed);
        }
        let image = {
            let mut own = lock(&self.own);
            let is_own = |id: &String| own.contains_key(id);
            let was_there = before.ids.contains(id) && !own.contains_key(id);
            let was_taken = before.names.get(&familiar(name));
            if was_there || was_taken.is_some_and(|id| !is_own(id)) {
                return;
            }
            let now = clock::now();
            let image = own.entry(id.to_owned()).or_insert_with(|| OwnImage {
                id: id.to_owned(),
                names: Vec::new(),
                pulled: now,
                used: now,
            });
            image.used = now;
            if !image.names.iter().any(|known| known == name) && image.names.len() < MOST_NAMES {
                image.names.push(name.to_owned());
            }
            image.clone()
        };
        book.note(image).await;
    }

    /// A container is started from an image.
    pub(super) fn used(&self, id: &str) {
        let Some(book) = self.book.get() else {
            return;
        };
        let now = clock::now();
        let mut own = lock(&self.own);
        let Some(image) = own.get_mut(id) else {
            return;
        };
        let is_noted = clock::age(image.used, now).is_some_and(|age| age < HOUR.as_millis() as u64);
        if !is_noted {
            image.used = now;
            let (book, image) = (book.clone(), image.clone());
            let note = async move { book.note(image).await };
            self.client.executor().spawn(note).detach();
        }
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&self) -> bool {
        if self.book.get().is_none() || self.count() == 0 {
            return false;
        }
        let looked = *lock(&self.looked);
        self.has_more.load(Ordering::Relaxed) || looked.is_none_or(|looked| looked.elapsed() >= DAY)
    }

    /// Looks, and removes what is to go. What fails is told in the log.
    pub(super) async fn look(&self, machine: &Machine) {
        let (Some(book), Some(_turn)) = (self.book.get(), self.turn.try_lock()) else {
            return;
        };
        *lock(&self.looked) = Some(Instant::now());
        self.has_more.store(false, Ordering::Relaxed);
        let images: Vec<OwnImage> = lock(&self.own).values().cloned().collect();
        if images.is_empty() {
            return;
        }
        let view = match self.view(book, &machine.platform).await {
            Ok(Some(view)) => view,
            Ok(None) => return,
            Err(error) => {
                log::warn!("no image is cleaned away: {error}");
                return;
            }
        };
        for image in &images {
            if fate(image, &view) == Fate::Forgotten {
                self.forget(book, &image.id).await;
            }
        }
        let mut is_short = self.is_short(machine).await;
        for (image, is_old) in unused(&images, &view, self.keeping, clock::now()) {
            if !is_short && !is_old {
                continue;
            }
            match self.remove(image, &view).await {
                Ok(()) => {
                    let why = match is_old {
                        true => "nobody has used it for a long time",
                        false => "the engine's disk runs full",
                    };
                    log::info!("removed image {}: {why}", image.names.join(", "));
                    self.forget(book, &image.id).await;
                }
                // Somebody has begun to use it.
                Err(error) if error.is_conflict() => log::debug!("{error}"),
                Err(error) => log::warn!("{error}"),
            }
            is_short = is_short && self.is_short(machine).await;
        }
    }

    /// Whether too little is free on the engine's disk, as far as that can be seen.
    pub(super) async fn is_short(&self, machine: &Machine) -> bool {
        self.keeping.free > 0
            && machine
                .free()
                .await
                .is_some_and(|free| free < self.keeping.free)
    }

    /// What there is and who needs it; none if that is not known now.
    async fn view(
        &self,
        book: &Arc<dyn ImageBook>,
        platform: &Platform,
    ) -> Result<Option<View>, DockerError> {
        let asked = book.clone();
        let Some(named) = unblock(move || asked.named()).await.ok().flatten() else {
            return Ok(None);
        };
        // The containers last: those that are being made now have an image that was chosen before.
        let images = self.client.list_images().await?;
        let containers = self.client.all_containers().await?;
        let named = named
            .iter()
            .flat_map(|name| self.templates.names(name, platform));
        Ok(Some(View {
            named: named.map(|name| familiar(&name)).collect(),
            in_use: containers
                .into_iter()
                .filter_map(|container| container.image_id)
                .collect(),
            names: images
                .into_iter()
                .map(|image| (image.id.clone(), image.names().map(Into::into).collect()))
                .collect(),
        }))
    }

    /// Takes an image its names, and with the last of them itself. The engine refuses to remove
    /// what a container has.
    async fn remove(&self, image: &OwnImage, view: &View) -> Result<(), DockerError> {
        let names = view.names.get(&image.id).filter(|names| !names.is_empty());
        match names {
            None => self.client.drop_image(&image.id).await,
            Some(names) => {
                for name in names {
                    self.client.drop_image(name).await?;
                }
                Ok(())
            }
        }
    }

    async fn forget(&self, book: &Arc<dyn ImageBook>, id: &str) {
        lock(&self.own).remove(id);
        book.forget(id.to_owned()).await;
    }
}
