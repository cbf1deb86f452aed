//! The entity that a path names.

use super::auth;
use super::dispatch::Request;
use super::error::ApiError;

/// The entity, directly in a namespace, that a path names.
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

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is the caller's own.
    pub(super) fn check_owner(&self, request: &Request) -> Result<(), ApiError> {
        auth::own(&request.identity, &self.namespace, &self.path)
    }
}
