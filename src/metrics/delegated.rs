//! Invocations that ran on other OpenWhisks.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::text::{Kind, Text};
use crate::sync::lock;

/// Invocations by the URL of the tier and the reason: as many as there are tiers and reasons.
#[derive(Default)]
pub struct Delegated(Mutex<BTreeMap<(Box<str>, &'static str), u64>>);

impl Delegated {
    /// Counts one that a tier has taken, or may have taken.
    pub fn add(&self, tier: &str, reason: &'static str) {
        *lock(&self.0).entry((tier.into(), reason)).or_default() += 1;
    }

    pub(super) fn write(&self, text: &mut Text) {
        let counts = lock(&self.0);
        if counts.is_empty() {
            return;
        }
        let name = "owl_delegated_total";
        let help = "Invocations that ran on another OpenWhisk, by its URL and the reason.";
        text.family(name, Kind::Counter, help);
        for ((tier, reason), count) in &*counts {
            text.sample(name, &[("tier", tier), ("reason", reason)], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_tier_and_reason() {
        let delegated = Delegated::default();
        let page = || {
            let mut text = Text::default();
            delegated.write(&mut text);
            text.finish()
        };
        assert_eq!(page(), "");
        for reason in ["wait", "kind", "wait"] {
            delegated.add("http://near", reason);
        }
        let page = page();
        for line in [
            "owl_delegated_total{tier=\"http://near\",reason=\"wait\"} 2",
            "owl_delegated_total{tier=\"http://near\",reason=\"kind\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }
}
