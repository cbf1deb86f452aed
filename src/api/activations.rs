//! Activations (reference section 3.7).

use http_types::{Response, StatusCode};
use serde_json::json;

use super::dispatch::Request;
use super::error::ApiError;
use super::path::View;
use super::query::{Page, Query};
use super::{auth, record_list, reply};
use crate::entity::{ActivationId, StoredActivation, names, record};
use crate::store::ActivationFilter;

/// What is asked of a list of activations.
pub(super) struct Asked {
    pub(super) page: Page,
    /// Full records instead of summaries.
    pub(super) docs: bool,
    pub(super) filter: ActivationFilter,
}

impl Asked {
    /// What a request asks of the list of a namespace, if its caller may have that.
    pub(super) fn of(request: &Request, namespace: &str) -> Result<Self, ApiError> {
        let query = Query::of(request.http.url());
        let page = query.page("activations")?;
        let docs = query.flag("docs", false)?;
        let filter = filter(&query)?;
        auth::own(&request.identity, namespace, namespace)?;
        if page.count && docs {
            return Err(ApiError::new(
                StatusCode::BadRequest,
                "The parameter 'docs' is not permitted with 'count'.",
            ));
        }
        Ok(Asked { page, docs, filter })
    }
}

/// `GET .../activations`
pub(super) fn list(request: &Request, namespace: &str) -> Result<Response, ApiError> {
    let Asked { page, docs, filter } = Asked::of(request, namespace)?;
    let store = request.http.state().store();
    if page.count {
        return Ok(counted(&page, store.count_activations(namespace, &filter)?));
    }
    let rows = store.activations(namespace, &filter, page.skip, page.limit, false)?;
    let heads: Vec<Vec<u8>> = rows.into_iter().map(|(head, _)| head).collect();
    Ok(if docs {
        let body = record_list::body(store.clone(), namespace.into(), heads);
        reply::json_text(StatusCode::Ok, body)
    } else {
        summaries(&heads)
    })
}

/// The number of activations as an answer.
pub(super) fn counted(page: &Page, activations: u64) -> Response {
    let count = page.counted(activations);
    reply::json(StatusCode::Ok, &json!({"activations": count}))
}

/// Summaries as an answer.
pub(super) fn summaries(heads: &[Vec<u8>]) -> Response {
    reply::json_text(StatusCode::Ok, array(heads))
}

/// `GET .../activations/{id}`, `.../result` and `.../logs`
pub(super) fn get(
    request: &Request,
    namespace: &str,
    id: &str,
    view: View,
) -> Result<Response, ApiError> {
    let id = own_id(request, namespace, id)?;
    let found = request.http.state().store().activation(namespace, id)?;
    let (head, tail) = found.ok_or_else(ApiError::missing)?;
    let stored = || StoredActivation::from_tail(&tail).ok_or_else(ApiError::corrupt);
    let text = match view {
        View::Record => record(&head, &tail).ok_or_else(ApiError::corrupt)?,
        View::Result => stored()?.response.get().into(),
        View::Logs => format!("{{\"logs\":{}}}", stored()?.logs).into(),
    };
    Ok(reply::json_text(StatusCode::Ok, text))
}

/// The id that a path names, if the caller may have what it means.
pub(super) fn own_id(
    request: &Request,
    namespace: &str,
    id: &str,
) -> Result<ActivationId, ApiError> {
    let bad_id = |error| ApiError::new(StatusCode::BadRequest, format!("{error}"));
    let parsed = id.parse().map_err(bad_id)?;
    auth::own(&request.identity, namespace, &format!("{namespace}/{id}"))?;
    Ok(parsed)
}

/// `name`, `since` and `upto` of a list.
fn filter(query: &Query<'_>) -> Result<ActivationFilter, ApiError> {
    let name = match query.get("name") {
        None => None,
        Some(name) => {
            names::activation_filter(name).map_err(|error| ApiError::query("name", error))?
        }
    };
    Ok(ActivationFilter {
        name,
        since: time(query, "since")?,
        upto: time(query, "upto")?,
    })
}

/// Milliseconds since 1970. What is before counts as the beginning.
fn time(query: &Query<'_>, parameter: &str) -> Result<Option<u64>, ApiError> {
    let Some(value) = query.get(parameter) else {
        return Ok(None);
    };
    match value.parse::<i64>() {
        Ok(time) => Ok(Some(u64::try_from(time).unwrap_or(0))),
        // The unit is milliseconds, and the text OpenWhisk's.
        Err(_) => Err(ApiError::query(
            parameter,
            format_args!("Parameter is not a valid value for epoch seconds: {value}"),
        )),
    }
}

/// Documents as an array.
fn array(documents: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::with_capacity(2 + documents.iter().map(|d| d.len() + 1).sum::<usize>());
    text.push(b'[');
    for (i, document) in documents.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        text.extend_from_slice(document);
    }
    text.push(b']');
    text
}
