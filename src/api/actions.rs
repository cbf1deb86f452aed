//! Actions (reference section 3.3).

use http_types::{Response, StatusCode};
use serde_json::json;

use super::dispatch::Request;
use super::error::ApiError;
use super::query::Query;
use super::{State, auth, body, now, reply};
use crate::catalog::CatalogError;
use crate::entity::{Action, ActionRanges, BLACKBOX, ListElement, NewAction, NewExec};
use crate::store::CodeChange;

/// The action that a path names.
pub(super) struct Target {
    namespace: String,
    name: String,
    /// `ns/name`
    path: String,
}

impl Target {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Target {
            path: format!("{namespace}/{name}"),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is the caller's own.
    pub(super) fn check_owner(&self, request: &Request) -> Result<(), ApiError> {
        auth::own(&request.identity, &self.namespace, &self.path)
    }
}

/// `GET .../actions`
pub(super) fn list(request: &Request, namespace: &str) -> Result<Response, ApiError> {
    let page = Query::of(request.http.url()).page("actions")?;
    auth::own(&request.identity, namespace, namespace)?;
    let catalog = request.http.state().catalog();
    if page.count {
        let count = page.counted(catalog.count::<Action>(namespace)?);
        return Ok(reply::json(StatusCode::Ok, &json!({"actions": count})));
    }
    let actions = catalog.list::<Action>(namespace, page.skip, page.limit)?;
    let elements: Vec<ListElement> = actions.iter().map(Action::list_element).collect();
    Ok(reply::json(StatusCode::Ok, &elements))
}

/// `GET .../actions/{name}`
pub(super) fn get(request: &Request, target: &Target) -> Result<Response, ApiError> {
    let with_code = Query::of(request.http.url()).flag("code", true)?;
    target.check_owner(request)?;
    let catalog = request.http.state().catalog();
    let document = if with_code {
        let (action, code) = catalog.action_with_code(&target.path)?;
        action.full(code.as_deref())
    } else {
        catalog.action(&target.path)?.document()
    };
    Ok(reply::json_text(StatusCode::Ok, document))
}

/// `PUT .../actions/{name}`: creates or changes it. The order of the checks is that of section
/// 3.3.3.
pub(super) async fn put(mut request: Request, target: Target) -> Result<Response, ApiError> {
    let overwrite = Query::of(request.http.url()).flag("overwrite", false)?;
    target.check_owner(&request)?;
    let state = request.http.state().clone();
    let new = read_new(&mut request, &state).await?;
    let settings = state.settings();
    let ranges = settings.actions_of(&request.identity);
    new.check_sizes(&settings.sizes_of(&request.identity))?;
    new.check_limits(&ranges)?;
    if let Some(new) = &new.exec {
        settings.check_kind(&request.identity, new.exec.kind())?;
    }
    let old = match state.catalog().action(&target.path) {
        Ok(_) if !overwrite => return Err(CatalogError::Exists.into()),
        Ok(old) => Some(old),
        Err(CatalogError::Missing) => None,
        Err(error) => return Err(error.into()),
    };
    let written = write(&state, &target, new, old.as_deref(), &ranges).await?;
    let code = match state.catalog().code(&written) {
        // Somebody else has been quick: what was written is told, and its code is gone.
        Err(CatalogError::Changed | CatalogError::Missing) => None,
        code => code?,
    };
    Ok(reply::json_text(
        StatusCode::Ok,
        written.full(code.as_deref()),
    ))
}

/// `DELETE .../actions/{name}`
pub(super) async fn delete(request: &Request, target: &Target) -> Result<Response, ApiError> {
    target.check_owner(request)?;
    let catalog = request.http.state().catalog();
    let (action, code) = catalog.action_with_code(&target.path)?;
    let document = action.full(code.as_deref());
    catalog.delete(&action).await?;
    request.http.state().invoker().retire(&target.path);
    Ok(reply::json_text(StatusCode::Ok, document))
}

/// Whether actions of a kind may be changed and invoked. A kind that has left the manifest is
/// treated as one that it calls deprecated.
pub(super) fn check_supported(state: &State, kind: &str) -> Result<(), ApiError> {
    let known = state.manifest().kind(kind);
    if kind == BLACKBOX || known.is_some_and(|kind| !kind.deprecated) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::BadRequest,
        format!(
            "The '{kind}' runtime is no longer supported. You may read and delete but not update \
             or invoke this action."
        ),
    ))
}

/// Reads the body. Its bytes are gone when this returns: only what it says is left.
async fn read_new(request: &mut Request, state: &State) -> Result<NewAction, ApiError> {
    let max = state.settings().max_body;
    let body = body::read(&mut request.http, max, body::TooLarge::Entity).await?;
    if body.is_empty() {
        return Err(ApiError::rejection(
            StatusCode::BadRequest,
            "Request entity expected but not supplied",
        ));
    }
    Ok(NewAction::parse(&body, &state.kinds())?)
}

async fn write(
    state: &State,
    target: &Target,
    mut new: NewAction,
    old: Option<&Action>,
    ranges: &ActionRanges,
) -> Result<Action, ApiError> {
    let code = code_change(new.exec.as_mut());
    let catalog = state.catalog();
    match old {
        None => {
            let action = new.create(&target.namespace, &target.name, ranges, now())?;
            check_supported(state, action.exec.kind())?;
            Ok(catalog.create_action(action, code).await?)
        }
        Some(old) => {
            let action = new.update(old, ranges, now())?;
            check_supported(state, action.exec.kind())?;
            let updated = catalog.update_action(action, code).await?;
            state.invoker().retire(&target.path);
            Ok(updated)
        }
    }
}

/// What becomes of the stored code.
fn code_change(new: Option<&mut NewExec>) -> CodeChange {
    match new {
        None => CodeChange::Keep,
        Some(new) => match new.code.take() {
            None => CodeChange::Remove,
            Some(code) => CodeChange::Set(code.into_bytes()),
        },
    }
}
