//! Where requests are answered while there is a master.

use http_types::Method;

use crate::api::path::Resource;
use crate::builtin;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// It is answered here, as without a master.
    Here,
    /// It is answered here, when the copy of what it names is as fresh as it must be.
    Copied,
    /// An action is invoked here, when the copy is as fresh as it must be.
    Run,
    /// A trigger is fired: here, if all that it leads to can run here, else there.
    Fired,
    /// The master answers it; while it is out of reach, the copies do.
    Passed,
    /// It changes something: the master first.
    Written,
    /// A list of activations: those here and the master's.
    Activations,
    /// An activation: one here, or the master's.
    Activation,
    /// The master answers it, or nobody.
    Forwarded,
}

/// What becomes of a request for a resource.
pub(super) fn policy(method: Method, resource: Resource<'_>) -> Policy {
    let policy = by_table(method, resource);
    match policy {
        Policy::Copied | Policy::Run | Policy::Passed | Policy::Written
            if is_built_in(resource) =>
        {
            Policy::Here
        }
        policy => policy,
    }
}

fn by_table(method: Method, resource: Resource<'_>) -> Policy {
    use Method::{Delete, Get, Post, Put};
    match (resource, method) {
        (Resource::Namespaces | Resource::Limits(_) | Resource::InnerLimits(_), Get) => {
            Policy::Here
        }
        (
            Resource::Actions(_)
            | Resource::PackageActions(..)
            | Resource::Packages(_)
            | Resource::Package(..)
            | Resource::Triggers(_)
            | Resource::Rules(_),
            Get,
        ) => Policy::Passed,
        (
            Resource::Action(..)
            | Resource::PackagedAction(..)
            | Resource::Trigger(..)
            | Resource::Rule(..),
            Get,
        ) => Policy::Copied,
        (
            Resource::Action(..)
            | Resource::PackagedAction(..)
            | Resource::Package(..)
            | Resource::Trigger(..)
            | Resource::Rule(..),
            Put | Delete,
        )
        | (Resource::Rule(..), Post) => Policy::Written,
        (Resource::Action(..) | Resource::PackagedAction(..), Post) => Policy::Run,
        (Resource::Trigger(..), Post) => Policy::Fired,
        (Resource::Activations(_), Get) => Policy::Activations,
        (Resource::Activation(..), Get) => Policy::Activation,
        _ => Policy::Forwarded,
    }
}

/// Whether a resource is part of the server itself.
fn is_built_in(resource: Resource<'_>) -> bool {
    let (namespace, package) = match resource {
        Resource::Package(namespace, package)
        | Resource::PackageActions(namespace, package)
        | Resource::PackagedAction(namespace, package, _) => (namespace, package),
        _ => return false,
    };
    namespace.decode() == builtin::NAMESPACE
        && builtin::holds(&format!("{}/{}", builtin::NAMESPACE, package.decode()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::path::{Route, route};

    fn of(method: Method, path: &str) -> Policy {
        match route(&format!("/api/v1/{path}")) {
            Route::Api(resource) => policy(method, resource),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn the_table() {
        use Method::{Delete, Get, Patch, Post, Put};
        for (methods, path, expected) in [
            (&[Get][..], "namespaces", Policy::Here),
            (&[Get], "namespaces/_/limits", Policy::Here),
            (&[Put], "namespaces/_/limits", Policy::Forwarded),
            (&[Get], "namespaces/_/actions", Policy::Passed),
            (&[Get], "namespaces/_/actions/p/", Policy::Passed),
            (&[Get], "namespaces/_/actions/a", Policy::Copied),
            (&[Get], "namespaces/x/actions/p/a", Policy::Copied),
            (&[Put, Delete], "namespaces/_/actions/p/a", Policy::Written),
            (&[Post], "namespaces/x/actions/p/a", Policy::Run),
            (&[Patch], "namespaces/_/actions/a", Policy::Forwarded),
            (&[Get], "namespaces/_/packages", Policy::Passed),
            (&[Get], "namespaces/_/packages/p", Policy::Passed),
            (&[Post], "namespaces/_/packages/refresh", Policy::Forwarded),
            (&[Put, Delete], "namespaces/_/packages/p", Policy::Written),
            (&[Get], "namespaces/_/triggers/t", Policy::Copied),
            (&[Put, Delete], "namespaces/_/triggers/t", Policy::Written),
            (&[Post], "namespaces/_/triggers/t", Policy::Fired),
            (&[Get], "namespaces/_/rules/r", Policy::Copied),
            (
                &[Put, Delete, Post],
                "namespaces/_/rules/r",
                Policy::Written,
            ),
            (&[Get], "namespaces/_/activations", Policy::Activations),
            (
                &[Get],
                "namespaces/_/activations/a/logs",
                Policy::Activation,
            ),
            (&[Post], "namespaces/_/activations/a", Policy::Forwarded),
            (&[Get, Post], "namespaces/_/apis", Policy::Forwarded),
            (&[Get], "anything", Policy::Forwarded),
        ] {
            for method in methods {
                assert_eq!(of(*method, path), expected, "{method} {path}");
            }
        }
    }

    #[test]
    fn what_is_built_in_stays_here() {
        use Method::{Get, Post, Put};
        for (method, path) in [
            (Get, "packages/utils"),
            (Put, "packages/utils"),
            (Get, "actions/utils/"),
            (Get, "actions/utils/echo"),
            (Post, "actions/utils/echo"),
        ] {
            let path = format!("namespaces/whisk.system/{path}");
            assert_eq!(of(method, &path), Policy::Here, "{method} {path}");
        }
        let other = "namespaces/whisk.system/actions/cloud/a";
        assert_eq!(of(Post, other), Policy::Run);
        assert_eq!(of(Get, "namespaces/whisk.system/packages"), Policy::Passed);
    }
}
