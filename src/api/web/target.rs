//! Which web action a path means (reference section 6.1).

use super::extension::Extension;
use crate::api::path::Encoded;
use crate::entity::names::NO_PACKAGE;

/// What a web action's path says. Whether there is such an action is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Target {
    /// Its namespace: who it runs as, and who pays.
    pub(in crate::api) namespace: String,
    /// Its package or binding; none if it is in neither.
    pub(in crate::api) package: Option<String>,
    /// Its name without the extension.
    pub(in crate::api) action: String,
    /// What its result is answered as.
    pub(super) extension: Extension,
    /// What follows it, leading slash included, percent-encoded as it came.
    pub(super) rest: String,
}

impl Target {
    /// Takes `/api/v1/web/{ns}/{pkg|default}/{action}[.ext][/rest]` apart; none if the path has
    /// another form, or names that nothing can have.
    pub(in crate::api) fn of(path: &str) -> Option<Self> {
        let path = path.trim_start_matches('/').strip_prefix("api/v1/web/")?;
        let (namespace, path) = path.split_once('/')?;
        let (package, path) = path.split_once('/')?;
        let (segment, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        let name = |encoded| Encoded(encoded).entity().ok();
        let package = name(package)?;
        let segment = name(segment)?;
        let (action, extension) = Extension::split(&segment);
        Some(Target {
            namespace: name(namespace)?.into_owned(),
            package: (package != NO_PACKAGE).then(|| package.into_owned()),
            action: action.into(),
            extension,
            rest: rest.into(),
        })
    }

    /// The action's path: `ns/[package/]name`.
    pub(in crate::api) fn path(&self) -> String {
        match &self.package {
            Some(package) => format!("{}/{package}/{}", self.namespace, self.action),
            None => format!("{}/{}", self.namespace, self.action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let of = |path: &str| Target::of(path).unwrap();
        let target = of("/api/v1/web/guest/default/a.json");
        assert_eq!((&*target.namespace, &*target.action), ("guest", "a"));
        assert_eq!((target.package, target.extension), (None, Extension::Json));
        let target = of("//api/v1/web/a%20b/p/c.d");
        assert_eq!((&*target.namespace, &*target.action), ("a b", "c.d"));
        assert_eq!(target.package.as_deref(), Some("p"));
        assert_eq!(target.extension, Extension::Http);
        // 11.11-256
        for (path, rest) in [
            ("a", ""),
            ("a.http/", "/"),
            ("a/content", "/content"),
            ("a/b.json//c%20/", "/b.json//c%20/"),
        ] {
            let target = of(&format!("/api/v1/web/guest/default/{path}"));
            assert_eq!((&*target.action, &*target.rest), ("a", rest));
        }
    }

    #[test]
    fn other_forms() {
        // 11.11-248
        for path in [
            "",
            "/guest",
            "/guest/",
            "/guest/default",
            "/guest/default/",
            "/guest/default//a",
            "//default/a",
            "/guest//a",
            "/guest/default/-a",
            "/guest/default/a%2Fb",
            "/guest/default/%ff",
            "/gu%00est/default/a",
        ] {
            assert_eq!(Target::of(&format!("/api/v1/web{path}")), None, "{path}");
        }
        assert_eq!(Target::of("/api/v1/namespaces/_/actions/a"), None);
        assert_eq!(Target::of("/x/api/v1/web/guest/default/a"), None);
    }
}
