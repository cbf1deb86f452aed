//! Packages and bindings (reference section 3.4).

use std::iter::once;

use http_types::{Response, StatusCode};
use serde_json::json;

use super::dispatch::Request;
use super::error::ApiError;
use super::query::Query;
use super::rows::Rows;
use super::target::Target;
use super::{auth, body, chunks, now, reply};
use crate::catalog::{AccessError, Catalog, CatalogError, ResolvedPackage};
use crate::entity::names::NO_PACKAGE;
use crate::entity::{Action, Binding, NewPackage, Package};
use crate::store::{Collection, EntityList};

/// Whether a `POST` to a package means all packages instead of this one.
pub(super) fn is_refresh(target: &Target) -> bool {
    target.name() == "refresh"
}

/// `GET .../packages`: all of the caller's own, of others those that everybody may read.
pub(super) fn list(request: &Request, namespace: &str) -> Result<Response, ApiError> {
    let page = Query::of(request.http.url()).page("packages")?;
    let catalog = request.catalog();
    let own = request.identity.namespace == namespace;
    if page.count {
        let count = if own {
            catalog.count::<Package>(namespace)?
        } else {
            catalog.count_public_packages(namespace)?
        };
        let count = page.counted(count);
        return Ok(reply::json(StatusCode::Ok, &json!({"packages": count})));
    }
    let mut rows = Rows::new(Package::list_element);
    let add = |package| rows.add(&package);
    if own {
        let list = EntityList::Collection(namespace, Collection::Packages);
        catalog.each(list, page.skip, page.limit, add)?;
    } else {
        catalog.each_public_package(namespace, page.skip, page.limit, add)?;
    }
    Ok(rows.answer(catalog))
}

/// `GET .../packages/{name}`: with what is in it, a binding with what its package has.
pub(super) fn get(request: &Request, target: &Target) -> Result<Response, ApiError> {
    let catalog = request.catalog();
    let found = catalog.resolve_package(&request.identity, target.namespace(), target.name());
    let package = found.map_err(|error| match error {
        AccessError::Catalog(CatalogError::Missing) => missing(catalog, target.path()),
        error => error.into(),
    })?;
    let contents = package.provider.path();
    let (mut actions, mut feeds) = (Rows::new(Action::summary), Rows::new(Action::summary));
    catalog.each(
        EntityList::Package(&contents),
        0,
        usize::MAX,
        |action: Action| {
            if !request.shows(&action.path()) {
                return;
            }
            if action.is_feed() {
                feeds.add(&action);
            } else {
                actions.add(&action);
            }
        },
    )?;
    let mut document = package.named.document_with(&package.parameters());
    // The object goes on.
    document.pop();
    document.extend_from_slice(b",\"actions\":");
    let at_once = actions.fit() && feeds.fit();
    let pieces = once(document)
        .chain(chunks::array(actions.texts(catalog)))
        .chain(once(b",\"feeds\":".to_vec()))
        .chain(chunks::array(feeds.texts(catalog)))
        .chain(once(b"}".to_vec()));
    Ok(reply::json_pieces(pieces, at_once))
}

/// What is told about a package of the caller's own that does not lead to one.
fn missing(catalog: &Catalog, path: &str) -> ApiError {
    let binding = catalog
        .package(path)
        .ok()
        .and_then(|package| package.binding.clone());
    if binding.is_some_and(|binding| binding.path() == path) {
        return ApiError::new(
            StatusCode::UnprocessableEntity,
            format!("Package binding '{path}' contains a circular reference."),
        );
    }
    ApiError::new(
        StatusCode::NotFound,
        format!("The requested resource '{path}' does not exist."),
    )
}

/// `PUT .../packages/{name}`: creates or changes it. The order of the checks is OpenWhisk's:
/// rights, name, body, sizes, access to what a binding refers to, existence, and whether it may
/// be a binding, and to that.
pub(super) async fn put(mut request: Request, target: Target) -> Result<Response, ApiError> {
    let overwrite = Query::of(request.http.url()).flag("overwrite", false)?;
    target.check_owner(&request)?;
    if target.name() == NO_PACKAGE {
        return Err(ApiError::new(
            StatusCode::BadRequest,
            format!("Package name '{NO_PACKAGE}' is reserved."),
        ));
    }
    let state = request.http.state().clone();
    let body = body::read_entity(&mut request.http, state.settings().max_body).await?;
    let new = NewPackage::parse(&body, target.namespace())?;
    new.check_sizes(&state.settings().sizes_of(&request.identity))?;
    let catalog = request.catalog();
    let provider = match &new.binding {
        Some(binding) => Some(provider(&request, binding)?),
        None => None,
    };
    let old = match catalog.get::<Package>(target.path()) {
        Ok(_) if !overwrite => return Err(CatalogError::Exists.into()),
        Ok(old) => Some(old),
        Err(CatalogError::Missing) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(provider) = provider {
        if old.as_ref().is_some_and(|old| old.binding.is_none()) {
            return Err(ApiError::new(
                StatusCode::Conflict,
                "Resource is a package and cannot be converted into a binding.",
            ));
        }
        if provider.named.binding.is_some() {
            return Err(ApiError::new(
                StatusCode::BadRequest,
                "Cannot bind to another package binding.",
            ));
        }
    }
    let written = match old {
        None => {
            let package = new.create(target.namespace(), target.name(), now());
            catalog.create(package).await?
        }
        Some(old) => catalog.update(new.update(&old, now())).await?,
    };
    Ok(reply::json_text(StatusCode::Ok, written.document()))
}

/// What a binding is to refer to.
fn provider(request: &Request, binding: &Binding) -> Result<ResolvedPackage, ApiError> {
    let catalog = request.catalog();
    let found = catalog.resolve_package(&request.identity, &binding.namespace, &binding.name);
    found.map_err(|error| match error {
        AccessError::Catalog(CatalogError::Missing) => ApiError::new(
            StatusCode::BadRequest,
            "Binding references a package that does not exist.",
        ),
        AccessError::Catalog(CatalogError::OtherCollection) => ApiError::new(
            StatusCode::Conflict,
            "Cannot bind to a resource that is not a package.",
        ),
        error => error.into(),
    })
}

/// `DELETE .../packages/{name}`: an empty one or, with `force`, one with everything in it.
pub(super) async fn delete(request: &Request, target: &Target) -> Result<Response, ApiError> {
    let force = Query::of(request.http.url()).flag("force", false)?;
    target.check_owner(request)?;
    let state = request.http.state();
    let package: Package = request.catalog().get(target.path())?;
    if force {
        for action in request.catalog().delete_package(&package).await? {
            state.invoker().retire(&action);
        }
    } else {
        check_empty(request.catalog(), target.path())?;
        request.catalog().delete_empty_package(&package).await?;
    }
    Ok(reply::json_text(StatusCode::Ok, package.document()))
}

fn check_empty(catalog: &Catalog, path: &str) -> Result<(), ApiError> {
    let count = catalog.count_of(EntityList::Package(path))?;
    if count == 0 {
        return Ok(());
    }
    let entities = if count == 1 { "entity" } else { "entities" };
    Err(ApiError::new(
        StatusCode::Conflict,
        format!(
            "Package not empty (contains {count} {entities}). Set force param or delete package \
             contents."
        ),
    ))
}

/// `POST .../packages/refresh`: OpenWhisk looked for packages in repositories once. Clients still
/// ask, and are told that nothing has changed.
pub(super) fn refresh(request: &Request, target: &Target) -> Result<Response, ApiError> {
    auth::own(&request.identity, target.namespace(), target.namespace())?;
    let nothing = r#"{"added":[],"updated":[],"deleted":[]}"#;
    Ok(reply::json_text(StatusCode::Ok, nothing))
}
