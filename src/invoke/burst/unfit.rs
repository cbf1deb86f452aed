//! Images that lately could not be used here, so that not each invocation finds that out again. No
//! clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::placement::Reason;

/// How long it is remembered. What can be had again is tried again then.
const KEPT: Duration = Duration::from_secs(60);

/// Images that are remembered.
const MOST: usize = 64;

/// Images, and since when they are known to be of no use.
#[derive(Debug, Default)]
pub struct Unfit(HashMap<String, (Instant, Reason, String)>);

impl Unfit {
    /// Remembers that an image cannot be used, and why.
    pub fn add(&mut self, image: &str, (reason, why): (Reason, &str), now: Instant) {
        self.0.retain(|_, (since, ..)| is_recent(*since, now));
        if self.0.len() < MOST {
            self.0.insert(image.into(), (now, reason, why.into()));
        }
    }

    /// Why an image cannot be used; none if nothing is known.
    pub fn why(&self, image: &str, now: Instant) -> Option<(Reason, &str)> {
        let (since, reason, why) = self.0.get(image)?;
        is_recent(*since, now).then_some((*reason, why))
    }
}

fn is_recent(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_for_a_while() {
        let (mut unfit, now) = (Unfit::default(), Instant::now());
        unfit.add("a", (Reason::Image, "gone"), now);
        assert_eq!(unfit.why("a", now), Some((Reason::Image, "gone")));
        assert_eq!(unfit.why("b", now), None);
        assert_eq!(unfit.why("a", now + KEPT), None);
        for n in 0..MOST {
            unfit.add(&n.to_string(), (Reason::Image, ""), now);
        }
        assert_eq!(unfit.0.len(), MOST);
        unfit.add("late", (Reason::Image, ""), now + KEPT);
        assert_eq!(unfit.0.len(), 1);
    }
}
