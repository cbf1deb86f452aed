//! Which images are let go. No I/O, no clock.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::book::OwnImage;
use super::naming::familiar;
use crate::clock::age;

/// How long images are kept that nobody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// How long one stays that nobody uses; none: for ever.
    pub age: Option<Duration>,
    /// Bytes that are to stay free on the engine's disk; 0 for any.
    pub free: u64,
}

impl Default for Keeping {
    /// 30 days, and 512 MiB.
    fn default() -> Self {
        Keeping {
            age: Some(Duration::from_secs(30 * 86_400)),
            free: 512 << 20,
        }
    }
}

/// What there is on the engine, and who needs it.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Names (`name:tag`) of the images, by their ids.
    pub(super) names: HashMap<String, Vec<String>>,
    /// Ids of images that containers have, running or not.
    pub(super) in_use: HashSet<String>,
    /// What the catalogue and the manifest name, as the engine shows it.
    pub(super) named: HashSet<String>,
}

/// What becomes of an image that OWL has pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Somebody needs it.
    Stays,
    /// It is gone, or somebody else has made it theirs by a name of their own.
    Forgotten,
    /// Nobody needs it.
    Unused,
}

/// What becomes of an image.
pub(super) fn fate(image: &OwnImage, view: &View) -> Fate {
    let Some(names) = view.names.get(&image.id) else {
        return Fate::Forgotten;
    };
    let own: HashSet<String> = image.names.iter().map(|name| familiar(name)).collect();
    let mut names = names.iter().map(|name| familiar(name));
    if names.clone().any(|name| !own.contains(&name)) {
        return Fate::Forgotten;
    }
    // One that was pulled by its digest has no name on the engine. Of the others only those count
    // that it still has: a newer image may have got them.
    let mut digests = own.iter().filter(|name| name.contains('@'));
    let is_named = names.any(|name| view.named.contains(&name))
        || digests.any(|name| view.named.contains(name));
    if is_named || view.in_use.contains(&image.id) {
        Fate::Stays
    } else {
        Fate::Unused
    }
}

/// The images that nobody needs, the least recently used first, and whether each has been so for
/// longer than it may be.
pub(super) fn unused<'a>(
    images: impl IntoIterator<Item = &'a OwnImage>,
    view: &View,
    keeping: Keeping,
    now: u64,
) -> Vec<(&'a OwnImage, bool)> {
    let mut unused: Vec<_> = images
        .into_iter()
        .filter(|image| fate(image, view) == Fate::Unused)
        .map(|image| {
            let unused_for = age(image.used, now).map(Duration::from_millis);
            let is_old = matches!((unused_for, keeping.age), (Some(age), Some(most)) if age > most);
            (image, is_old)
        })
        .collect();
    unused.sort_by_key(|(image, _)| image.used);
    unused
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;
    const NOW: u64 = crate::clock::EARLIEST + 400 * DAY;

    fn own(id: &str, name: &str, days: u64) -> OwnImage {
        OwnImage {
            id: id.into(),
            names: vec![name.into()],
            pulled: NOW - 300 * DAY,
            used: NOW - days * DAY,
        }
    }

    fn view(images: &[(&str, &[&str])]) -> View {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        View {
            names: images
                .iter()
                .map(|(id, tags)| ((*id).to_owned(), names(tags)))
                .collect(),
            ..View::default()
        }
    }

    #[test]
    fn only_what_nobody_needs_is_unused() {
        let image = own("1", "me/thing", 90);
        let mut there = view(&[("1", &["me/thing:latest"])]);
        assert_eq!(fate(&image, &there), Fate::Unused);
        there.in_use.insert("1".into());
        assert_eq!(fate(&image, &there), Fate::Stays);
        there.in_use.clear();
        there.named.insert("me/thing:latest".into());
        assert_eq!(fate(&image, &there), Fate::Stays);
        there.named = ["me/thing:other".into()].into();
        assert_eq!(fate(&image, &there), Fate::Unused);
        // It is gone, or has got a name from somebody else.
        assert_eq!(fate(&image, &view(&[])), Fate::Forgotten);
        let tagged = view(&[("1", &["me/thing:latest", "mine:1"])]);
        assert_eq!(fate(&image, &tagged), Fate::Forgotten);
    }

    #[test]
    fn a_newer_image_takes_the_name_and_with_it_the_need() {
        let (old, new) = (own("1", "me/thing", 2), own("2", "me/thing", 1));
        let mut there = view(&[("1", &[]), ("2", &["docker.io/me/thing:latest"])]);
        there.named.insert("me/thing:latest".into());
        assert_eq!(fate(&old, &there), Fate::Unused);
        assert_eq!(fate(&new, &there), Fate::Stays);
        // By a digest it is named for ever.
        let digest = format!("me/thing@sha256:{}", "0a".repeat(32));
        let by_digest = own("1", &digest, 90);
        assert_eq!(fate(&by_digest, &there), Fate::Unused);
        there.named.insert(digest);
        assert_eq!(fate(&by_digest, &there), Fate::Stays);
    }

    #[test]
    fn the_least_recently_used_go_first_and_old_ones_in_any_case() {
        let images = [own("1", "a", 10), own("2", "b", 40), own("3", "c", 20)];
        let there = view(&[
            ("1", &["a:latest"]),
            ("2", &["b:latest"]),
            ("3", &["c:latest"]),
        ]);
        let order = |keeping: Keeping, now| {
            let unused = unused(&images, &there, keeping, now);
            let shown = unused.iter().map(|(image, old)| (&*image.id, *old));
            shown
                .map(|(id, old)| format!("{id}{}", if old { "!" } else { "" }))
                .collect()
        };
        let order = |keeping, now| -> Vec<String> { order(keeping, now) };
        assert_eq!(order(Keeping::default(), NOW), ["2!", "3", "1"]);
        let for_ever = Keeping { age: None, free: 0 };
        assert_eq!(order(for_ever, NOW), ["2", "3", "1"]);
        // A clock that was set back says nothing of anybody's age.
        assert_eq!(order(Keeping::default(), NOW - 399 * DAY), ["2", "3", "1"]);
    }
}
