//! Sequences at run time (reference section 5.2).

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Inner;
use super::account::Form;
use super::composite::{Composite, NoResult};
use super::run::Flown;
use super::within::Within;
use crate::catalog::{AccessError, CatalogError};
use crate::entity::{FullName, Members, Response, Status};

const TOO_MANY: &str = "Too many actions in the sequence.";
const MISSING: &str = "Sequence component does not exist.";
const FAILED: &str = "Sequence failed.";

impl Inner {
    /// Begins a sequence, and then carries it through: its components one after another, each with the result of the
    /// one before.
    pub(super) fn sequence(
        self: Arc<Self>,
        flown: Flown,
        within: Within,
    ) -> impl Future<Output = ()> {
        let mut composite = Composite::begin(self, flown, Form::Sequence);
        async move {
            composite.begun().await;
            let action = composite.call().action.clone();
            let components = action.exec.components().unwrap_or_default();
            let response = run(&mut composite, components, &within).await;
            composite.end(response).await;
        }
    }
}

async fn run(composite: &mut Composite, components: &[FullName], within: &Within) -> Response {
    let length = composite.inner().settings.sequence_length;
    let Some((within, atoms)) = within.sequence(length) else {
        return Response::error(Status::ApplicationError, TOO_MANY);
    };
    let mut payload = composite.call().payload.clone();
    let mut last = None;
    for name in components {
        if atoms.is_used_up() {
            return Response::error(Status::ApplicationError, TOO_MANY);
        }
        let catalog = &composite.inner().catalog;
        let identity = &composite.call().identity;
        let came = composite.call().via.as_deref();
        let prepared = catalog.prepare(identity, name, came).await;
        let resolved = match prepared.and_then(|()| catalog.resolve_name(identity, name)) {
            Ok(resolved) => resolved,
            Err(error) => return unresolved(name, &error),
        };
        if resolved.action.exec.components().is_none() {
            // A sequence inside uses up what its own components are.
            atoms.take();
        }
        // Dropped before the next one runs: results may be large.
        drop(last.take());
        let activation = match composite.component(resolved, payload, within.clone()).await {
            Ok(activation) => activation,
            Err(no_result) => return without_result(&no_result),
        };
        payload = match after(&activation.response) {
            After::Stop => return activation.response.clone(),
            After::Next(payload) => payload.map(ToOwned::to_owned),
        };
        last = Some(activation);
    }
    match last {
        Some(activation) => activation.response.clone(),
        None => Response::error(Status::InternalError, FAILED),
    }
}

/// What the response of a component means for the sequence.
#[derive(Debug)]
enum After<'a> {
    /// It ends here, with that response.
    Stop,
    /// The next component gets this.
    Next(Option<&'a RawValue>),
}

/// A result with a key `error` stops, whatever its status. Objects and arrays are handed on.
fn after(response: &Response) -> After<'_> {
    let Some(result) = response.result.as_deref() else {
        return After::Next(None);
    };
    match Members::of(result) {
        Ok(members) if members.get("error").is_some() => After::Stop,
        Ok(_) => After::Next(Some(result)),
        Err(_) => After::Next(Some(result).filter(|result| result.get().starts_with('['))),
    }
}

/// A component that is gone, or is not the caller's to run any more, ends the sequence.
fn unresolved(name: &FullName, error: &AccessError) -> Response {
    if let AccessError::Catalog(CatalogError::Unavailable(reason)) = error {
        return Response::error(Status::ApplicationError, reason);
    }
    if let AccessError::Catalog(CatalogError::Store(error)) = error {
        log::error!("cannot read the component {name} of a sequence: {error}");
        return Response::error(Status::InternalError, FAILED);
    }
    Response::error(Status::ApplicationError, MISSING)
}

fn without_result(no_result: &NoResult) -> Response {
    let message = match no_result {
        NoResult::Late(id) => {
            format!("Timeout reached when retrieving activation {id} for sequence component.")
        }
        NoResult::Lost => FAILED.to_string(),
    };
    Response::error(Status::InternalError, &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::ActivationId;

    fn response(status: Status, result: Option<&str>) -> Response {
        Response {
            status,
            result: result.map(|text| RawValue::from_string(text.into()).unwrap()),
            size: None,
        }
    }

    #[test]
    fn what_is_handed_on() {
        // 11.9-223, 11.9-233
        for (result, next) in [
            (Some(r#"{"n":1.50}"#), Some(r#"{"n":1.50}"#)),
            (
                Some(r#"{"nested":{"error":1}}"#),
                Some(r#"{"nested":{"error":1}}"#),
            ),
            (Some(r#"[1,{"error":2}]"#), Some(r#"[1,{"error":2}]"#)),
            (Some("7"), None),
            (Some(r#""error""#), None),
            (None, None),
        ] {
            match after(&response(Status::Success, result)) {
                After::Next(payload) => assert_eq!(payload.map(RawValue::get), next),
                After::Stop => panic!("{result:?} does not stop"),
            }
        }
    }

    #[test]
    fn what_stops() {
        // 11.9-227
        for status in [
            Status::Success,
            Status::ApplicationError,
            Status::InternalError,
        ] {
            let response = response(status, Some(r#"{"a":1,"error":null}"#));
            assert!(matches!(after(&response), After::Stop), "{status:?}");
        }
    }

    #[test]
    fn no_result_is_an_internal_error() {
        let text = |no_result| {
            let response = without_result(&no_result);
            assert_eq!(response.status, Status::InternalError);
            response.result.unwrap().get().to_string()
        };
        assert_eq!(text(NoResult::Lost), r#"{"error":"Sequence failed."}"#);
        let id = ActivationId::from_bytes([0x40; 16]);
        assert_eq!(
            text(NoResult::Late(id)),
            format!(
                r#"{{"error":"Timeout reached when retrieving activation {id} for sequence component."}}"#
            )
        );
    }
}
