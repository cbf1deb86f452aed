//! The images that actions need: got before they are needed, and not let go while an action names
//! them.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::burst::Placement;
use super::choice::Home;
use super::{Inner, Invoker};
use crate::BoxFuture;
use crate::blocking::unblock;
use crate::catalog::{Catalog, Manifest};
use crate::engine::ImageNeed;
use crate::engine::docker::{ImageBook, OwnImage};
use crate::entity::{Action, Exec};
use crate::store::{Change, NoteKey, NoteKind, Store};
use crate::sync::Current;

/// Images that are got in advance when the daemon starts.
const MOST_AT_START: usize = 128;

impl Invoker {
    /// An action has been made or changed, or is here since an earlier run: what it needs is got in
    /// the background. Neither waits nor fails.
    pub fn expect(&self, action: &Action) {
        if let Some(need) = self.inner.image_need(action)
            && let Some((engine, _)) = self.inner.engines.docker_engine()
        {
            engine.expect_image(need);
        }
    }

    /// Gets what the actions of the catalogue need, in the background.
    pub async fn expect_all(&self) {
        let inner = self.inner.clone();
        let needs = unblock(move || inner.image_needs())
            .await
            .unwrap_or_default();
        if let Some((engine, _)) = self.inner.engines.docker_engine() {
            for need in needs {
                engine.expect_image(need);
            }
        }
    }

    /// The book of the images that OWL pulls.
    pub fn image_book(&self) -> Arc<dyn ImageBook> {
        let inner = &self.inner;
        Arc::new(Book {
            store: inner.store.clone(),
            catalog: inner.catalog.clone(),
            manifest: inner.manifest.clone(),
        })
    }
}

impl Inner {
    /// The image that an action needs here, if it may run here.
    fn image_need(&self, action: &Action) -> Option<ImageNeed> {
        let is_elsewhere = matches!(Placement::of(&action.annotations), Ok(Placement::Cloud));
        if is_elsewhere || self.pool.statistics().capacity == 0 {
            return None;
        }
        match self.home(&action.exec) {
            Ok(Home::Image { name, blackbox }) => Some(ImageNeed {
                name,
                blackbox,
                pull: self.may_pull(blackbox),
            }),
            _ => None,
        }
    }

    /// Whether an image may be pulled (reference section 7.8).
    pub(super) fn may_pull(&self, blackbox: bool) -> bool {
        !blackbox || self.live().auto_pull
    }

    /// What the actions of the catalogue need, each image once.
    fn image_needs(&self) -> Vec<ImageNeed> {
        let mut seen = HashSet::new();
        let mut needs = Vec::new();
        let read = self.catalog.each_anywhere(|action: Action| {
            if needs.len() < MOST_AT_START
                && let Some(need) = self.image_need(&action)
                && seen.insert(need.name.clone())
            {
                needs.push(need);
            }
        });
        if let Err(error) = read {
            log::warn!("cannot see which images the actions need: {error}");
        }
        needs
    }
}

/// Notes in the store, and what the catalogue and the manifest say.
struct Book {
    store: Store,
    catalog: Catalog,
    manifest: Current<Arc<Manifest>>,
}

/// What is stored of an image, under its id.
#[derive(Serialize, Deserialize)]
struct Noted {
    names: Vec<String>,
    pulled: u64,
    used: u64,
}

impl Book {
    async fn write(&self, change: Change) {
        if let Err(error) = self.store.write_all(vec![change]).await {
            log::warn!("cannot note which images OWL has pulled: {error}");
        }
    }
}

impl ImageBook for Book {
    fn named(&self) -> Option<Vec<String>> {
        let manifest = self.manifest.get();
        let images = manifest.all().filter_map(|kind| kind.image.clone());
        let mut named: HashSet<String> = images.collect();
        let read = self.catalog.each_anywhere(|action: Action| {
            if let Exec::Blackbox { image, .. } = action.exec {
                named.insert(image);
            }
        });
        match read {
            Ok(()) => Some(named.into_iter().collect()),
            Err(error) => {
                log::warn!("cannot see which images the actions name, so none is removed: {error}");
                None
            }
        }
    }

    fn own(&self) -> Option<Vec<OwnImage>> {
        let mut own = Vec::new();
        let read = self
            .store
            .visit_notes(NoteKind::Image, &[], None, &mut |key, text| {
                let id = String::from_utf8(key.name().to_vec()).ok();
                if let (Some(id), Ok(noted)) = (id, serde_json::from_slice::<Noted>(text)) {
                    own.push(OwnImage {
                        id,
                        names: noted.names,
                        pulled: noted.pulled,
                        used: noted.used,
                    });
                }
                std::ops::ControlFlow::Continue(())
            });
        if let Err(error) = read {
            log::warn!("cannot see which images OWL has pulled, so none is removed: {error}");
            return None;
        }
        Some(own)
    }

    fn note(&self, image: OwnImage) -> BoxFuture<'_, ()> {
        let noted = Noted {
            names: image.names,
            pulled: image.pulled,
            used: image.used,
        };
        let text = serde_json::to_vec(&noted).expect("texts and numbers are valid JSON");
        let key = NoteKey::named(NoteKind::Image, image.id.as_bytes());
        Box::pin(self.write(Change::Note {
            key,
            text: text.into(),
        }))
    }

    fn forget(&self, id: String) -> BoxFuture<'_, ()> {
        let key = NoteKey::named(NoteKind::Image, id.as_bytes());
        Box::pin(self.write(Change::Unnote { key }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;
    use smol::block_on;

    #[test]
    fn what_was_pulled_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let image = |id: &str, used| OwnImage {
            id: id.into(),
            names: vec!["me/thing:1".into()],
            pulled: 1,
            used,
        };
        let book = || {
            let store = Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap();
            Book {
                catalog: Catalog::new(store.clone()),
                store,
                manifest: Current::new(Arc::new(Manifest::built_in())),
            }
        };
        let first = book();
        for (id, used) in [("sha256:1", 1), ("sha256:2", 2), ("sha256:1", 3)] {
            block_on(first.note(image(id, used)));
        }
        block_on(first.forget("sha256:2".into()));
        first.store.close();
        drop(first);
        let again = book();
        assert_eq!(again.own(), Some(vec![image("sha256:1", 3)]));
        let named = again.named().unwrap();
        assert!(named.contains(&"openwhisk/action-nodejs-v20:nightly".to_owned()));
    }
}
