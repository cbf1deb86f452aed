//! Compositions: a conductor, the components that it names, and the conductor again (reference
//! section 5.3). What its answers mean is in [`super::conductor`].

use std::sync::Arc;

use serde_json::value::RawValue;

use super::account::Form;
use super::composite::{Composite, NoResult};
use super::conductor::{self, Wish};
use super::run::{Flown, Runner};
use super::within::{Steps, Within};
use super::{Call, Inner};
use crate::catalog::{AccessError, CatalogError, Resolved};
use crate::entity::{FullName, Response, Status};

const TOO_MANY: &str = "Too many actions in the composition.";
const FAILED: &str = "Activation failure during composition.";

impl Inner {
    /// Begins a composition, and then carries it through.
    pub(super) fn compose(
        self: Arc<Self>,
        flown: Flown,
        within: Within,
    ) -> impl Future<Output = ()> {
        let mut composite = Composite::begin(self, flown, Form::Composition);
        async move {
            composite.begun().await;
            let response = match run(&mut composite, &within).await {
                Ok(response) | Err(End(response)) => response,
            };
            composite.end(response).await;
        }
    }
}

/// An end that the conductor has not asked for.
struct End(Response);

impl End {
    fn error(status: Status, message: &str) -> Self {
        End(Response::error(status, message))
    }
}

impl From<NoResult> for End {
    fn from(no_result: NoResult) -> Self {
        let message = match no_result {
            NoResult::Late(id) => {
                format!("Timeout reached when retrieving activation {id} during composition.")
            }
            NoResult::Lost => FAILED.to_string(),
        };
        End::error(Status::InternalError, &message)
    }
}

async fn run(composite: &mut Composite, within: &Within) -> Result<Response, End> {
    let too_many = || End::error(Status::ApplicationError, TOO_MANY);
    let length = composite.inner().settings.sequence_length;
    let (within, steps) = within.composition(length).ok_or_else(too_many)?;
    let mut input = composite.call().payload.clone();
    let mut state = None;
    loop {
        if !steps.conductors.take() {
            return Err(too_many());
        }
        let payload = conductor::input(input, state.as_deref());
        let activation = composite.conductor(payload).await?;
        let (name, params) = match conductor::wish(&activation.response) {
            Wish::End(response) => return Ok(response),
            Wish::Component {
                name,
                params,
                state: said,
            } => {
                state = said;
                (name, params)
            }
        };
        drop(activation);
        let inner = composite.inner();
        input = match component(inner, composite.call(), &name, &steps).await? {
            Ok(resolved) => {
                let within = within.clone();
                let activation = composite.component(resolved, params, within).await?;
                activation.response.result.clone()
            }
            Err(message) => Response::error(Status::ApplicationError, &message).result,
        };
    }
}

/// The component that a conductor has named; or what to tell the conductor instead.
async fn component(
    inner: &Inner,
    call: &Call,
    name: &RawValue,
    steps: &Steps,
) -> Result<Result<Resolved, String>, End> {
    let Some(named) = conductor::component(name, &call.identity.namespace) else {
        return Ok(Err(format!(
            "Failed to parse action name from json value {name} during composition."
        )));
    };
    if steps.components.is_used_up() {
        return Ok(Err(TOO_MANY.to_string()));
    }
    let resolved = match resolve(inner, call, &named).await {
        Ok(resolved) => resolved,
        Err(Unresolved::Store(error)) => {
            log::error!("cannot read the component {named} of a composition: {error}");
            return Err(End::error(Status::InternalError, FAILED));
        }
        Err(Unresolved::Unavailable(reason)) => return Ok(Err(reason)),
        Err(Unresolved::NotEntitled) => {
            return Ok(Err(format!(
                "Failed entitlement check for action with name '{named}' during composition."
            )));
        }
        Err(Unresolved::Missing) => {
            return Ok(Err(format!(
                "Failed to resolve action with name '{named}' during composition."
            )));
        }
    };
    if Runner::of(&resolved.action) != Runner::Conductor {
        // A composition inside uses up calls of its conductor instead.
        steps.components.take();
    }
    Ok(Ok(resolved))
}

/// Why a component is not run.
enum Unresolved {
    NotEntitled,
    Missing,
    Unavailable(String),
    Store(CatalogError),
}

async fn resolve(inner: &Inner, call: &Call, name: &FullName) -> Result<Resolved, Unresolved> {
    let because = |error, otherwise| match error {
        AccessError::Catalog(error @ CatalogError::Store(_)) => Unresolved::Store(error),
        AccessError::Catalog(CatalogError::Unavailable(reason)) => Unresolved::Unavailable(reason),
        AccessError::Forbidden(_) => Unresolved::NotEntitled,
        AccessError::Catalog(_) => otherwise,
    };
    let catalog = &inner.catalog;
    let came = call.via.as_deref();
    let prepared = catalog.prepare(&call.identity, name, came).await;
    prepared.map_err(|error| because(error, Unresolved::Missing))?;
    if let Some(package) = name.package() {
        // The check of rights reads the package: a missing one fails it.
        catalog
            .resolve_package(&call.identity, name.namespace(), package)
            .map_err(|error| because(error, Unresolved::NotEntitled))?;
    }
    catalog
        .resolve_name(&call.identity, name)
        .map_err(|error| because(error, Unresolved::Missing))
}
