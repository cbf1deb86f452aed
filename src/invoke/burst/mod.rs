//! Bursting: what cannot run here, or does better elsewhere, runs on another OpenWhisk, a tier.
//!
//! `placement` says in which order places are tried, with the help of `estimates`; `course` takes
//! an invocation from one to the next; `away` has it run on one of them, `tier` is the call to
//! another OpenWhisk and `answer` what it says. A tier that has not taken an invocation is followed by the next; one that may have taken
//! it is the last, so that nothing runs twice.

mod answer;
mod away;
mod course;
mod estimates;
mod placement;
mod sent;
mod tier;
mod unfit;

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

pub(super) use away::{Elsewhere, unclear};
pub(super) use course::Place;
pub(super) use placement::{Placement, Reason};
pub(super) use sent::Sent;

use super::Call;
use super::budget::Budget;
use super::record::{Executed, Reached};
use crate::entity::{Action, ActivationId, Exec, Response, Status, Whereabouts};
use crate::pool::Outlook;
use crate::sync::lock;
use crate::upstream::{Upstream, Via};
use estimates::{Estimates, Subject, Took};
use placement::Stop;
use unfit::Unfit;

/// What the log is told of once, and no more than so many.
const MOST_TOLD: usize = 100;

/// Bytes of large answers of tiers, and of what is read of them, that there may be at a time.
const MOST_ANSWERS: u64 = 32 << 20;

/// The OpenWhisks that take over what cannot run here.
pub struct Tiers {
    /// Them, the nearest first.
    pub upstreams: Vec<Upstream>,
    /// How this gateway marks what it sends on.
    pub via: Via,
    /// Whether what cannot run here goes to them if its action says nothing.
    pub on_failure: bool,
}

/// What decides where invocations run.
pub(super) struct Burst {
    tiers: Vec<Upstream>,
    via: Via,
    on_failure: bool,
    estimates: Mutex<Estimates>,
    unfit: Mutex<Unfit>,
    /// What the log has: actions whose placement means nothing, and tiers that do not know a key.
    told: Mutex<HashSet<String>>,
    /// What answers of tiers may hold.
    answers: Budget,
}

impl Burst {
    /// With these tiers; none if there are none.
    pub(super) fn new(tiers: Tiers) -> Option<Self> {
        (!tiers.upstreams.is_empty()).then(|| Burst {
            tiers: tiers.upstreams,
            via: tiers.via,
            on_failure: tiers.on_failure,
            estimates: Mutex::default(),
            unfit: Mutex::default(),
            told: Mutex::default(),
            answers: Budget::new(MOST_ANSWERS),
        })
    }

    /// Whether an action of this gateway may run elsewhere.
    pub(super) fn leads_away(&self, action: &Action) -> bool {
        self.placement(action).leads_away(self.on_failure)
    }

    /// Whether what says nothing goes elsewhere if it cannot run here.
    pub(super) const fn is_on_failure(&self) -> bool {
        self.on_failure
    }

    /// Where an action wants to run. The conductor of a composition stays where the composition is:
    /// another OpenWhisk would begin one of its own.
    fn placement(&self, action: &Action) -> Placement {
        if action.annotations.is_truthy("conductor") == Some(true) {
            return Placement::EdgeOnly;
        }
        Placement::of(&action.annotations).unwrap_or_else(|value| {
            self.tell(action, value);
            Placement::default()
        })
    }

    /// Tells, once for each action, that what it says of its place means nothing.
    fn tell(&self, action: &Action, value: &RawValue) {
        let path = action.path();
        if self.is_news(&path) {
            let value: String = value.get().chars().take(40).collect();
            log::warn!(
                "{path}: owl-placement is {value}, not one of edge-only, prefer-edge, any, cloud: \
                 it counts as prefer-edge"
            );
        }
    }

    /// Tells, once for each namespace, that a tier does not take its key.
    fn tell_of_key(&self, tier: &Upstream, namespace: &str, why: &str) {
        if self.is_news(&format!("{} {namespace}", tier.url())) {
            log::warn!(
                "{} does not take over what {namespace} invokes: {why}. A tier is asked with the \
                 caller's own key, which it has to know as that of the same namespace",
                tier.url()
            );
        }
    }

    fn is_news(&self, subject: &str) -> bool {
        let mut told = lock(&self.told);
        told.len() < MOST_TOLD && told.insert(subject.to_owned())
    }

    /// What large answers of tiers may hold.
    pub(super) const fn answers(&self) -> &Budget {
        &self.answers
    }

    /// The places to be tried for an action, in order.
    fn stops(
        &self,
        placement: Placement,
        action: &Action,
        outlook: impl FnOnce() -> Outlook,
    ) -> Vec<Stop> {
        let (tiers, on_failure) = (self.tiers.len(), self.on_failure);
        if placement != Placement::Any {
            return placement.stops(tiers, on_failure, |_| Duration::ZERO);
        }
        let (path, outlook, now) = (action.path(), outlook(), Instant::now());
        let subject = subject(action, &path);
        let mut estimates = lock(&self.estimates);
        let stops = placement.stops(tiers, on_failure, |stop| match stop {
            Stop::Tier(tier) if self.tiers[*tier].is_down() => Duration::MAX,
            stop => estimates.predict(*stop, subject, outlook, now),
        });
        if let Some(first) = stops.first() {
            estimates.tried(*first, subject, now);
        }
        stops
    }

    /// A request has waited for a sandbox here, with so many before it.
    pub(super) fn waited(&self, before: usize, wait: Duration) {
        lock(&self.estimates).waited(before, wait, Instant::now());
    }

    /// Learns from an activation that has run here. `took` is all of its time in its sandbox, and
    /// the sandbox's start, if it was not warm.
    pub(super) fn ran_here(&self, call: &Call, took: Option<Duration>, executed: &Executed) {
        let Reached::Run(timing) = &executed.reached else {
            return;
        };
        // Warm runs only matter to those who choose by them.
        if took.is_none() && self.placement(&call.action) != Placement::Any {
            return;
        }
        let run = executed.duration.saturating_sub(timing.init.unwrap_or(0));
        let run = Duration::from_millis(run);
        let took = Took {
            cold: took.map(|took| took.saturating_sub(run)),
            run,
            failed: has_failed(&executed.response),
        };
        self.learn(Stop::Here, &call.action, took);
    }

    /// Learns from an activation that has run on a tier. `way` is what it took beside the run, if
    /// that is known.
    fn ran_there(&self, tier: usize, call: &Call, way: Option<Duration>, record: &answer::Record) {
        if let Some(way) = way {
            lock(&self.estimates).travelled(tier, way, Instant::now());
        }
        let Some(duration) = record.duration else {
            return;
        };
        let init = record.init.map(Duration::from_millis);
        let duration = Duration::from_millis(duration);
        let run = duration.saturating_sub(init.unwrap_or_default());
        let took = Took {
            cold: init,
            run,
            failed: has_failed(&record.response),
        };
        self.learn(Stop::Tier(tier), &call.action, took);
    }

    fn learn(&self, at: Stop, action: &Action, took: Took) {
        let path = action.path();
        lock(&self.estimates).took(at, subject(action, &path), took, Instant::now());
    }

    /// A tier has not taken an invocation.
    fn failed(&self, tier: usize) {
        lock(&self.estimates).failed(tier, Instant::now());
    }

    /// An image cannot be used here for now.
    fn is_unfit(&self, image: &str, reason: Reason, why: &str) {
        lock(&self.unfit).add(image, (reason, why), Instant::now());
    }

    /// Why an image cannot be used here; none if it may be tried.
    fn unfit(&self, image: &str) -> Option<(Reason, String)> {
        let unfit = lock(&self.unfit);
        let (reason, why) = unfit.why(image, Instant::now())?;
        Some((reason, why.into()))
    }
}

/// Whether a run has come to no result of the action's own.
fn has_failed(response: &Response) -> bool {
    matches!(
        response.status,
        Status::DeveloperError | Status::InternalError
    )
}

fn subject<'a>(action: &'a Action, path: &'a str) -> Subject<'a> {
    let kind = match &action.exec {
        // Images are started as differently as kinds.
        Exec::Blackbox { image, .. } => image,
        exec => exec.kind(),
    };
    Subject { action: path, kind }
}

/// The annotation of an activation that was to run here or there: without a URL it was here.
fn annotation(
    url: Option<&str>,
    reason: Reason,
    id: Option<ActivationId>,
) -> (&'static str, Box<RawValue>) {
    Whereabouts {
        url: url.map(Into::into),
        reason: reason.code().into(),
        activation_id: id,
    }
    .annotation()
}
