//! From a request to the resource that answers it.

use std::sync::Arc;
use std::time::Instant;

use http_types::headers::ACCEPT;
use http_types::{Method, Response, StatusCode};
use hyper::header::HeaderName;

use super::error::ApiError;
use super::path::{Resource, Route, route};
use super::target::Target;
use super::{
    State, actions, activations, auth, body, classes, docs, gateway, invoke, limits, master,
    namespaces, operator, packages, reply, rules, system, transaction, triggers, web,
};
use crate::catalog::Catalog;
use crate::entity::Identity;
use crate::http::server::Beyond;
use crate::invoke::Throttled;
use crate::store::Change;

/// A request whose caller is known.
pub(super) struct Request {
    pub(super) http: tide::Request<State>,
    pub(super) identity: Arc<Identity>,
    pub(super) transaction: String,
    /// Where the entities are.
    catalog: Catalog,
    /// Whether it has been counted as an invocation.
    is_counted: bool,
}

impl Request {
    /// Whether an action of a package may be shown that the caller may read: with a master, of
    /// others' packages what the caller's key has fetched.
    pub(super) fn shows(&self, action: &str) -> bool {
        let Some(master) = self.http.state().master() else {
            return true;
        };
        let shows = master.copies.shows(&self.identity, action);
        shows.unwrap_or_else(|error| {
            log::error!("{action} is left out of a list: {error}");
            false
        })
    }

    /// Counts an invocation of the caller against its rate and its concurrency, once.
    ///
    /// # Errors
    /// It has to come later.
    pub(super) fn count_invocation(&mut self) -> Result<(), Throttled> {
        if !self.is_counted {
            self.http.state().throttle_invocation(&self.identity)?;
            self.is_counted = true;
        }
        Ok(())
    }

    /// Where the entities are, for this request.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Has these changes made in the commit of the write that this request makes.
    pub(super) fn go_along_with(&mut self, companions: Vec<Change>) {
        self.catalog = self.catalog.along_with(companions);
    }
}

type Answer = Result<Response, ApiError>;

/// Answers any request.
pub(super) async fn serve(request: tide::Request<State>) -> tide::Result {
    let received = Instant::now();
    let method = request.method();
    let state = request.state().clone();
    let transaction = transaction::id(request.header(transaction::HEADER));
    // A copy, because the request is handed on while the route is looked at.
    let path = request.url().path().to_string();
    let route = route(&path);
    let counted_as = classes::counted_as(&route);
    let is_api = matches!(route, Route::ApiInfo | Route::Api(_));
    let (mut response, handled) = match answer(request, route, &transaction).await {
        Ok(response) => (response, true),
        Err(error) => {
            let handled = !error.is_rejection();
            let error = error.known_if(state.is_offline());
            let mut response = error.into_response(&transaction);
            master::offline::mark_failure(&mut response, &state);
            (response, handled)
        }
    };
    if response.ext().get::<master::Unchanged>().is_none() {
        if is_api && handled {
            reply::allow_origins(&mut response, reply::API_METHODS);
        }
        let header = HeaderName::from_static(transaction::HEADER);
        reply::add(&mut response, header, transaction);
    }
    state.operations().metrics.requests.add(
        counted_as,
        method.as_ref(),
        Beyond::status_of(&response),
        received.elapsed(),
    );
    Ok(response.into())
}

async fn answer(request: tide::Request<State>, route: Route<'_>, transaction: &str) -> Answer {
    let method = request.method();
    if let Some(via) = request.state().via()
        && let Some(came) = master::via_of(&request)
    {
        // Before the key: the question about it may be what has come round.
        via.check(&came)?;
    }
    if classes::starts_work(&route, method) {
        request.state().operations().check_enabled()?;
    }
    let resource = match route {
        // First, as these have OPTIONS of their own.
        Route::Web(target) => {
            return match request.state().master().cloned() {
                None => Ok(web::serve(request, target, transaction).await),
                Some(master) => master::web::serve(request, master, target, transaction).await,
            };
        }
        Route::Gateway(namespace, rest) => {
            return gateway::serve(request, namespace, rest, transaction).await;
        }
        _ if method == Method::Options => {
            let mut response = reply::text("OK");
            reply::allow_origins(&mut response, reply::SYSTEM_METHODS);
            return Ok(response);
        }
        Route::Api(resource) => resource,
        Route::Unknown => return Err(ApiError::no_route()),
        Route::Disable if method == Method::Post => {
            let authorization = request.header("Authorization");
            return operator::disable(request.state().operations(), authorization);
        }
        Route::Disable => return Err(operator::disable_only_by_post(request.state())),
        _ if method != Method::Get => return Err(ApiError::method("GET")),
        Route::Info => return Ok(system::info(request.state())),
        Route::Ping => return Ok(reply::text("pong")),
        Route::Invokers => return Ok(system::invokers(request.state())),
        Route::HealthyInvokers => return Ok(system::healthy_invokers(request.state())),
        Route::InvokersReady => return Ok(system::invokers_ready(request.state())),
        Route::Running => return Ok(system::running(request.state())),
        Route::Metrics => return operator::metrics(request.state(), request.peer_addr()),
        Route::ApiInfo => return Ok(system::api_info(request.state())),
        Route::ApiDocs => return Ok(docs::api()),
        Route::ServerDocs => return Ok(docs::server()),
        Route::DocsPage => return Ok(docs::page()),
    };
    let identity = auth::authenticate(&request).await?;
    let request = Request {
        catalog: request.state().catalog().clone(),
        http: request,
        identity,
        transaction: transaction.into(),
        is_counted: false,
    };
    match request.http.state().master().cloned() {
        None => resource_answer(request, method, resource).await,
        // In a box, so that the others do not carry what it needs.
        Some(master) => Box::pin(master::answer(request, master, method, resource)).await,
    }
}

/// Answers a request for a resource from what is here.
pub(super) async fn resource_answer(
    request: Request,
    method: Method,
    resource: Resource<'_>,
) -> Answer {
    check_accept(&request)?;
    let own = &*request.identity.namespace;
    match resource {
        Resource::Unknown => Err(ApiError::no_route()),
        Resource::Namespaces => match method {
            Method::Get => Ok(namespaces::list(&request)),
            _ => Err(ApiError::method("GET")),
        },
        Resource::Limits(namespace) => {
            let namespace = namespace.namespace(own)?;
            match method {
                Method::Get => limits::get(&request, &namespace),
                _ => Err(ApiError::method("GET")),
            }
        }
        Resource::InnerLimits(namespace) => {
            namespace.namespace(own)?;
            match method {
                Method::Get => Err(limits::inner()),
                _ => Err(ApiError::method("GET")),
            }
        }
        Resource::Actions(namespace) => {
            let namespace = namespace.namespace(own)?;
            match method {
                Method::Get => actions::list(&request, &namespace),
                _ => Err(ApiError::method("GET")),
            }
        }
        Resource::Action(namespace, name) => {
            let target = actions::Target::new(&namespace.namespace(own)?, None, &name.entity()?);
            action_answer(request, method, target).await
        }
        Resource::PackageActions(namespace, package) => {
            let namespace = namespace.namespace(own)?;
            let package = package.entity()?;
            match method {
                Method::Get => actions::list_package(&request, &namespace, &package),
                _ => Err(ApiError::no_route()),
            }
        }
        Resource::PackagedAction(namespace, package, name) => {
            let namespace = namespace.namespace(own)?;
            let target =
                actions::Target::new(&namespace, Some(&package.entity()?), &name.entity()?);
            action_answer(request, method, target).await
        }
        Resource::Packages(namespace) => {
            let namespace = namespace.namespace(own)?;
            match method {
                Method::Get => packages::list(&request, &namespace),
                _ => Err(ApiError::method("GET")),
            }
        }
        Resource::Package(namespace, name) => {
            let target = Target::new(&namespace.namespace(own)?, &name.entity()?);
            match method {
                Method::Get => packages::get(&request, &target),
                Method::Put => packages::put(request, target).await,
                Method::Delete => packages::delete(&request, &target).await,
                Method::Post if packages::is_refresh(&target) => {
                    packages::refresh(&request, &target)
                }
                _ => Err(ApiError::method("DELETE, GET, PUT")),
            }
        }
        Resource::Triggers(namespace) => {
            let namespace = namespace.namespace(own)?;
            match method {
                Method::Get => triggers::list(&request, &namespace),
                _ => Err(ApiError::method("GET")),
            }
        }
        Resource::Trigger(namespace, name) => {
            let target = Target::new(&namespace.namespace(own)?, &name.entity()?);
            match method {
                Method::Get => triggers::get(&request, &target),
                Method::Put => triggers::put(request, &target).await,
                Method::Delete => triggers::delete(&request, &target).await,
                Method::Post => triggers::post(request, &target).await,
                _ => Err(ApiError::method("DELETE, GET, POST, PUT")),
            }
        }
        Resource::Rules(namespace) => {
            let namespace = namespace.namespace(own)?;
            match method {
                Method::Get => rules::list(&request, &namespace),
                _ => Err(ApiError::method("GET")),
            }
        }
        Resource::Rule(namespace, name) => {
            let target = Target::new(&namespace.namespace(own)?, &name.entity()?);
            match method {
                Method::Get => rules::get(&request, &target),
                Method::Put => rules::put(request, &target).await,
                Method::Delete => rules::delete(&request, &target).await,
                Method::Post => rules::post(request, &target).await,
                _ => Err(ApiError::method("DELETE, GET, POST, PUT")),
            }
        }
        Resource::Activations(namespace) => {
            let namespace = namespace.namespace(own)?;
            match method {
                Method::Get => activations::list(&request, &namespace),
                _ => Err(ApiError::method("GET")),
            }
        }
        Resource::Activation(namespace, id, view) => {
            let namespace = namespace.namespace(own)?;
            match method {
                Method::Get => activations::get(&request, &namespace, &id.decode(), view),
                _ => Err(ApiError::method("GET")),
            }
        }
    }
}

/// Refuses a request whose answer could not be told: what cannot be told is not done either.
pub(super) fn check_accept(request: &Request) -> Result<(), ApiError> {
    let accept = request.http.header(ACCEPT);
    if accept.is_some_and(|accept| !body::accepts(accept.last().as_str(), "application/json")) {
        return Err(ApiError::rejection(
            StatusCode::NotAcceptable,
            "Resource representation is only available with these types:\napplication/json",
        ));
    }
    Ok(())
}

/// Answers a request about one action, in a package or not.
async fn action_answer(request: Request, method: Method, target: actions::Target) -> Answer {
    match method {
        Method::Get => actions::get(&request, &target),
        Method::Put => actions::put(request, target).await,
        Method::Delete => actions::delete(&request, &target).await,
        Method::Post => invoke::post(request, target).await,
        _ => Err(ApiError::method("DELETE, GET, POST, PUT")),
    }
}
