//! Triggers (reference section 3.6).

use http_types::{Response, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;

use super::dispatch::Request;
use super::error::ApiError;
use super::master::via_of;
use super::query::Query;
use super::rows::Rows;
use super::target::Target;
use super::{auth, body, headers, invoke, reply};
use crate::entity::{ActivationId, NewTrigger, Trigger, json};
use crate::invoke::Fire;
use crate::store::{Collection, EntityList};
use crate::upstream::VIA;

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

/// What is asked of a trigger that is to be fired.
pub(super) struct Asked {
    /// What it is given.
    pub(super) payload: Option<Box<RawValue>>,
    /// Headers that the actions get to see.
    pub(super) headers: Vec<(String, String)>,
    /// The id that its activation is to have, if the request gives one.
    pub(super) id: Option<ActivationId>,
}

/// `POST .../triggers/{name}`: fires it.
pub(super) async fn post(mut request: Request, target: &Target) -> Result<Response, ApiError> {
    let asked = asked(&mut request, target).await?;
    let trigger = request.catalog().get(target.path())?;
    fire(&request, trigger, asked).await
}

/// Takes in what a request to fire a trigger asks for. The order of the checks is that of an
/// invocation.
pub(super) async fn asked(request: &mut Request, target: &Target) -> Result<Asked, ApiError> {
    let state = request.http.state().clone();
    state.throttle_fire(&request.identity)?;
    target.check_owner(request)?;
    let max = state.settings().max_payload_of(&request.identity);
    let body = body::read(&mut request.http, max, body::TooLarge::Request).await?;
    Ok(Asked {
        payload: json::payload(body)?,
        id: given_id(request)?,
        headers: for_actions(request),
    })
}

/// Fires a trigger here.
pub(super) async fn fire(
    request: &Request,
    trigger: Trigger,
    asked: Asked,
) -> Result<Response, ApiError> {
    let fire = Fire {
        identity: request.identity.clone(),
        trigger,
        payload: asked.payload,
        headers: asked.headers,
        transaction_id: request.transaction.clone(),
        id: asked.id,
        via: via_of(&request.http).as_deref().map(Into::into),
    };
    Ok(match request.http.state().invoker().fire(fire).await? {
        Some(id) => invoke::accepted(id),
        None => Response::new(StatusCode::NoContent),
    })
}

/// The id that a request gives to the activation: by a gateway that may send it again.
fn given_id(request: &Request) -> Result<Option<ActivationId>, ApiError> {
    let Some(values) = request.http.header(ActivationId::GIVEN) else {
        return Ok(None);
    };
    let mut given = values.iter();
    match (
        given.next().map(|value| value.as_str().parse()),
        given.next(),
    ) {
        (Some(Ok(id)), None) => Ok(Some(id)),
        _ => Err(ApiError::rejection(
            StatusCode::BadRequest,
            format!(
                "The header '{}' was malformed:\nit must be one activation id.",
                ActivationId::GIVEN
            ),
        )),
    }
}

fn answer(trigger: &Trigger) -> Response {
    reply::json_text(StatusCode::Ok, trigger.document())
}

/// Headers that are not for the actions of a trigger: those that describe the body, which is merged
/// with other things, those between OWLs, and by choice `Authorization`. OpenWhisk passes that on, so that every action
/// of every rule learns the key of whoever fires, and its log may show it. An action that needs a
/// key asks for one with its annotation `provide-api-key`.
const KEPT_BACK: [&str; 6] = [
    "authorization",
    "content-length",
    "content-type",
    "transfer-encoding",
    VIA,
    ActivationId::GIVEN,
];

/// What the actions of a trigger get to see of the headers.
fn for_actions(request: &Request) -> Vec<(String, String)> {
    let all = headers::passed_on(&request.http).into_iter();
    all.filter(|(name, _)| !KEPT_BACK.contains(name))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
