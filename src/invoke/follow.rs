//! What following a rule comes to: its action is invoked by the way that every caller takes, or
//! the reason why not (reference sections 3.6.2 and 3.6.3).

use std::sync::Arc;

use serde_json::value::RawValue;
use smol::lock::SemaphoreGuardArc;

use super::{Call, InvokeError, Invoker, Throttled, admission};
use crate::catalog::{AccessError, CatalogError};
use crate::entity::{ActivationId, FullName, Identity, Status};

/// Why a rule's action was not invoked.
#[derive(Debug)]
pub(super) struct Failure {
    /// What OpenWhisk makes of the status that a caller would have got: an application error of
    /// 4xx, an internal one of 5xx.
    pub(super) status: Status,
    /// What a caller would have been told.
    pub(super) message: String,
}

impl Failure {
    /// The platform failed.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Failure {
            status: Status::InternalError,
            message: message.into(),
        }
    }

    fn application(message: impl ToString) -> Self {
        Failure {
            status: Status::ApplicationError,
            message: message.to_string(),
        }
    }
}

impl From<Throttled> for Failure {
    fn from(throttled: Throttled) -> Self {
        Self::application(throttled)
    }
}

impl From<admission::Refused> for Failure {
    fn from(refused: admission::Refused) -> Self {
        match refused {
            admission::Refused::Access(error) => error.into(),
            refused => Self::application(refused),
        }
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Catalog(
                CatalogError::Corrupt | CatalogError::Unavailable(_) | CatalogError::Store(_),
            ) => Self::internal(error.to_string()),
            error => Self::application(error),
        }
    }
}

impl From<InvokeError> for Failure {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Overloaded(text) | InvokeError::Taken(text) => Self::application(text),
            InvokeError::Unavailable(text) => Self::internal(text),
        }
    }
}

/// The invocation that an active rule asks for.
pub(super) struct Following {
    /// Who has fired the trigger.
    pub(super) identity: Arc<Identity>,
    /// The rule's action.
    pub(super) action: FullName,
    /// What it is given.
    pub(super) arguments: Box<RawValue>,
    /// The id that its activation gets.
    pub(super) activation: ActivationId,
    /// Transaction id of the request that has fired the trigger.
    pub(super) transaction_id: String,
    /// The OWLs that the request has come through.
    pub(super) via: Option<Box<str>>,
    /// Given back when the activation has ended.
    pub(super) held: SemaphoreGuardArc,
}

impl Invoker {
    /// Invokes a rule's action, without waiting for its result. The order of the checks is that of
    /// sections 1.5 and 4.2.
    pub(super) async fn follow(&self, rule: Following) -> Result<ActivationId, Failure> {
        let inner = &self.inner;
        let identity = rule.identity;
        let in_flight = self.in_flight(&identity.namespace);
        inner.throttles.invocation(&identity, in_flight)?;
        let catalog = &inner.catalog;
        let came = rule.via.as_deref();
        catalog.prepare(&identity, &rule.action, came).await?;
        let resolved = inner.catalog.resolve_name(&identity, &rule.action)?;
        let payload = Some(rule.arguments);
        admission::check(
            &inner.catalog,
            &inner.manifest.get(),
            &identity,
            &resolved.action,
            payload.as_deref(),
            || self.has_tiers(),
        )?;
        let mut call = Call::new(identity, resolved, payload, rule.transaction_id, None);
        call.via = rule.via;
        call.held = Some(rule.held);
        self.invoke_as(rule.activation, call).await?;
        Ok(rule.activation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_would_have_been_told() {
        let application = [
            Failure::from(AccessError::Catalog(CatalogError::Missing)),
            AccessError::Forbidden("o/a".into()).into(),
            AccessError::Catalog(CatalogError::OtherCollection).into(),
            admission::Refused::Reserved.into(),
            InvokeError::Overloaded("full".into()).into(),
        ];
        let texts = [
            "The requested resource does not exist.",
            "The supplied authentication is not authorized to access 'o/a'.",
            "Resource by this name exists but is not in this collection.",
            "Request defines parameters that are not allowed (e.g., reserved properties).",
            "full",
        ];
        for (failure, text) in application.iter().zip(texts) {
            assert_eq!(
                (failure.status, failure.message.as_str()),
                (Status::ApplicationError, text)
            );
        }
        for failure in [
            Failure::from(AccessError::Catalog(CatalogError::Corrupt)),
            InvokeError::Unavailable("stopping".into()).into(),
        ] {
            assert_eq!(failure.status, Status::InternalError);
        }
    }
}
