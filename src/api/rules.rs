//! Rules (reference section 3.5).

use http_types::{Response, StatusCode};
use serde_json::json;

use super::dispatch::Request;
use super::error::ApiError;
use super::query::Query;
use super::rows::Rows;
use super::target::Target;
use super::{auth, body, reply};
use crate::entity::{NewRule, Rule, RuleStatus, wanted_status};
use crate::store::{Collection, EntityList};

/// `GET .../rules`: rules without their statuses, which are their triggers' to know.
pub(super) fn list(request: &Request, namespace: &str) -> Result<Response, ApiError> {
    let page = Query::of(request.http.url()).page("rules")?;
    auth::own(&request.identity, namespace, namespace)?;
    let catalog = request.catalog();
    if page.count {
        let count = page.counted(catalog.count::<Rule>(namespace)?);
        return Ok(reply::json(StatusCode::Ok, &json!({"rules": count})));
    }
    let list = EntityList::Collection(namespace, Collection::Rules);
    let mut rows = Rows::new(Rule::list_element);
    catalog.each(list, page.skip, page.limit, |rule| rows.add(&rule))?;
    Ok(rows.answer(catalog))
}

/// `GET .../rules/{name}`
pub(super) fn get(request: &Request, target: &Target) -> Result<Response, ApiError> {
    target.check_owner(request)?;
    let (rule, status) = request.catalog().rule(target.path())?;
    Ok(answer(&rule, status))
}

/// `PUT .../rules/{name}`: creates or changes it.
pub(super) async fn put(mut request: Request, target: &Target) -> Result<Response, ApiError> {
    let overwrite = Query::of(request.http.url()).flag("overwrite", false)?;
    target.check_owner(&request)?;
    let state = request.http.state().clone();
    let max = state.settings().max_body;
    let body = body::read_entity(&mut request.http, max).await?;
    let new = NewRule::parse(&body, target.namespace())?;
    new.check_sizes(&state.settings().sizes_of(&request.identity))?;
    let (rule, status) = request
        .catalog()
        .put_rule(&request.identity, target.name(), &new, overwrite)
        .await?;
    Ok(answer(&rule, status))
}

/// `POST .../rules/{name}`: enables or disables it.
pub(super) async fn post(mut request: Request, target: &Target) -> Result<Response, ApiError> {
    target.check_owner(&request)?;
    let state = request.http.state().clone();
    let max = state.settings().max_body;
    let wanted = wanted_status(&body::read_entity(&mut request.http, max).await?)?;
    let catalog = request.catalog();
    catalog.set_rule_status(target.path(), wanted).await?;
    Ok(reply::text("OK"))
}

/// `DELETE .../rules/{name}`
pub(super) async fn delete(request: &Request, target: &Target) -> Result<Response, ApiError> {
    target.check_owner(request)?;
    let catalog = request.catalog();
    let rule = catalog.delete_rule(target.path()).await?;
    // What has gone is not active, whatever it was.
    Ok(answer(&rule, RuleStatus::Inactive))
}

fn answer(rule: &Rule, status: RuleStatus) -> Response {
    reply::json(StatusCode::Ok, &rule.with_status(status))
}
