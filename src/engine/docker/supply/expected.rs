//! Images that are got in advance, in the background: when an action is made that needs one, and
//! when the daemon starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smol::Timer;

use super::Supply;
use crate::engine::{ImageNeed, StartError};
use crate::sync::lock;

/// Images that are expected at a time. More are got when a sandbox needs them.
const MOST: usize = 128;

/// Images that are remembered because they could not be got.
const MOST_FAILED: usize = 64;

/// Pause before the first new attempt; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(30);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// New attempts: some 12 hours of them.
const ATTEMPTS: u32 = 18;

/// An image that could not be got in advance, for people.
#[derive(Clone, Debug)]
pub struct FailedImage {
    /// The image, as the action or the manifest names it.
    pub image: String,
    /// Why.
    pub reason: String,
    /// When that was found.
    pub since: Instant,
    /// Whether it is tried again by itself; else when a sandbox needs it, or an action with it is
    /// made.
    pub is_tried_again: bool,
}

/// The images that are expected.
#[derive(Debug, Default)]
pub(super) struct Expected {
    names: BTreeSet<String>,
    failed: BTreeMap<String, FailedImage>,
}

impl Expected {
    /// Whether somebody is to see to an image: not if somebody does, or if there are too many.
    fn begin(&mut self, name: &str) -> bool {
        self.names.len() < MOST && self.names.insert(name.to_owned())
    }

    fn end(&mut self, name: &str) {
        self.names.remove(name);
    }

    fn failed_now(&mut self, failure: FailedImage) {
        if self.failed.len() < MOST_FAILED || self.failed.contains_key(&failure.image) {
            self.failed.insert(failure.image.clone(), failure);
        }
    }

    fn came(&mut self, name: &str) {
        self.failed.remove(name);
    }

    /// What could not be got, in the order of the names.
    pub(super) fn failed(&self) -> Vec<FailedImage> {
        self.failed.values().cloned().collect()
    }
}

/// How long to wait before a new attempt; none if there is no sense in one. `is_away` tells whether
/// the registry could not be reached.
fn pause(error: &StartError, is_away: bool, attempt: u32) -> Option<Duration> {
    let passes = match error {
        StartError::Unavailable(_) => true,
        StartError::Pull { .. } | StartError::Missing(_) => is_away,
        StartError::Foreign { .. } | StartError::NotExecutable { .. } | StartError::Failed(_) => {
            false
        }
    };
    let longer = 2_u32.saturating_pow(attempt);
    (passes && attempt < ATTEMPTS).then(|| PAUSE.saturating_mul(longer).min(LONGEST_PAUSE))
}

impl Supply {
    /// Sees to it in the background that an image is there and fits the engine's machine. Neither
    /// waits nor fails: what goes wrong is told in the log, once.
    pub(in crate::engine::docker) fn expect(self: &Arc<Self>, need: ImageNeed) {
        self.look_if_due();
        if !lock(&self.expected).begin(&need.name) {
            return;
        }
        let supply = self.clone();
        let get = async move {
            supply.get(&need).await;
            lock(&supply.expected).end(&need.name);
        };
        self.client.executor().spawn(get).detach();
    }

    async fn get(self: &Arc<Self>, need: &ImageNeed) {
        for attempt in 0.. {
            let got = {
                let _turn = self.in_advance.acquire().await;
                self.image(need).await
            };
            let error = match got {
                Ok(_) => {
                    lock(&self.expected).came(&need.name);
                    if attempt > 0 {
                        log::info!("image {} is there now", need.name);
                    }
                    return;
                }
                Err(error) => error,
            };
            let is_away = lock(&self.known).is_away(&need.name, Instant::now());
            let pause = pause(&error, is_away, attempt);
            let outlook = match pause {
                Some(_) => "it is tried again",
                None => "it is tried again when it is needed",
            };
            match attempt {
                0 => log::warn!("image {}: {error}; {outlook}", need.name),
                _ => log::debug!("image {}: {error}; {outlook}", need.name),
            }
            lock(&self.expected).failed_now(FailedImage {
                image: need.name.clone(),
                reason: error.to_string(),
                since: Instant::now(),
                is_tried_again: pause.is_some(),
            });
            match pause {
                Some(pause) => Timer::after(pause).await,
                None => return,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again_and_later_each_time() {
        let away = StartError::Unavailable("no engine".into());
        let pull = StartError::Pull {
            image: "a".into(),
            reason: "x".into(),
        };
        assert_eq!(pause(&away, false, 0), Some(PAUSE));
        assert_eq!(pause(&pull, true, 2), Some(PAUSE * 4));
        assert_eq!(pause(&pull, true, 17), Some(LONGEST_PAUSE));
        assert_eq!(pause(&pull, true, ATTEMPTS), None);
        assert_eq!(pause(&pull, false, 0), None);
        let missing = StartError::Missing("x".into());
        assert_eq!(pause(&missing, false, 0), None);
        assert_eq!(pause(&missing, true, 0), Some(PAUSE));
        assert_eq!(pause(&StartError::Failed("x".into()), true, 0), None);
    }

    #[test]
    fn one_sees_to_an_image_and_not_to_too_many() {
        let mut expected = Expected::default();
        assert!(expected.begin("a") && !expected.begin("a"));
        expected.end("a");
        for number in 0..MOST {
            assert!(expected.begin(&number.to_string()));
        }
        assert!(!expected.begin("a"));
        let failure = |image: String| FailedImage {
            image,
            reason: String::new(),
            since: Instant::now(),
            is_tried_again: false,
        };
        for number in 0..MOST_FAILED * 2 {
            expected.failed_now(failure(number.to_string()));
        }
        assert_eq!(expected.failed().len(), MOST_FAILED);
        expected.came("0");
        assert_eq!(expected.failed().len(), MOST_FAILED - 1);
    }
}
