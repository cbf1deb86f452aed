//! Triggers (reference section 3.6).

use http_types::{Response, StatusCode};
use serde_json::json;

use super::dispatch::Request;
use super::error::ApiError;
use super::query::Query;
use super::rows::Rows;
use super::target::Target;
use super::{auth, body, headers, invoke, reply};
use crate::entity::{NewTrigger, Trigger, json};
use crate::invoke::Fire;
use crate::store::{Collection, EntityList};

/// `GET .../triggers`
pub(super) fn list(request: &Request, namespace: &str) -> Result<Response, ApiError> {
    let page = Query::of(request.http.url()).page("triggers")?;
    auth::own(&request.identity, namespace, namespace)?;
    let catalog = request.catalog();
    if page.count {
        let count = page.counted(catalog.count::<Trigger>(namespace)?);
        return Ok(reply::json(StatusCode::Ok, &json!({"triggers": count})));
    }
    let list = EntityList::Collection(namespace, Collection::Triggers);
    let mut rows = Rows::new(Trigger::list_element);
    catalog.each(list, page.skip, page.limit, |trigger| rows.add(&trigger))?;
    Ok(rows.answer(catalog))
}

/// `GET .../triggers/{name}`
pub(super) fn get(request: &Request, target: &Target) -> Result<Response, ApiError> {
    target.check_owner(request)?;
    let trigger = request.catalog().get(target.path())?;
    Ok(answer(&trigger))
}

/// `PUT .../triggers/{name}`: creates or changes it.
pub(super) async fn put(mut request: Request, target: &Target) -> Result<Response, ApiError> {
    let overwrite = Query::of(request.http.url()).flag("overwrite", false)?;
    target.check_owner(&request)?;
    let state = request.http.state().clone();
    let max = state.settings().max_body;
    let new = NewTrigger::parse(&body::read_entity(&mut request.http, max).await?)?;
    new.check_sizes(&state.settings().sizes_of(&request.identity))?;
    let trigger = request
        .catalog()
        .put_trigger(target.namespace(), target.name(), &new, overwrite)
        .await?;
    Ok(answer(&trigger))
}

/// `DELETE .../triggers/{name}`
pub(super) async fn delete(request: &Request, target: &Target) -> Result<Response, ApiError> {
    target.check_owner(request)?;
    let catalog = request.catalog();
    Ok(answer(&catalog.delete_trigger(target.path()).await?))
}

/// `POST .../triggers/{name}`: fires it. The order of the checks is that of an invocation.
pub(super) async fn post(mut request: Request, target: &Target) -> Result<Response, ApiError> {
    let state = request.http.state().clone();
    let identity = request.identity.clone();
    state.throttle_fire(&identity)?;
    target.check_owner(&request)?;
    let max = state.settings().max_payload_of(&identity);
    let body = body::read(&mut request.http, max, body::TooLarge::Request).await?;
    let payload = json::payload(body)?;
    let fire = Fire {
        identity,
        trigger: request.catalog().get(target.path())?,
        payload,
        headers: for_actions(&request),
        transaction_id: request.transaction,
    };
    Ok(match state.invoker().fire(fire).await? {
        Some(id) => invoke::accepted(id),
        None => Response::new(StatusCode::NoContent),
    })
}

fn answer(trigger: &Trigger) -> Response {
    reply::json_text(StatusCode::Ok, trigger.document())
}

/// Headers that are not for the actions of a trigger: those that describe the body, which is merged
/// with other things, and by choice `Authorization`. OpenWhisk passes that on, so that every action
/// of every rule learns the key of whoever fires, and its log may show it. An action that needs a
/// key asks for one with its annotation `provide-api-key`.
const KEPT_BACK: [&str; 4] = [
    "authorization",
    "content-length",
    "content-type",
    "transfer-encoding",
];

/// What the actions of a trigger get to see of the headers.
fn for_actions(request: &Request) -> Vec<(String, String)> {
    let all = headers::passed_on(&request.http).into_iter();
    all.filter(|(name, _)| !KEPT_BACK.contains(name))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
