//! A call on a tier: it is written down where it goes, sent, waited for and recorded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::answer::Record;
use super::course::Course;
use super::placement::Reason;
use super::tier::{self, Errand, Failure, Taken};
use super::{Burst, annotation};
use crate::clock::now;
use crate::engine::proxy::Bounds;
use crate::entity::{ActivationId, Response, Status, Whereabouts};
use crate::invoke::ended::ended;
use crate::invoke::execute::{Finished, Printed};
use crate::invoke::record::{Executed, Reached, Timing};
use crate::invoke::run::{Errant, Flown};
use crate::invoke::{Call, Inner, pending};
use crate::upstream::Upstream;

/// What a tier has printed, or will have: asked for when the caller has its answer.
pub struct Elsewhere {
    tier: Upstream,
    id: ActivationId,
}

impl Inner {
    /// From here on a restart must not run a call again, and knows which tier may have it.
    pub(super) async fn sets_out(&self, errant: &mut Errant<'_>, tier: &Upstream, reason: Reason) {
        errant.call.sent.to(tier.url(), reason.code());
        if errant.promised {
            self.note_sent(errant);
            errant.started = false;
            self.begin(errant).await;
        }
    }

    /// Writes down where a call is; durable with what is written next.
    fn note_sent(&self, errant: &Errant<'_>) {
        let document = pending::running(errant.call, errant.cause);
        self.store.note_running(errant.id, document);
    }

    /// Runs a call on a tier.
    ///
    /// # Errors
    /// Why it has not taken it.
    pub(super) async fn on_tier(
        &self,
        burst: &Burst,
        number: usize,
        errant: &Errant<'_>,
        course: &Course,
    ) -> Result<Finished, String> {
        let (call, tier) = (errant.call, &burst.tiers[number]);
        let path = reached_as(call);
        let waits = !errant.promised;
        let errand = self.errand(burst, call, &path, course.via(), waits);
        let begun = Instant::now();
        let taken = tier::send(tier, &errand).await;
        let answered = begun.elapsed();
        let outcome = match taken {
            Err(failure) => Err(failure),
            Ok(Taken::Ended(record)) => {
                let run = record.duration.map(Duration::from_millis);
                let way = run.map(|run| answered.saturating_sub(run));
                Ok((*record, way))
            }
            Ok(Taken::Running(id)) => {
                call.sent.taken_as(id);
                // A part of something else is in the document of that.
                if errant.cause.is_none() {
                    self.note_sent(errant);
                }
                let rest = errand.limit.saturating_sub(answered);
                let outcome = tier::outcome(tier, &errand, id, rest).await;
                outcome.map(|record| {
                    let wait = record.wait.map(Duration::from_millis);
                    let way = wait.filter(|_| !waits).map(|wait| answered + wait);
                    (record, way)
                })
            }
        };
        let reason = course.reason();
        let (id, finished) = match outcome {
            Ok((record, way)) => {
                burst.ran_there(number, call, way, &record);
                let before = begun.saturating_duration_since(errant.received);
                let id = record.id;
                (
                    Some(id),
                    self.of_record(record, errant, before + way.unwrap_or_default(), tier),
                )
            }
            Err(Failure::NotTaken(why)) => {
                log::info!(
                    "{}: {} has not taken it: {why}",
                    call.action.path(),
                    tier.url()
                );
                return Err(why);
            }
            Err(Failure::Stranger(why)) => {
                burst.tell_of_key(tier, &call.identity.namespace, &why);
                return Err(why);
            }
            Err(Failure::Unclear(why, id)) => {
                burst.failed(number);
                (id, may_have_run(call, tier.url(), &why))
            }
        };
        self.metrics.delegated.add(tier.url(), reason.code());
        let place = annotation(Some(tier.url()), reason, id);
        Ok(Finished {
            place: Some(place),
            ..finished
        })
    }

    /// Whether there is a tier, and an activation of it, that can be asked for after a restart.
    pub(in crate::invoke) fn may_ask(&self, sent: &Whereabouts<'_>) -> bool {
        sent.activation_id.is_some() && self.tier_of(sent).is_some()
    }

    fn tier_of(&self, sent: &Whereabouts<'_>) -> Option<(&Burst, &Upstream)> {
        let (burst, url) = (self.burst.as_ref()?, sent.url.as_deref()?);
        let tier = burst.tiers.iter().find(|tier| tier.url() == url)?;
        Some((burst, tier))
    }

    /// Waits for the end of an activation that an earlier run of the daemon has sent to a tier.
    pub(in crate::invoke) async fn ask(
        &self,
        flown: &Flown,
        sent: Whereabouts<'static>,
    ) -> Finished {
        let call = &flown.call;
        let place = Some(sent.annotation());
        let url = sent.url.as_deref().unwrap_or_default();
        let (Some((burst, tier)), Some(id)) = (self.tier_of(&sent), sent.activation_id) else {
            let why = "that is no tier of this gateway any more";
            return Finished {
                place,
                ..may_have_run(call, url, why)
            };
        };
        let errant = Errant {
            call,
            id: flown.id,
            cause: flown.cause,
            received: flown.received,
            promised: true,
            started: true,
        };
        let path = reached_as(call);
        let via = burst.via.onward(None).unwrap_or_default();
        let errand = self.errand(burst, call, &path, &via, false);
        let finished = match tier::outcome(tier, &errand, id, errand.limit).await {
            Ok(record) => self.of_record(record, &errant, Duration::ZERO, tier),
            Err(Failure::NotTaken(why) | Failure::Stranger(why)) => {
                // Its payload is gone: it cannot go on to the next.
                let text = format!("{url} has not run this activation: {why}.");
                let response = Response::error(Status::InternalError, &text);
                ended(Reached::Action, response)
            }
            Err(Failure::Unclear(why, _)) => may_have_run(call, url, &why),
        };
        Finished { place, ..finished }
    }

    /// What a tier is asked for a call.
    fn errand<'a>(
        &self,
        burst: &'a Burst,
        call: &'a Arc<Call>,
        path: &'a str,
        via: &'a str,
        waits: bool,
    ) -> Errand<'a> {
        let limits = &call.action.limits;
        let settings = &self.settings;
        let logs = u64::from(limits.logs) << 20;
        Errand {
            call,
            path,
            via,
            waits,
            // It may have to wait there as long as here.
            limit: Duration::from_millis(limits.timeout)
                + settings.component_grace
                + self.live().longest_wait,
            most: self.bounds(&call.identity).max + logs,
            answers: burst.answers(),
        }
    }

    /// The log of an activation that has run on a tier.
    pub(in crate::invoke) async fn printed(
        &self,
        call: &Arc<Call>,
        there: Elsewhere,
    ) -> Vec<String> {
        let Some(burst) = &self.burst else {
            return Vec::new();
        };
        let path = reached_as(call);
        let via = burst.via.onward(None).unwrap_or_default();
        let errand = self.errand(burst, call, &path, &via, true);
        tier::logs(&there.tier, &errand, there.id).await
    }

    /// What is recorded here of an activation that has run on a tier, in the time of this clock.
    /// `wait` is what it took beside the run.
    fn of_record(
        &self,
        record: Record,
        errant: &Errant<'_>,
        wait: Duration,
        tier: &Upstream,
    ) -> Finished {
        let (id, call) = (record.id, errant.call);
        let duration = record.duration.unwrap_or_else(|| {
            let all = errant.received.elapsed().saturating_sub(wait);
            all.as_millis() as u64
        });
        let end = now();
        let bounds = self.bounds(&call.identity);
        let executed = Executed {
            start: end.saturating_sub(duration),
            end,
            duration,
            reached: Reached::Run(Timing {
                wait: wait.as_millis() as u64,
                init: record.init,
                timed_out: record.timed_out,
            }),
            response: within(bounds, record.response),
        };
        let printed = match (call.action.limits.logs, record.logs.is_empty()) {
            (0, _) => Printed::Nothing,
            (_, true) => Printed::Elsewhere(Elsewhere {
                tier: tier.clone(),
                id,
            }),
            (_, false) => Printed::Lines(record.logs),
        };
        Finished {
            executed,
            printed,
            place: None,
            refusal: None,
        }
    }
}

/// The outcome of a run elsewhere, within what results of the caller may have here.
fn within(bounds: Bounds, response: Response) -> Response {
    let text = response.result.as_deref().map_or("", RawValue::get);
    let length = text.len() as u64;
    if length <= bounds.max {
        return response;
    }
    let mut kept = bounds.kept.min(bounds.max) as usize;
    while !text.is_char_boundary(kept) {
        kept -= 1;
    }
    let status = match response.status {
        Status::Success => Status::ApplicationError,
        status => status,
    };
    Response::too_long(status, length, bounds.max, &text[..kept])
}

/// What a record says of an activation that was sent to a tier, where more is not known.
pub(in crate::invoke) fn unclear(sent: &Whereabouts<'_>, why: &str) -> String {
    let url = sent.url.as_deref().unwrap_or("another OpenWhisk");
    let why = why.trim_end_matches('.');
    format!(
        "This activation was sent to {url}, and whether it has run there is not known: {why}. It \
         was not repeated."
    )
}

/// The end of such an activation.
fn may_have_run(call: &Call, url: &str, why: &str) -> Finished {
    let sent = Whereabouts {
        url: Some(url.into()),
        reason: "".into(),
        activation_id: None,
    };
    let text = unclear(&sent, why);
    log::warn!("{}: {text}", call.action.path());
    let response = Response::error(Status::InternalError, &text);
    ended(Reached::Action, response)
}

/// `ns/[package/]name` as the caller reached the action: what a binding adds is merged there.
fn reached_as(call: &Call) -> String {
    match &call.binding {
        Some(binding) => format!("{binding}/{}", call.action.name),
        None => call.action.path(),
    }
}
