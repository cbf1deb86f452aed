//! What is built in: the packages of `whisk.system`, as functions of the daemon itself (reference
//! section 10).
//!
//! They need no sandbox, no image and no interpreter. To everybody else they are actions like any
//! other: the catalogue shows them, they are bound, invoked, put into sequences, and leave
//! activation records. [`table`] says which there are.

mod apimgmt;
mod entities;
mod lines;
mod run;
mod samples;
mod table;
mod utils;
mod value;

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;
use smol::Timer;
use smol::lock::Semaphore;

pub use entities::{action, actions, actions_of, holds, package, packages};
pub use run::Output;

use crate::BoxFuture;
use crate::blocking::unblock;
use crate::entity::{Identity, Members, NamespaceLimits, Secret};
use crate::gateway::Apis;
use crate::master::Keys;
use crate::store::Store;
use run::Run;
use table::{Function, Pure};

/// The namespace of everything built in.
pub const NAMESPACE: &str = "whisk.system";

/// What stands for the code of a built-in action, where clients want to see or save it.
pub const CODE: &str = "// This action is part of the server: it has no code of its own.\n";

/// OpenWhisk's well-known uuid of it (reference section 10).
const UUID: &str = "789c46b1-71f6-4ed5-8c54-816aa4f8c502";

/// Invocations in a minute of the web actions that manage APIs. They serve all namespaces, so that
/// one namespace's share would be little.
const INVOCATIONS_PER_MINUTE: u32 = 1000;

/// Bytes of arguments that are worked on at once, where everything else waits. Sorting as many
/// takes about a millisecond.
const SMALL: usize = 32 << 10;

/// How many runs with larger arguments work at the same time, each on a thread of its own and with
/// about twenty times the memory of its arguments at worst.
const LARGE_AT_ONCE: usize = 2;

/// What built-in actions work with.
pub struct Services {
    store: Store,
    /// Those of a master, if there is one.
    keys: Option<Keys>,
    apis: Apis,
    /// URL under which actions reach the API.
    api_host: String,
    large: Semaphore,
}

impl Services {
    /// Services over a store, and the keys of a master if there is one. `api_host` is the URL under
    /// which actions reach the API.
    pub fn new(store: Store, keys: Option<Keys>, api_host: &str) -> Self {
        Services {
            apis: Apis::new(store.clone()),
            store,
            keys,
            api_host: api_host.trim_end_matches('/').to_owned(),
            large: Semaphore::new(LARGE_AT_ONCE),
        }
    }
}

/// Who invokes a built-in action, and which.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The invoker.
    pub identity: &'a Identity,
    /// `ns/package/name` of the action.
    pub action: &'a str,
    /// Transaction id of the request.
    pub transaction_id: &'a str,
}

/// The identity of [`NAMESPACE`] where nobody has a key of it. No key opens it.
pub fn identity() -> Identity {
    Identity {
        subject: NAMESPACE.to_owned(),
        namespace: NAMESPACE.to_owned(),
        uuid: UUID.to_owned(),
        key: Secret::new(String::new()),
        limits: Arc::new(NamespaceLimits {
            invocations_per_minute: Some(INVOCATIONS_PER_MINUTE),
            // Without a key nobody can read the records, and they would wear the flash.
            store_activations: Some(false),
            ..NamespaceLimits::default()
        }),
    }
}

/// Runs a built-in action on its arguments, a JSON object. What goes wrong is told in the output.
pub fn run<'a>(
    services: &'a Services,
    context: &'a Context<'a>,
    arguments: &'a RawValue,
) -> BoxFuture<'a, Output> {
    Box::pin(async move {
        let Some((_, action)) = entities::find(context.action) else {
            return Output::error(&format!(
                "There is no built-in action '{}'.",
                context.action
            ));
        };
        match action.function {
            Function::Pure(pure) => services.pure(context, pure, arguments).await,
            Function::After(pause, pure) => {
                Timer::after(pause).await;
                services.pure(context, pure, arguments).await
            }
            Function::Apis(what) => apimgmt::run(services, context, what, arguments).await,
        }
    })
}

impl Services {
    async fn pure(&self, context: &Context<'_>, pure: Pure, arguments: &RawValue) -> Output {
        if arguments.get().len() <= SMALL {
            return apply(pure, context.identity, &self.api_host, arguments);
        }
        let _permit = self.large.acquire().await;
        let identity = context.identity.clone();
        let api_host = self.api_host.clone();
        let arguments = arguments.to_owned();
        unblock(move || apply(pure, &identity, &api_host, &arguments))
            .await
            .unwrap_or_else(|error| {
                log::error!("a built-in action did not run: {error}");
                Output::error("The action could not be run.")
            })
    }
}

fn apply(pure: Pure, identity: &Identity, api_host: &str, arguments: &RawValue) -> Output {
    let run = Run {
        identity,
        api_host,
        now: SystemTime::now(),
    };
    match Members::of(arguments) {
        Ok(arguments) => pure(&run, &arguments),
        Err(_) => Output::error("The arguments are not a JSON object."),
    }
}

#[cfg(test)]
mod tests;
