//! The one entity that a path names.

use crate::api::path::Resource;
use crate::store::Collection;

/// An entity, as a path names it. Whether it is there is another question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) collection: Collection,
    pub(super) namespace: String,
    /// The package that it is in.
    pub(super) package: Option<String>,
    pub(super) name: String,
}

impl Entity {
    /// What a resource names; none if that is not one entity, or the names are none that anything
    /// can have. `own` is the caller's namespace.
    pub(super) fn of(resource: Resource<'_>, own: &str) -> Option<Self> {
        let (collection, namespace, package, name) = match resource {
            Resource::Action(namespace, name) => (Collection::Actions, namespace, None, name),
            Resource::PackagedAction(namespace, package, name) => {
                (Collection::Actions, namespace, Some(package), name)
            }
            Resource::Package(namespace, name) => (Collection::Packages, namespace, None, name),
            Resource::Trigger(namespace, name) => (Collection::Triggers, namespace, None, name),
            Resource::Rule(namespace, name) => (Collection::Rules, namespace, None, name),
            _ => return None,
        };
        let package = package.map(|package| package.entity()).transpose().ok()?;
        Some(Entity {
            collection,
            namespace: namespace.namespace(own).ok()?.into_owned(),
            package: package.map(Into::into),
            name: name.entity().ok()?.into_owned(),
        })
    }

    /// `ns/[package/]name`
    pub(super) fn path(&self) -> String {
        match &self.package {
            Some(package) => format!("{}/{package}/{}", self.namespace, self.name),
            None => format!("{}/{}", self.namespace, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::path::{Route, route};

    #[test]
    fn names_are_decoded_and_checked() {
        let of = |path: &str| match route(&format!("/api/v1/namespaces/{path}")) {
            Route::Api(resource) => Entity::of(resource, "me"),
            other => panic!("{path}: {other:?}"),
        };
        let path = |text: &str| of(text).map(|entity| entity.path());
        assert_eq!(path("_/actions/a%20b").as_deref(), Some("me/a b"));
        assert_eq!(path("x/actions/p/a").as_deref(), Some("x/p/a"));
        assert_eq!(of("_/rules/r").unwrap().collection, Collection::Rules);
        for none in [
            "_/actions/%ff",
            "_/actions/p/%2f",
            "_/actions",
            "_/packages/p%00",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
