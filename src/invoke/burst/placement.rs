//! Where an action may run, and in which order places are tried. No I/O, no clock.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::entity::Parameters;

/// The annotation by which an action says where it wants to run.
const ANNOTATION: &str = "owl-placement";

/// What the record of an activation says that has run nowhere.
pub const NOWHERE: &str = "nowhere";

/// Where an action wants to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// `edge-only`: here or not at all.
    EdgeOnly,
    /// `prefer-edge`: here; on the next tier if it cannot run here and that is switched on.
    #[default]
    PreferEdge,
    /// `any`: wherever it is likely to be done first.
    Any,
    /// `cloud`: on the farthest tier; never here.
    Cloud,
}

impl Placement {
    /// What the annotations of an action say.
    ///
    /// # Errors
    /// They say something that means nothing.
    pub fn of(annotations: &Parameters) -> Result<Self, &RawValue> {
        let Some(value) = annotations.get(ANNOTATION) else {
            return Ok(Placement::default());
        };
        match value.get() {
            r#""edge-only""# => Ok(Placement::EdgeOnly),
            r#""prefer-edge""# => Ok(Placement::PreferEdge),
            r#""any""# => Ok(Placement::Any),
            r#""cloud""# => Ok(Placement::Cloud),
            _ => Err(value),
        }
    }

    /// Whether an action that wants this may run elsewhere. `on_failure` tells whether what
    /// cannot run here goes to the next tier.
    pub const fn leads_away(self, on_failure: bool) -> bool {
        match self {
            Placement::EdgeOnly => false,
            Placement::PreferEdge => on_failure,
            Placement::Any | Placement::Cloud => true,
        }
    }

    /// The places to be tried, in order, if there are so many tiers. `predicted` tells how long it
    /// is likely to take at a place; the nearer goes first where that is the same.
    pub fn stops(
        self,
        tiers: usize,
        on_failure: bool,
        predicted: impl FnMut(&Stop) -> Duration,
    ) -> Vec<Stop> {
        let away = (0..tiers).map(Stop::Tier);
        match self {
            Placement::Cloud => away.rev().collect(),
            Placement::Any => {
                let mut stops: Vec<Stop> = [Stop::Here].into_iter().chain(away).collect();
                stops.sort_by_cached_key(predicted);
                stops
            }
            _ if self.leads_away(on_failure) => [Stop::Here].into_iter().chain(away).collect(),
            _ => vec![Stop::Here],
        }
    }
}

/// A place where an invocation may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stop {
    /// This gateway.
    Here,
    /// The tier of this number; the nearest is 0.
    Tier(usize),
}

/// Why an invocation runs where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// This gateway has no place for sandboxes.
    NoCapacity,
    /// As many as may wait for a sandbox do so already.
    QueueFull,
    /// No sandbox came free in the longest wait.
    Wait,
    /// The kind is not to be had here.
    Kind,
    /// The image is not to be had here.
    Image,
    /// The image is made for machines of another architecture.
    Architecture,
    /// The action has a limit, of memory or time, beyond those of this gateway.
    Limits,
    /// No sandbox could be started.
    Start,
    /// The action is one for the cloud.
    Cloud,
    /// It is likely to be done first there.
    Earliest,
    /// No place that was to be tried before has taken it.
    Left,
    /// It has run nowhere.
    Nowhere,
}

impl Reason {
    /// How records and metrics call it.
    pub const fn code(self) -> &'static str {
        match self {
            Reason::NoCapacity => "no-capacity",
            Reason::QueueFull => "queue-full",
            Reason::Wait => "wait",
            Reason::Kind => "kind",
            Reason::Image => "image",
            Reason::Architecture => "architecture",
            Reason::Limits => "limits",
            Reason::Start => "start",
            Reason::Cloud => "cloud",
            Reason::Earliest => "earliest",
            Reason::Left => "others-failed",
            Reason::Nowhere => NOWHERE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(annotations: &str) -> Result<Placement, String> {
        let annotations = RawValue::from_string(annotations.into()).unwrap();
        let annotations = Parameters::parse(&annotations).unwrap();
        Placement::of(&annotations).map_err(ToString::to_string)
    }

    #[test]
    fn what_annotations_say() {
        let with = |value: &str| {
            of(&format!(
                r#"[{{"key":"a","value":1}},{{"key":"owl-placement","value":{value}}}]"#
            ))
        };
        assert_eq!(of("[]"), Ok(Placement::PreferEdge));
        assert_eq!(with(r#""prefer-edge""#), Ok(Placement::PreferEdge));
        assert_eq!(with(r#""edge-only""#), Ok(Placement::EdgeOnly));
        assert_eq!(with(r#""any""#), Ok(Placement::Any));
        assert_eq!(with(r#" "cloud" "#), Ok(Placement::Cloud));
        assert_eq!(with(r#""Cloud""#), Err(r#""Cloud""#.into()));
        assert_eq!(with("true"), Err("true".into()));
    }

    #[test]
    fn what_is_tried() {
        use Placement::{Any, Cloud, EdgeOnly, PreferEdge};
        let here = Stop::Here;
        let [near, far] = [Stop::Tier(0), Stop::Tier(1)];
        for (placement, on_failure, expected) in [
            (EdgeOnly, true, vec![here]),
            (PreferEdge, false, vec![here]),
            (PreferEdge, true, vec![here, near, far]),
            (Any, false, vec![near, here, far]),
            (Cloud, false, vec![far, near]),
            (Cloud, true, vec![far, near]),
        ] {
            let predicted = |stop: &Stop| {
                let millis = match stop {
                    Stop::Here => 20,
                    Stop::Tier(0) => 10,
                    Stop::Tier(_) => 30,
                };
                Duration::from_millis(millis)
            };
            let stops = placement.stops(2, on_failure, predicted);
            assert_eq!(stops, expected, "{placement:?} {on_failure}");
            let leads_away = placement.leads_away(on_failure);
            assert_eq!(leads_away, stops != [here], "{placement:?} {on_failure}");
        }
        let same = Any.stops(2, false, |_| Duration::ZERO);
        assert_eq!(same, [here, near, far]);
    }
}
