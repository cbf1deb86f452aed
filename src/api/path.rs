//! Which resource a path means (reference sections 1.1 and 1.12).

use std::borrow::Cow;

use super::error::ApiError;
use super::web::Target;
use crate::entity::names;

/// What a path means. Names are still percent-encoded: a key is checked before names are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/`
    Info,
    /// `/ping`
    Ping,
    /// `/invokers`
    Invokers,
    /// `/invokers/healthy/count`
    HealthyInvokers,
    /// `/invokers/ready`
    InvokersReady,
    /// `/activation` and `/activation/count`
    Running,
    /// `/metrics`
    Metrics,
    /// `/disable`
    Disable,
    /// `/api/v1`
    ApiInfo,
    /// `/api/v1/api-docs`
    ApiDocs,
    /// `/api-docs`
    ServerDocs,
    /// `/docs` and `/api/v1/docs`
    DocsPage,
    /// `/api/v1/web/{ns}/{package}/{action}` and below; its names are checked.
    Web(Target),
    /// `/api/{ns}` and below: a request to an API of the API gateway. What stands behind the
    /// namespace, leading slash included.
    Gateway(Encoded<'a>, &'a str),
    /// Anything else under `/api/v1`: needs a key, whether it is there or not.
    Api(Resource<'a>),
    /// Anything else.
    Unknown,
}

/// A resource under `/api/v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    /// `/namespaces`
    Namespaces,
    /// `/namespaces/{ns}/limits`
    Limits(Encoded<'a>),
    /// `/namespaces/{ns}/limits/{x}`
    InnerLimits(Encoded<'a>),
    /// `/namespaces/{ns}/actions`
    Actions(Encoded<'a>),
    /// `/namespaces/{ns}/actions/{name}`
    Action(Encoded<'a>, Encoded<'a>),
    /// `/namespaces/{ns}/actions/{package}/`
    PackageActions(Encoded<'a>, Encoded<'a>),
    /// `/namespaces/{ns}/actions/{package}/{name}`
    PackagedAction(Encoded<'a>, Encoded<'a>, Encoded<'a>),
    /// `/namespaces/{ns}/activations`
    Activations(Encoded<'a>),
    /// `/namespaces/{ns}/activations/{id}` and below
    Activation(Encoded<'a>, Encoded<'a>, View),
    /// `/namespaces/{ns}/packages`
    Packages(Encoded<'a>),
    /// `/namespaces/{ns}/packages/{name}`; `POST .../packages/refresh` is no package.
    Package(Encoded<'a>, Encoded<'a>),
    /// `/namespaces/{ns}/triggers`
    Triggers(Encoded<'a>),
    /// `/namespaces/{ns}/triggers/{name}`
    Trigger(Encoded<'a>, Encoded<'a>),
    /// `/namespaces/{ns}/rules`
    Rules(Encoded<'a>),
    /// `/namespaces/{ns}/rules/{name}`
    Rule(Encoded<'a>, Encoded<'a>),
    /// Nothing.
    Unknown,
}

/// Which part of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// All of it.
    Record,
    /// `/result`
    Result,
    /// `/logs`
    Logs,
}

/// What a path means.
pub(super) fn route(path: &str) -> Route<'_> {
    // Clients whose API host ends with a slash send two of them.
    let path = path.trim_start_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    match segments.as_slice() {
        [""] => Route::Info,
        ["ping"] => Route::Ping,
        ["invokers"] | ["invokers", ""] => Route::Invokers,
        ["invokers", "healthy", "count"] => Route::HealthyInvokers,
        ["invokers", "ready"] => Route::InvokersReady,
        ["activation"] | ["activation", "count"] => Route::Running,
        ["metrics"] => Route::Metrics,
        ["disable"] => Route::Disable,
        ["api", "v1"] | ["api", "v1", ""] => Route::ApiInfo,
        ["api", "v1", "api-docs"] => Route::ApiDocs,
        ["api-docs"] => Route::ServerDocs,
        ["docs"] | ["api", "v1", "docs"] => Route::DocsPage,
        ["api", "v1", "web", _, _, _, ..] => {
            Target::of(path).map_or(Route::Api(Resource::Unknown), Route::Web)
        }
        ["api", "v1", rest @ ..] => Route::Api(resource(rest)),
        ["api", namespace, ..] if !namespace.is_empty() => {
            Route::Gateway(Encoded(namespace), &path["api/".len() + namespace.len()..])
        }
        _ => Route::Unknown,
    }
}

fn resource<'a>(segments: &[&'a str]) -> Resource<'a> {
    match *segments {
        ["namespaces"] | ["namespaces", ""] => Resource::Namespaces,
        ["namespaces", namespace, collection, ref rest @ ..] => {
            inside(Encoded(namespace), collection, rest)
        }
        _ => Resource::Unknown,
    }
}

fn inside<'a>(namespace: Encoded<'a>, collection: &str, rest: &[&'a str]) -> Resource<'a> {
    match (collection, rest) {
        ("limits", [] | &[""]) => Resource::Limits(namespace),
        ("limits", &[_]) => Resource::InnerLimits(namespace),
        ("actions", [] | &[""]) => Resource::Actions(namespace),
        ("actions", &[name]) => Resource::Action(namespace, Encoded(name)),
        ("actions", &[package, ""]) => Resource::PackageActions(namespace, Encoded(package)),
        ("actions", &[package, name]) => {
            Resource::PackagedAction(namespace, Encoded(package), Encoded(name))
        }
        ("activations", [] | &[""]) => Resource::Activations(namespace),
        ("activations", &[id] | &[id, ""]) => {
            Resource::Activation(namespace, Encoded(id), View::Record)
        }
        ("activations", &[id, "result"]) => {
            Resource::Activation(namespace, Encoded(id), View::Result)
        }
        ("activations", &[id, "logs"]) => Resource::Activation(namespace, Encoded(id), View::Logs),
        ("packages", [] | &[""]) => Resource::Packages(namespace),
        ("packages", &[name]) => Resource::Package(namespace, Encoded(name)),
        ("triggers", [] | &[""]) => Resource::Triggers(namespace),
        ("triggers", &[name]) => Resource::Trigger(namespace, Encoded(name)),
        ("rules", [] | &[""]) => Resource::Rules(namespace),
        ("rules", &[name]) => Resource::Rule(namespace, Encoded(name)),
        _ => Resource::Unknown,
    }
}

/// A percent-encoded segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoded<'a>(pub(super) &'a str);

impl<'a> Encoded<'a> {
    /// The name of a namespace; `_` is the caller's.
    pub(super) fn namespace(self, own: &str) -> Result<Cow<'a, str>, ApiError> {
        if self.0 == "_" {
            return Ok(Cow::Owned(own.into()));
        }
        let name = self.decode();
        names::check_namespace(&name)?;
        Ok(name)
    }

    /// The name of an entity or a package.
    pub(super) fn entity(self) -> Result<Cow<'a, str>, ApiError> {
        let name = self.decode();
        names::check_entity_name(&name)?;
        Ok(name)
    }

    /// The text. What is not UTF-8 becomes a character that no name may have.
    pub(super) fn decode(self) -> Cow<'a, str> {
        if !self.0.contains('%') {
            return Cow::Borrowed(self.0);
        }
        let mut decoded = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_bytes();
        while let [first, tail @ ..] = rest {
            let byte = match tail {
                [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
                _ => None,
            };
            match byte {
                Some((high, low)) => {
                    decoded.push(high << 4 | low);
                    rest = &tail[2..];
                }
                None => {
                    decoded.push(*first);
                    rest = tail;
                }
            }
        }
        Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
    }
}

const fn hex(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(path: &str) -> Resource<'_> {
        match route(path) {
            Route::Api(resource) => resource,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn without_a_key() {
        assert_eq!(route("/"), Route::Info);
        assert_eq!(route("/ping"), Route::Ping);
        assert_eq!(route("/api/v1"), Route::ApiInfo);
        assert_eq!(route("/api/v1/"), Route::ApiInfo);
        assert_eq!(route("//api/v1/"), Route::ApiInfo);
        assert_eq!(route("/api/v1/api-docs"), Route::ApiDocs);
        assert_eq!(route("/api-docs"), Route::ServerDocs);
        assert_eq!(route("/docs"), Route::DocsPage);
        assert_eq!(route("/api/v1/docs"), Route::DocsPage);
        assert_eq!(route("/invokers/"), Route::Invokers);
        assert_eq!(route("/invokers/ready"), Route::InvokersReady);
        assert_eq!(route("/activation"), Route::Running);
        assert_eq!(route("/activation/count"), Route::Running);
        assert_eq!(route("/metrics"), Route::Metrics);
        assert_eq!(route("/disable"), Route::Disable);
        assert_eq!(route("/invokers/healthy/count"), Route::HealthyInvokers);
        let web = "/api/v1/web/guest/default/a.json/rest";
        assert_eq!(route(web), Route::Web(Target::of(web).unwrap()));
        assert_eq!(route(&format!("/{web}")), route(web));
        assert_eq!(route("/api"), Route::Unknown);
        assert_eq!(route("/ping/"), Route::Unknown);
        assert_eq!(route("/api/"), Route::Unknown);
        let guest = Encoded("guest");
        for rest in ["", "/", "/base/a%20b/", "//x"] {
            let path = format!("/api/guest{rest}");
            assert_eq!(route(&path), Route::Gateway(guest, rest));
        }
    }

    #[test]
    fn resources() {
        let (ns, a, p) = (Encoded("_"), Encoded("a"), Encoded("p"));
        assert_eq!(api("/api/v1/namespaces/"), Resource::Namespaces);
        let of = |rest: &str| format!("/api/v1/namespaces/_/{rest}");
        assert_eq!(api(&of("limits/")), Resource::Limits(ns));
        assert_eq!(api(&of("limits/x")), Resource::InnerLimits(ns));
        assert_eq!(api(&of("actions")), Resource::Actions(ns));
        assert_eq!(api(&of("actions/")), Resource::Actions(ns));
        assert_eq!(api(&of("actions/a")), Resource::Action(ns, a));
        assert_eq!(api(&of("actions/p/")), Resource::PackageActions(ns, p));
        assert_eq!(api(&of("actions/p/a")), Resource::PackagedAction(ns, p, a));
        let activation = |view| Resource::Activation(ns, a, view);
        assert_eq!(api(&of("activations/a")), activation(View::Record));
        assert_eq!(api(&of("activations/a/")), activation(View::Record));
        assert_eq!(api(&of("activations/a/logs")), activation(View::Logs));
        assert_eq!(api(&of("activations/a/result")), activation(View::Result));
        assert_eq!(api(&of("packages/")), Resource::Packages(ns));
        assert_eq!(api(&of("packages/p")), Resource::Package(ns, p));
        assert_eq!(api(&of("triggers")), Resource::Triggers(ns));
        assert_eq!(api(&of("triggers/a")), Resource::Trigger(ns, a));
        assert_eq!(api(&of("rules/")), Resource::Rules(ns));
        assert_eq!(api(&of("rules/a")), Resource::Rule(ns, a));
        for unknown in [
            "",
            "x",
            "actions/p/a/",
            "actions/p/a/b",
            "activations/a/logs/",
            "activations/a/bogus",
            "triggers/t/",
        ] {
            assert_eq!(api(&of(unknown)), Resource::Unknown, "{unknown}");
        }
        assert_eq!(api("/api/v1/namespaces/_"), Resource::Unknown);
        assert_eq!(api("/api/v1/x"), Resource::Unknown);
        assert_eq!(api("/api/v1/web/guest/default"), Resource::Unknown);
        assert_eq!(api("/api/v1/web/guest/default/-"), Resource::Unknown);
    }

    #[test]
    fn decoding() {
        let decoded = |text| Encoded(text).decode().into_owned();
        assert_eq!(decoded("a%20b"), "a b");
        assert_eq!(decoded("a%2Fb%2f"), "a/b/");
        assert_eq!(decoded("%"), "%");
        assert_eq!(decoded("%4"), "%4");
        assert_eq!(decoded("%zz%41"), "%zzA");
        assert_eq!(decoded("%c3%a9"), "é");
        assert_eq!(decoded("%ff"), "\u{fffd}");
        assert!(Encoded("%ff").entity().is_err());
        assert_eq!(Encoded("_").namespace("guest").unwrap(), "guest");
        assert_eq!(Encoded("a%20b").namespace("guest").unwrap(), "a b");
    }
}
