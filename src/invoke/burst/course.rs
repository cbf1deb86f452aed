//! An invocation on its way from place to place, until one has run it.

use super::placement::{Placement, Reason, Stop};
use super::{Burst, annotation};
use crate::entity::Status;
use crate::invoke::choice::Home;
use crate::invoke::ended::Unable;
use crate::invoke::execute::Finished;
use crate::invoke::record::Reached;
use crate::invoke::run::{Errant, Ran};
use crate::invoke::{Call, Inner, InvokeError, admission};
use crate::pool::{Outlook, Refusal, Wait};
use crate::upstream::Upstream;

/// Where an activation begins.
pub enum Place {
    /// In the pool, which it has asked.
    Pool(Wait),
    /// On its way.
    Course(Box<Course>),
}

/// The places that are still to be tried, and what came of the others.
pub struct Course {
    stops: std::vec::IntoIter<Stop>,
    /// What it has got of the pool, where that comes next.
    wait: Option<Wait>,
    /// Why it runs where it comes next.
    reason: Reason,
    /// The OWLs that it has come through, with this one.
    via: String,
    /// Why it did not run here.
    unable: Option<Unable>,
    /// Why it did not run elsewhere.
    others: Vec<String>,
}

impl Course {
    fn new(stops: Vec<Stop>, reason: Reason, via: String) -> Self {
        Course {
            stops: stops.into_iter(),
            wait: None,
            reason,
            via,
            unable: None,
            others: Vec::new(),
        }
    }

    /// The OWLs that it has come through, with this one.
    pub fn via(&self) -> &str {
        &self.via
    }

    /// Why it runs where it comes next.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// It does not run here.
    fn leave(&mut self, unable: Unable) {
        self.reason = unable.reason;
        self.unable = Some(unable);
    }

    /// It does not run there.
    fn go_on(&mut self, tier: &Upstream, why: &str) {
        let why = why.trim_end_matches('.');
        let text = format!("{} does not take it over: {why}.", tier.url());
        self.others.push(text);
    }

    /// All the reasons why it runs nowhere.
    fn give_up(self) -> Unable {
        let mut unable = self.unable.unwrap_or_else(|| Unable {
            reason: self.reason,
            status: Status::InternalError,
            message: "The action is not one to run on this gateway (owl-placement).".into(),
        });
        for other in self.others {
            unable.message.push(' ');
            unable.message.push_str(&other);
        }
        unable
    }
}

impl Inner {
    /// Finds where a call begins.
    ///
    /// # Errors
    /// No place takes it now, and why.
    pub(in crate::invoke) fn place(&self, call: &Call) -> Result<Place, InvokeError> {
        let Some(burst) = &self.burst else {
            return Ok(Place::Pool(self.request_here(call)?));
        };
        let placement = burst.placement(&call.action);
        if !placement.leads_away(burst.on_failure) {
            // A kind that is not here was let in because there are tiers.
            if let Err(unable) = self.home_here(call) {
                return Err(unable.into());
            }
            return Ok(Place::Pool(self.request_here(call)?));
        }
        let mut course = match placement {
            // Most run here, at no cost.
            Placement::PreferEdge | Placement::EdgeOnly => match self.ask_pool(burst, call) {
                Ok(wait) => return Ok(Place::Pool(wait)),
                Err(unable) => self.course_from_here(burst, call, unable),
            },
            Placement::Any | Placement::Cloud => self.course(burst, call, placement),
        };
        // What is known beforehand is told at once.
        loop {
            match course.stops.as_slice().first() {
                None => return Err(course.give_up().into()),
                Some(Stop::Here) => match self.ask_pool(burst, call) {
                    Ok(wait) => {
                        course.wait = Some(wait);
                        return Ok(Place::Course(course));
                    }
                    Err(unable) => course.leave(unable),
                },
                Some(Stop::Tier(tier)) => {
                    let tier = &burst.tiers[*tier];
                    if !tier.is_down() {
                        return Ok(Place::Course(course));
                    }
                    course.go_on(tier, "it is out of reach");
                }
            }
            course.stops.next();
        }
    }

    /// The course of a call whose action chooses.
    fn course(&self, burst: &Burst, call: &Call, placement: Placement) -> Box<Course> {
        let reason = match placement {
            Placement::Cloud => Reason::Cloud,
            _ => Reason::Earliest,
        };
        let mut stops = burst.stops(placement, &call.action, || match self.unfit(burst, call) {
            None => self.pool.outlook(&Self::key(call), &self.needs(call)),
            Some(_) => Outlook::Refused,
        });
        let (via, looped) = onward(burst, call);
        if looped.is_some() {
            stops.retain(|stop| *stop == Stop::Here);
        }
        let mut course = Course::new(stops, reason, via);
        course.others.extend(looped);
        course.into()
    }

    /// The course of a call that cannot run here.
    fn course_from_here(&self, burst: &Burst, call: &Call, unable: Unable) -> Box<Course> {
        let mut course = self.course(burst, call, Placement::PreferEdge);
        // The first is here.
        course.stops.next();
        course.leave(unable);
        course
    }

    /// Asks the pool, if what the action needs can be had here.
    fn ask_pool(&self, burst: &Burst, call: &Call) -> Result<Wait, Unable> {
        match self.unfit(burst, call) {
            Some(unable) => Err(unable),
            None => self.request_here(call),
        }
    }

    /// Asks the pool. Of two limits that an action is beyond, the one of all actions is told.
    fn request_here(&self, call: &Call) -> Result<Wait, Unable> {
        self.request(call).map_err(|refusal| {
            let too_large = matches!(refusal, Refusal::TooLarge { .. });
            let beyond = too_large.then(|| self.beyond(call)).flatten();
            beyond.unwrap_or_else(|| refusal.into())
        })
    }

    /// Why an action is one that this gateway does not run at all; none if it does.
    fn beyond(&self, call: &Call) -> Option<Unable> {
        let beyond = self.settings.actions.check(&call.action.limits).err()?;
        Some(Unable {
            reason: Reason::Limits,
            status: Status::ApplicationError,
            message: format!("This gateway does not run the action: {beyond}."),
        })
    }

    /// Why what an action needs is not to be had here; none if it may be tried. Limits that its
    /// namespace has here are none of that: what they forbid, nobody is asked to do instead.
    fn unfit(&self, burst: &Burst, call: &Call) -> Option<Unable> {
        if let Some(unable) = self.beyond(call) {
            return Some(unable);
        }
        match self.home_here(call) {
            Err(unable) => Some(unable),
            Ok(home) => {
                let (reason, why) = burst.unfit(home.image()?)?;
                Some(Unable::unprovided(reason, why))
            }
        }
    }

    /// What an action runs in here.
    ///
    /// # Errors
    /// Its kind is not to be had here.
    fn home_here(&self, call: &Call) -> Result<Home, Unable> {
        let exec = &call.action.exec;
        let unable = |message| Unable::unprovided(Reason::Kind, message);
        let home = self.home(exec).map_err(unable)?;
        match admission::supported(&self.manifest.get(), exec) {
            Ok(()) => Ok(home),
            Err(refused) => Err(unable(refused.to_string())),
        }
    }

    /// Runs a call in the pool, or wherever its course leads it from there. None as for
    /// [`Ran::Left`].
    pub(in crate::invoke) async fn anywhere(
        &self,
        mut errant: Errant<'_>,
        place: Option<Place>,
    ) -> Option<Finished> {
        let place = match (place, &self.burst) {
            // A component: nobody has asked for it yet.
            (None, Some(burst)) if burst.leads_away(&errant.call.action) => {
                match self.place(errant.call) {
                    Ok(place) => Some(place),
                    // The line may get shorter.
                    Err(InvokeError::Overloaded(_)) => None,
                    Err(InvokeError::Unavailable(text) | InvokeError::Taken(text)) => {
                        let unable = Unable::unprovided(Reason::Start, text);
                        return Some(self.nowhere(errant.call, unable));
                    }
                }
            }
            (place, _) => place,
        };
        let wait = match place {
            Some(Place::Course(course)) => return Box::pin(self.travel(errant, course)).await,
            Some(Place::Pool(wait)) => Some(wait),
            None => None,
        };
        let unable = match self.in_sandbox(&mut errant, wait).await {
            Ran::Finished(finished) => return Some(*finished),
            Ran::Left => return None,
            Ran::Unable(unable) => unable,
        };
        match &self.burst {
            Some(burst) if burst.leads_away(&errant.call.action) => {
                self.remember(burst, errant.call, &unable);
                let course = self.course_from_here(burst, errant.call, unable);
                Box::pin(self.travel(errant, course)).await
            }
            _ => Some(self.nowhere(errant.call, unable)),
        }
    }

    /// An activation that has run nowhere. Whoever has sent it here may try elsewhere then.
    fn nowhere(&self, call: &Call, unable: Unable) -> Finished {
        let told = self.burst.is_some() || call.via.is_some();
        let place = told.then(|| annotation(None, Reason::Nowhere, None));
        Finished {
            place,
            ..unable.into()
        }
    }

    /// Notes of an image that it is of no use here.
    fn remember(&self, burst: &Burst, call: &Call, unable: &Unable) {
        let image = match (unable.reason, self.home(&call.action.exec)) {
            (Reason::Image | Reason::Architecture, Ok(home)) => home.image().map(ToOwned::to_owned),
            _ => None,
        };
        if let Some(image) = image {
            burst.is_unfit(&image, unable.reason, &unable.message);
        }
    }

    /// Takes a call from place to place.
    async fn travel(&self, mut errant: Errant<'_>, mut course: Box<Course>) -> Option<Finished> {
        let burst = self.burst.as_ref()?;
        while let Some(stop) = course.stops.next() {
            let tier = match stop {
                Stop::Tier(tier) => tier,
                Stop::Here => {
                    let asked = match course.wait.take() {
                        Some(wait) => Ok(wait),
                        None => self.ask_pool(burst, errant.call),
                    };
                    let ran = match asked {
                        Ok(wait) => self.in_sandbox(&mut errant, Some(wait)).await,
                        Err(unable) => Ran::Unable(unable),
                    };
                    match ran {
                        Ran::Finished(mut finished) => {
                            let reason = match course.others.is_empty() {
                                true => course.reason,
                                false => Reason::Left,
                            };
                            finished.place = Some(annotation(None, reason, None));
                            return Some(*finished);
                        }
                        Ran::Left => return None,
                        Ran::Unable(unable) => {
                            self.remember(burst, errant.call, &unable);
                            course.leave(unable);
                            continue;
                        }
                    }
                }
            };
            let barred = self.bar(errant.call, errant.received);
            // Limits of actions are the tier's to check.
            let barred = barred.filter(|end| matches!(end.executed.reached, Reached::Blocked));
            if barred.is_some() {
                return barred;
            }
            if self.is_leaving(&errant) {
                return None;
            }
            self.sets_out(&mut errant, &burst.tiers[tier], course.reason)
                .await;
            match self.on_tier(burst, tier, &errant, &course).await {
                Ok(finished) => return Some(finished),
                Err(why) => {
                    burst.failed(tier);
                    errant.call.sent.not_taken();
                    course.go_on(&burst.tiers[tier], &why);
                }
            }
        }
        Some(self.nowhere(errant.call, course.give_up()))
    }
}

/// The header's value for a tier; or why the call goes to none.
fn onward(burst: &Burst, call: &Call) -> (String, Option<String>) {
    match burst.via.onward(call.via.as_deref()) {
        Ok(via) => (via, None),
        Err(looped) => (String::new(), Some(looped.to_string())),
    }
}
