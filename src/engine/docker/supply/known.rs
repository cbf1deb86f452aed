//! What is remembered of images, so that a cold start does not ask for it. No I/O, no clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::engine::Mismatch;
use crate::entity::ImageName;

/// Entries of each kind. Beyond that all are forgotten, which costs some questions.
const MOST: usize = 256;

/// How long an image stays unfit after it did not run: emulation may come meanwhile.
const UNFIT: Duration = Duration::from_secs(60);

/// How long a pull counts as the last word of a registry, so that a cold start does not repeat
/// what has been done in advance for it.
const FRESH: Duration = Duration::from_secs(60);

/// How long a registry that could not be reached is left in peace, if there is an image to use
/// instead. Finding out may take 20 s of DNS time-outs, before each start.
const REST: Duration = Duration::from_secs(300);

/// The image that a name has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine::docker) struct Choice {
    /// The name that the engine knows it by.
    pub(in crate::engine::docker) reference: String,
    /// Its id.
    pub(in crate::engine::docker) id: String,
    /// The id that containers of it tell, once one has: some engines have two for one image.
    pub(in crate::engine::docker) told: Option<String>,
    /// How it differs from what the engine's machine runs by itself, if it does.
    pub(in crate::engine::docker) mismatch: Option<Mismatch>,
}

impl Choice {
    /// Whether a container that tells this id is one of this image.
    pub(in crate::engine::docker) fn is_of(&self, told: &str) -> bool {
        told == self.told.as_deref().unwrap_or(&self.id)
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By the name that an action or the manifest has.
    choices: HashMap<String, Choice>,
    /// Images that did not run, by id.
    unfit: HashMap<String, Instant>,
    /// Names that were pulled.
    pulled: HashMap<String, Instant>,
    /// Registries that could not be reached.
    away: HashMap<String, Instant>,
}

impl Known {
    /// What a name has led to.
    pub(super) fn choice(&self, name: &str) -> Option<&Choice> {
        self.choices.get(name)
    }

    /// A name leads to an image.
    pub(super) fn choose(&mut self, name: &str, choice: Choice) {
        put(&mut self.choices, name, choice);
    }

    /// What a name has led to is not there any more.
    pub(super) fn forget(&mut self, name: &str) {
        self.choices.remove(name);
    }

    /// An image does not run here. All names that have led to it are looked up again.
    pub(super) fn does_not_run(&mut self, id: &str, now: Instant) {
        put(&mut self.unfit, id, now);
        self.choices.retain(|_, choice| choice.id != id);
    }

    /// Whether an image did not run, lately.
    pub(super) fn is_unfit(&self, id: &str, now: Instant) -> bool {
        is_within(self.unfit.get(id), UNFIT, now)
    }

    /// What came of a pull: whether the registry could be reached, and had it.
    pub(super) fn asked(&mut self, name: &str, had_it: bool, was_away: bool, now: Instant) {
        if had_it {
            put(&mut self.pulled, name, now);
        }
        match was_away {
            true => put(&mut self.away, &registry(name), now),
            false => _ = self.away.remove(&registry(name)),
        }
    }

    /// Whether a name need not be pulled again, if it is there.
    pub(super) fn is_fresh(&self, name: &str, now: Instant) -> bool {
        is_within(self.pulled.get(name), FRESH, now) || self.is_away(name, now)
    }

    /// Whether the registry of a name could not be reached, lately.
    pub(super) fn is_away(&self, name: &str, now: Instant) -> bool {
        is_within(self.away.get(&registry(name)), REST, now)
    }
}

/// The registry of a name; empty for the one that all share.
pub(super) fn registry(name: &str) -> String {
    let parsed: Option<ImageName> = name.parse().ok();
    let registry = parsed.as_ref().and_then(|name| name.registry_and_path().0);
    registry.unwrap_or_default().to_owned()
}

fn is_within(since: Option<&Instant>, period: Duration, now: Instant) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(*since) < period)
}

fn put<V>(map: &mut HashMap<String, V>, key: &str, value: V) {
    if map.len() >= MOST && !map.contains_key(key) {
        map.clear();
    }
    map.insert(key.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(id: &str) -> Choice {
        Choice {
            reference: "me/thing-arm64".into(),
            id: id.into(),
            told: None,
            mismatch: None,
        }
    }

    #[test]
    fn images_with_two_ids() {
        let mut one = choice("1");
        assert!(one.is_of("1") && !one.is_of("2"));
        one.told = Some("2".into());
        assert!(one.is_of("2") && !one.is_of("1"));
    }

    #[test]
    fn what_did_not_run_is_looked_up_again_and_tried_after_a_while() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.choose("a", choice("1"));
        known.choose("b", choice("2"));
        known.does_not_run("1", now);
        assert_eq!(
            (known.choice("a"), known.choice("b")),
            (None, Some(&choice("2")))
        );
        assert!(known.is_unfit("1", now) && !known.is_unfit("2", now));
        assert!(!known.is_unfit("1", now + UNFIT));
        known.forget("b");
        assert_eq!(known.choice("b"), None);
    }

    #[test]
    fn registries_rest_one_by_one() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.asked("r.io:1/a", false, true, now);
        assert!(known.is_away("r.io:1/b", now) && known.is_fresh("r.io:1/a", now));
        assert!(!known.is_away("b", now) && !known.is_away("r.io:2/a", now));
        assert!(!known.is_away("r.io:1/a", now + REST));
        // One that says no is there.
        known.asked("r.io:1/b", false, false, now);
        assert!(!known.is_away("r.io:1/a", now) && !known.is_fresh("r.io:1/b", now));
        known.asked("b", true, false, now);
        assert!(known.is_fresh("b", now) && !known.is_fresh("b", now + FRESH));
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut known = Known::default();
        for number in 0..MOST * 3 {
            known.choose(&number.to_string(), choice("1"));
            known.asked(&format!("r.io:{number}/a"), true, true, Instant::now());
        }
        assert!(known.choices.len() <= MOST && known.pulled.len() <= MOST);
        assert!(known.away.len() <= MOST);
        assert!(known.choice(&(MOST * 3 - 1).to_string()).is_some());
    }
}
