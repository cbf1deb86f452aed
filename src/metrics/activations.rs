//! Activations that have ended: how many, how they ended, and where their time went.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::text::{Kind, Text};
use crate::entity::Activation;
use crate::sync::lock;

/// Actions that are told apart; further ones are counted together.
const MOST_ACTIONS: usize = 200;

/// The label of those that are counted together: no action has this path.
const OTHERS: &str = "other";

/// Outcomes as OpenWhisk's metrics call them, by their status code (reference section 2.6).
const STATUSES: [&str; 4] = [
    "success",
    "application_error",
    "action_developer_error",
    "whisk_internal_error",
];

/// Activations, counted.
#[derive(Default)]
pub struct Activations {
    by_status: [AtomicU64; STATUSES.len()],
    /// By `ns/[package/]name` of the action and status. Locked for the time of an addition only.
    by_action: Mutex<BTreeMap<Box<str>, [u64; STATUSES.len()]>>,
    wait: Histogram,
    init: Histogram,
    run: Histogram,
}

impl Activations {
    /// Counts one, which may be of an action, a sequence or a trigger.
    pub fn add(&self, activation: &Activation) {
        let status = activation.response.status as usize;
        self.by_status[status].fetch_add(1, Ordering::Relaxed);
        let annotation = |name| {
            let mut annotations = activation.annotations.iter();
            annotations.find(|(key, _)| *key == name)
        };
        if let Some((_, path)) = annotation("path") {
            // Names need no escapes.
            self.add_action(path.get().trim_matches('"'), status);
        }
        let millis = |name| annotation(name)?.1.get().parse().ok();
        // Only what ran in a sandbox has waited for one.
        let Some(wait) = millis("waitTime") else {
            return;
        };
        self.wait.add(Duration::from_millis(wait));
        let init = millis("initTime");
        if let Some(init) = init {
            self.init.add(Duration::from_millis(init));
        }
        let run = activation.duration.unwrap_or(0);
        let run = run.saturating_sub(init.unwrap_or(0));
        self.run.add(Duration::from_millis(run));
    }

    fn add_action(&self, path: &str, status: usize) {
        let mut by_action = lock(&self.by_action);
        if let Some(counts) = by_action.get_mut(path) {
            counts[status] += 1;
            return;
        }
        let path = if by_action.len() < MOST_ACTIONS {
            path
        } else {
            OTHERS
        };
        by_action.entry(path.into()).or_default()[status] += 1;
    }

    pub(super) fn write(&self, text: &mut Text) {
        let name = "owl_activations_total";
        text.family(name, Kind::Counter, "Activations that have ended.");
        for (status, count) in STATUSES.iter().zip(&self.by_status) {
            text.sample(name, &[("status", status)], count.load(Ordering::Relaxed));
        }
        let name = "owl_action_activations_total";
        text.family(
            name,
            Kind::Counter,
            "Activations that have ended, by action; beyond 200 actions under the label other.",
        );
        // A copy, so that nobody waits while the text is made.
        let by_action = lock(&self.by_action).clone();
        for (action, counts) in by_action {
            for (status, count) in STATUSES.iter().zip(counts) {
                if count > 0 {
                    text.sample(name, &[("action", &action), ("status", status)], count);
                }
            }
        }
        for (name, help, histogram) in [
            (
                "owl_activation_wait_seconds",
                "From the receipt of a request until its sandbox was ready.",
                &self.wait,
            ),
            (
                "owl_activation_init_seconds",
                "Initialisations of sandboxes: cold starts only.",
                &self.init,
            ),
            ("owl_activation_run_seconds", "Runs.", &self.run),
        ] {
            text.family(name, Kind::Histogram, help);
            histogram.write(text, name, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::entity::{ActivationId, Response, Status};

    fn activation(path: &str, status: Status, timing: &[(&'static str, u64)]) -> Activation {
        let raw = |text: String| RawValue::from_string(text).unwrap();
        let mut annotations = vec![("path", raw(format!("\"{path}\"")))];
        let timing = timing
            .iter()
            .map(|(name, millis)| (*name, raw(millis.to_string())));
        annotations.extend(timing);
        Activation {
            id: ActivationId::random(),
            namespace: "ns".into(),
            name: "a".into(),
            filter_name: "a".into(),
            subject: "ns".into(),
            version: "0.0.1".into(),
            cause: None,
            start: 0,
            end: Some(900),
            duration: Some(900),
            response: Response::error(status, "x"),
            logs: Vec::new(),
            annotations,
        }
    }

    fn page(activations: &Activations) -> String {
        let mut text = Text::default();
        activations.write(&mut text);
        text.finish()
    }

    #[test]
    fn by_outcome_and_action() {
        let activations = Activations::default();
        let cold = [("waitTime", 3), ("initTime", 100)];
        activations.add(&activation("ns/a", Status::Success, &cold));
        activations.add(&activation("ns/a", Status::Success, &[("waitTime", 1)]));
        activations.add(&activation("ns/p/b", Status::DeveloperError, &[]));
        let page = page(&activations);
        for line in [
            "owl_activations_total{status=\"success\"} 2",
            "owl_activations_total{status=\"application_error\"} 0",
            "owl_activations_total{status=\"action_developer_error\"} 1",
            "owl_activations_total{status=\"whisk_internal_error\"} 0",
            "owl_action_activations_total{action=\"ns/a\",status=\"success\"} 2",
            "owl_action_activations_total{action=\"ns/p/b\",status=\"action_developer_error\"} 1",
            "owl_activation_wait_seconds_sum 0.004",
            "owl_activation_init_seconds_count 1",
            "owl_activation_run_seconds_sum 1.7",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }

    #[test]
    fn many_actions_are_counted_together() {
        let activations = Activations::default();
        for n in 0..MOST_ACTIONS + 7 {
            activations.add(&activation(&format!("ns/{n}"), Status::Success, &[]));
        }
        activations.add(&activation("ns/0", Status::Success, &[]));
        let page = page(&activations);
        let actions = page.lines().filter(|line| line.contains("{action="));
        assert_eq!(actions.count(), MOST_ACTIONS + 1);
        assert!(page.contains("{action=\"other\",status=\"success\"} 7\n"));
        assert!(page.contains("{action=\"ns/0\",status=\"success\"} 2\n"));
    }
}
