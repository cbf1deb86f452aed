//! Triggers that are fired: here, if the actions of all active rules can run here; else by the
//! master, now or when it is back.

use std::sync::Arc;

use hyper::StatusCode;

use super::entity::Entity;
use super::{Prepared, heed, offline, response, via_of};
use crate::api::dispatch::Request;
use crate::api::error::ApiError;
use crate::api::target::Target;
use crate::api::{State, invoke, triggers};
use crate::entity::{Identity, RuleStatus, Trigger};
use crate::invoke::was_fired;
use crate::master::Master;
use crate::master::copies::{CopyError, Need, Source};
use crate::master::fires::{FireError, NewFire, Outcome, priority};
use crate::upstream::{Incoming, IncomingBody};

/// Fires a trigger.
pub(super) async fn fire(
    request: &mut Request,
    master: &Master,
    entity: &Entity,
) -> Result<Prepared, ApiError> {
    let target = Target::new(&entity.namespace, &entity.name);
    let asked = triggers::asked(request, &target).await?;
    let identity = request.identity.clone();
    let state = request.http.state().clone();
    if let Some(id) = asked.id
        && was_fired(state.store(), target.namespace(), target.name(), id)?
    {
        return Ok(Prepared::Answered(invoke::accepted(id).into()));
    }
    let (trigger, is_offline) = known(request, master, &target).await?;
    if let Some(trigger) = &trigger
        && runs_here(&state, &identity, trigger)
    {
        let mut response = triggers::fire(request, trigger.clone(), asked).await?;
        if is_offline {
            offline::mark(&mut response, &master.upstream);
        }
        return Ok(Prepared::Answered(response.into()));
    }
    let new = NewFire {
        identity,
        trigger: target.name().to_owned(),
        priority: trigger
            .as_ref()
            .map_or(0, |trigger| priority(&trigger.annotations)),
        version: trigger.map(|trigger| trigger.version),
        payload: asked.payload,
        headers: asked.headers,
        via: master.via.onward(via_of(&request.http).as_deref())?,
        id: asked.id,
    };
    let response = match master.fires.fire(new).await? {
        Outcome::Answered(answer) => {
            heed(request, master, answer.status);
            response(Incoming {
                status: answer.status,
                headers: answer.headers,
                body: IncomingBody::whole(answer.body),
            })
        }
        Outcome::Stored(id) => {
            let mut response = invoke::accepted(id);
            offline::mark(&mut response, &master.upstream);
            response
        }
    };
    Ok(Prepared::Answered(response.into()))
}

/// A trigger as it is known here, and whether the master was wanted for that and is out of reach.
/// None if nobody can say now whether there is such a trigger.
async fn known(
    request: &Request,
    master: &Master,
    target: &Target,
) -> Result<(Option<Trigger>, bool), ApiError> {
    let copies = master.copies.for_request(via_of(&request.http).as_deref());
    let identity = &request.identity;
    let (namespace, name) = (target.namespace(), target.name());
    let ensured = copies.ensure_trigger(identity, namespace, name, Need::Run);
    let is_offline = match ensured.await {
        Ok(source) => source == Source::Offline,
        Err(CopyError::Unavailable(_)) => return Ok((None, true)),
        Err(error) => {
            if matches!(error, CopyError::KeyRefused) {
                heed(request, master, StatusCode::UNAUTHORIZED);
            }
            return Err(error.into());
        }
    };
    match request.catalog().get(target.path()) {
        Ok(trigger) => Ok((Some(trigger), is_offline)),
        Err(error) => Err(error.into()),
    }
}

/// Whether the actions of all active rules of a trigger can run here.
fn runs_here(state: &State, identity: &Arc<Identity>, trigger: &Trigger) -> bool {
    let rules = trigger.rules.iter().flat_map(|rules| rules.values());
    let mut active = rules.filter(|rule| rule.status == RuleStatus::Active);
    active.all(|rule| state.invoker().can_run(identity, &rule.action))
}

impl From<FireError> for ApiError {
    fn from(error: FireError) -> Self {
        use http_types::StatusCode;
        match error {
            FireError::Taken(_) => Self::new(StatusCode::Conflict, error.to_string()),
            FireError::Full(_) | FireError::Stopping => {
                Self::new(StatusCode::ServiceUnavailable, error.to_string())
            }
            FireError::Store(error) => error.into(),
        }
    }
}
