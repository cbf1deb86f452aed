//! The web actions that manage APIs: what the CLI's `wsk api` and the JavaScript client's `routes`
//! call.
//!
//! They look only at the APIs of the namespace whose key came with the request. Nothing else that
//! the arguments say about who calls counts: neither the `namespace` in documents nor a uuid
//! without its key.

mod answer;
mod arguments;
mod caller;

use serde_json::value::RawValue;

use super::run::Output;
use super::{Context, Services};
use crate::entity::Members;
use crate::gateway::{Api, Filter, GatewayError, Verb};
use answer::{ApiView, Failure};
use arguments::{New, new_api, text};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Management {
    /// `createApi`: adds an operation to an API, or puts a Swagger document in its place.
    Create,
    /// `getApi`: gives APIs.
    Get,
    /// `deleteApi`: removes an API or a part of it.
    Delete,
}

/// Runs one of them. The result is that of a web action whose extension is `http`.
pub(super) async fn run(
    services: &Services,
    context: &Context<'_>,
    what: Management,
    arguments: &RawValue,
) -> Output {
    let done = match Members::of(arguments) {
        Ok(arguments) => managed(services, what, &arguments).await,
        Err(_) => Err(Failure::invalid("The arguments are not a JSON object.")),
    };
    match done {
        Ok(output) => output,
        Err(failure) => {
            let action = context.action;
            let transaction = context.transaction_id;
            log::debug!("[{transaction}] {action}: {}", failure.message());
            failure.output(transaction)
        }
    }
}

async fn managed(
    services: &Services,
    what: Management,
    arguments: &Members<'_>,
) -> Result<Output, Failure> {
    let caller = caller::of(services, arguments).await?;
    let namespace = &caller.namespace;
    let origin = answer::origin(arguments, &services.api_host);
    match what {
        Management::Create => create(services, namespace, &origin, arguments)
            .await
            .map_err(|failure| failure.during("API creation failure")),
        Management::Get => get(services, namespace, &origin, arguments),
        Management::Delete => delete(services, namespace, arguments)
            .await
            .map_err(|failure| failure.during("API deletion failure")),
    }
}

async fn create(
    services: &Services,
    namespace: &str,
    origin: &str,
    arguments: &Members<'_>,
) -> Result<Output, Failure> {
    let api = match new_api(arguments, namespace, origin)? {
        New::Operation(new) => services.apis.add(namespace, &new).await?,
        New::Api(api) => services.apis.put(api).await?,
    };
    Ok(answer::success(&ApiView::of(&api, origin)))
}

fn get(
    services: &Services,
    namespace: &str,
    origin: &str,
    arguments: &Members<'_>,
) -> Result<Output, Failure> {
    let (base_path, title) = (text(arguments, "basepath")?, text(arguments, "apiname")?);
    let path = text(arguments, "relpath")?;
    let filter = Filter {
        base_path_or_title: base_path.as_deref(),
        title: title.as_deref(),
        path: path.as_deref(),
        verb: verb(arguments)?,
        skip: arguments::number(arguments, "skip")?.unwrap_or(0),
        limit: arguments::number(arguments, "limit")?,
    };
    let apis = services.apis.list(namespace, &filter)?;
    Ok(answer::list(&apis, origin))
}

async fn delete(
    services: &Services,
    namespace: &str,
    arguments: &Members<'_>,
) -> Result<Output, Failure> {
    let base_path = text(arguments, "basepath")?.or(text(arguments, "apiname")?);
    let base_path = base_path.ok_or_else(|| Failure::invalid("basepath is required."))?;
    let path = text(arguments, "relpath")?;
    let verb = verb(arguments)?;
    if path.is_none() && verb.is_some() {
        return Err(Failure::invalid(
            "When specifying an operation, the path is required.",
        ));
    }
    services
        .apis
        .remove(namespace, &base_path, path.as_deref(), verb)
        .await?;
    Ok(answer::success(&serde_json::json!({})))
}

fn verb(arguments: &Members<'_>) -> Result<Option<Verb>, Failure> {
    let Some(operation) = text(arguments, "operation")? else {
        return Ok(None);
    };
    arguments::verb(&operation).map(Some)
}
