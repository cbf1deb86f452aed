//! Actions (reference section 3.3).

use std::sync::Arc;

use http_types::{Response, StatusCode};
use serde_json::json;

use super::dispatch::Request;
use super::error::ApiError;
use super::query::{Page, Query};
use super::rows::Rows;
use super::{auth, body, now, reply};
use crate::catalog::{Catalog, CatalogError, Resolved, ResolvedPackage};
use crate::entity::{Action, ActionRanges, FullName, NewAction, NewExec, Package};
use crate::invoke::admission;
use crate::store::{CodeChange, Collection, EntityList};

/// The action that a path names.
pub(super) struct Target {
    namespace: String,
    package: Option<String>,
    name: String,
    /// `ns/[package/]name`
    path: String,
}

impl Target {
    pub(super) fn new(namespace: &str, package: Option<&str>, name: &str) -> Self {
        Target {
            path: match package {
                Some(package) => [namespace, package, name].join("/"),
                None => [namespace, name].join("/"),
            },
            namespace: namespace.into(),
            package: package.map(Into::into),
            name: name.into(),
        }
    }

    /// `ns` or `ns/package`
    fn place(&self) -> &str {
        &self.path[..self.path.len() - self.name.len() - 1]
    }

    /// Whether the caller may read and invoke it, be it there or not.
    pub(super) fn check_access(&self, request: &Request) -> Result<Access, ApiError> {
        let Some(package) = &self.package else {
            auth::own(&request.identity, &self.namespace, &self.path)?;
            return Ok(Access::Own);
        };
        let catalog = request.catalog();
        let package = catalog.resolve_package(&request.identity, &self.namespace, package)?;
        Ok(Access::Packaged(package))
    }

    /// The action, for a caller with access to it.
    pub(super) fn find(&self, catalog: &Catalog, access: &Access) -> Result<Resolved, ApiError> {
        Ok(match access {
            Access::Own => Resolved {
                action: catalog.action(&self.path)?,
                binding: None,
            },
            Access::Packaged(package) => catalog.packaged(package, &self.name)?,
        })
    }

    /// Whether the caller may change it, be it there or not: what is in a package only if that is
    /// there and no binding. Gives the package.
    fn check_writable(&self, request: &Request) -> Result<Option<Arc<Package>>, ApiError> {
        let Some(package) = &self.package else {
            auth::own(&request.identity, &self.namespace, &self.path)?;
            return Ok(None);
        };
        let package = format!("{}/{package}", self.namespace);
        auth::own(&request.identity, &self.namespace, &package)?;
        let package = request.catalog().package(&package)?;
        if package.binding.is_some() {
            return Err(ApiError::new(
                StatusCode::BadRequest,
                "Operation not permitted on package binding.",
            ));
        }
        Ok(Some(package))
    }
}

/// How a caller has access to an action.
pub(super) enum Access {
    /// It is in no package, and in the caller's namespace.
    Own,
    /// It is in this package.
    Packaged(ResolvedPackage),
}

/// `GET .../actions`: packaged ones, too.
pub(super) fn list(request: &Request, namespace: &str) -> Result<Response, ApiError> {
    let page = Query::of(request.http.url()).page("actions")?;
    auth::own(&request.identity, namespace, namespace)?;
    let list = EntityList::Collection(namespace, Collection::Actions);
    page_of(request, list, page)
}

/// `GET .../actions/{package}/`: the actions of a package, or of the package behind a binding.
pub(super) fn list_package(
    request: &Request,
    namespace: &str,
    package: &str,
) -> Result<Response, ApiError> {
    let page = Query::of(request.http.url()).page("actions")?;
    let catalog = request.catalog();
    let package = catalog.resolve_package(&request.identity, namespace, package)?;
    let provider = package.provider.path();
    let list = EntityList::Package(&provider);
    let is_own = package.provider.namespace == request.identity.namespace;
    if is_own || request.http.state().master().is_none() {
        return page_of(request, list, page);
    }
    page_of_shown(request, list, page)
}

/// A page of those actions of another namespace that the caller's key has fetched of the master.
fn page_of_shown(
    request: &Request,
    list: EntityList<'_>,
    page: Page,
) -> Result<Response, ApiError> {
    let catalog = request.catalog();
    let mut rows = Rows::new(Action::list_element);
    let mut number = 0;
    catalog.each(list, 0, usize::MAX, |action: Action| {
        if request.shows(&action.path()) {
            if !page.count && number >= page.skip && number - page.skip < page.limit {
                rows.add(&action);
            }
            number += 1;
        }
    })?;
    if page.count {
        let count = page.counted(number as u64);
        return Ok(reply::json(StatusCode::Ok, &json!({"actions": count})));
    }
    Ok(rows.answer(catalog))
}

fn page_of(request: &Request, list: EntityList<'_>, page: Page) -> Result<Response, ApiError> {
    let catalog = request.catalog();
    if page.count {
        let count = page.counted(catalog.count_of(list)?);
        return Ok(reply::json(StatusCode::Ok, &json!({"actions": count})));
    }
    let mut rows = Rows::new(Action::list_element);
    catalog.each(list, page.skip, page.limit, |action| rows.add(&action))?;
    Ok(rows.answer(catalog))
}

/// `GET .../actions/[{package}/]{name}`
pub(super) fn get(request: &Request, target: &Target) -> Result<Response, ApiError> {
    let with_code = Query::of(request.http.url()).flag("code", true)?;
    let access = target.check_access(request)?;
    let catalog = request.catalog();
    loop {
        let Resolved { action, binding } = target.find(catalog, &access)?;
        let document = if with_code {
            match catalog.code(&action) {
                // A write went between the two reads; there are none without end.
                Err(CatalogError::Changed) => continue,
                code => action.full(code?.as_deref()),
            }
        } else {
            action.without_code(binding.as_deref())
        };
        return Ok(reply::json_text(StatusCode::Ok, document));
    }
}

/// `PUT .../actions/[{package}/]{name}`: creates or changes it. The order of the checks is that of
/// section 3.3.3.
pub(super) async fn put(mut request: Request, target: Target) -> Result<Response, ApiError> {
    let overwrite = Query::of(request.http.url()).flag("overwrite", false)?;
    let package = target.check_writable(&request)?;
    let state = request.http.state().clone();
    let body = body::read_entity(&mut request.http, state.settings().max_body).await?;
    let manifest = state.manifest();
    let kinds = manifest.kinds(state.docker_answers());
    let new = NewAction::parse(&body, &kinds)?.resolved(&request.identity.namespace);
    // Code can be large: from here on there is only what the body says.
    drop(body);
    let settings = state.settings();
    let ranges = settings.actions_of(&request.identity);
    new.check_sizes(&settings.sizes_of(&request.identity))?;
    new.check_limits(&ranges)?;
    let catalog = request.catalog();
    if let Some(components) = new.components() {
        catalog.check_access(&request.identity, components)?;
    }
    if let Some(new) = &new.exec {
        settings.check_kind(&request.identity, new.exec.kind())?;
    }
    let old = match catalog.action(&target.path) {
        Ok(_) if !overwrite => return Err(CatalogError::Exists.into()),
        Ok(old) => Some(old),
        Err(CatalogError::Missing) => None,
        Err(error) => return Err(error.into()),
    };
    let package = package.as_deref();
    let written = write(&request, &target, package, new, old.as_deref(), &ranges).await?;
    state.invoker().expect(&written);
    let code = match catalog.code(&written) {
        // Somebody else has been quick: what was written is told, and its code is gone.
        Err(CatalogError::Changed | CatalogError::Missing) => None,
        code => code?,
    };
    Ok(reply::json_text(
        StatusCode::Ok,
        written.full(code.as_deref()),
    ))
}

/// `DELETE .../actions/[{package}/]{name}`
pub(super) async fn delete(request: &Request, target: &Target) -> Result<Response, ApiError> {
    target.check_writable(request)?;
    let catalog = request.catalog();
    let (action, code) = catalog.action_with_code(&target.path)?;
    let document = action.full(code.as_deref());
    catalog.delete(&action).await?;
    request.http.state().invoker().retire(&target.path);
    Ok(reply::json_text(StatusCode::Ok, document))
}

async fn write(
    request: &Request,
    target: &Target,
    package: Option<&Package>,
    mut new: NewAction,
    old: Option<&Action>,
    ranges: &ActionRanges,
) -> Result<Action, ApiError> {
    let code = code_change(new.exec.as_mut());
    let components = new.components().map(<[FullName]>::to_vec);
    let state = request.http.state();
    let catalog = request.catalog();
    let action = match old {
        None => new.create(target.place(), &target.name, ranges, now())?,
        Some(old) => new.update(old, ranges, now())?,
    };
    admission::supported(&state.manifest(), &action.exec)?;
    if let Some(components) = components {
        let limit = state.settings().sequence_length as usize;
        catalog.check_sequence(&target.path, &components, limit)?;
    }
    match (old, package) {
        (None, None) => Ok(catalog.create_action(action, code).await?),
        (None, Some(package)) => Ok(catalog
            .create_packaged_action(package, action, code)
            .await?),
        (Some(_), _) => {
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
