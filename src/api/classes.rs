//! What kinds of requests there are, for those who look at all of them.

use http_types::Method;

use super::path::{Resource, Route};
use crate::metrics;

/// Under what a request is counted.
pub(super) const fn counted_as(route: &Route<'_>) -> metrics::Route {
    match route {
        Route::Info
        | Route::Ping
        | Route::Invokers
        | Route::HealthyInvokers
        | Route::InvokersReady
        | Route::Running
        | Route::Metrics
        | Route::Disable
        | Route::ApiInfo
        | Route::ApiDocs
        | Route::ServerDocs
        | Route::DocsPage => metrics::Route::System,
        Route::Web(_) => metrics::Route::Web,
        Route::Gateway(..) => metrics::Route::Gateway,
        Route::Unknown => metrics::Route::Unknown,
        Route::Api(resource) => match resource {
            Resource::Namespaces => metrics::Route::Namespaces,
            Resource::Limits(_) | Resource::InnerLimits(_) => metrics::Route::Limits,
            Resource::Actions(_) | Resource::PackageActions(..) => metrics::Route::Actions,
            Resource::Action(..) | Resource::PackagedAction(..) => metrics::Route::Action,
            Resource::Packages(_) => metrics::Route::Packages,
            Resource::Package(..) => metrics::Route::Package,
            Resource::Triggers(_) => metrics::Route::Triggers,
            Resource::Trigger(..) => metrics::Route::Trigger,
            Resource::Rules(_) => metrics::Route::Rules,
            Resource::Rule(..) => metrics::Route::Rule,
            Resource::Activations(_) => metrics::Route::Activations,
            Resource::Activation(..) => metrics::Route::Activation,
            Resource::Unknown => metrics::Route::Unknown,
        },
    }
}

/// Whether a request would have something run.
pub(super) fn starts_work(route: &Route<'_>, method: Method) -> bool {
    match counted_as(route) {
        metrics::Route::Action | metrics::Route::Trigger => method == Method::Post,
        metrics::Route::Web | metrics::Route::Gateway => method != Method::Options,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::route;
    use super::*;

    #[test]
    fn what_runs_something() {
        let starts = |path, method| starts_work(&route(path), method);
        for path in [
            "/api/v1/namespaces/_/actions/a",
            "/api/v1/namespaces/_/actions/p/a",
            "/api/v1/namespaces/_/triggers/t",
        ] {
            assert!(starts(path, Method::Post), "{path}");
            assert!(
                !starts(path, Method::Get) && !starts(path, Method::Put),
                "{path}"
            );
        }
        assert!(starts("/api/v1/web/guest/default/a", Method::Get));
        assert!(!starts("/api/v1/web/guest/default/a", Method::Options));
        assert!(!starts("/api/v1/namespaces/_/rules/r", Method::Post));
        assert!(!starts("/ping", Method::Post));
    }

    #[test]
    fn names_do_not_make_classes() {
        let class = |path| counted_as(&route(path));
        assert_eq!(class("/ping"), metrics::Route::System);
        assert_eq!(
            class("/api/v1/namespaces/a/actions/b"),
            class("/api/v1/namespaces/c/actions/d/e")
        );
        assert_eq!(class("/api/v1/namespaces/a/x"), metrics::Route::Unknown);
    }
}
