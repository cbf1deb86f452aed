//! Running a built-in action: no sandbox, no place in the pool, but a record like any other.

use std::borrow::Cow;
use std::time::Instant;

use serde_json::value::RawValue;

use super::ended::bad_arguments;
use super::execute::{Finished, Printed};
use super::record::{Executed, Reached, Timing};
use super::{Arguments, Call, Inner};
use crate::builtin::{self, Context, Output};
use crate::clock::now;
use crate::engine::proxy;
use crate::entity::{ActivationId, Parameter, Parameters};

impl Inner {
    /// Runs a built-in action. A `promised` one is marked as started before.
    pub(super) async fn built_in(
        &self,
        call: &Call,
        id: ActivationId,
        received: Instant,
        promised: bool,
    ) -> Finished {
        if promised && let Err(error) = self.store.mark_started(id).await {
            log::error!("cannot mark activation {id} as started: {error}");
        }
        if let Some(barred) = self.bar(call, received) {
            return barred;
        }
        let wait = received.elapsed();
        let start = now();
        let clock = Instant::now();
        let context = Context {
            identity: &call.identity,
            action: &call.action.path(),
            transaction_id: &call.transaction_id,
        };
        let arguments = match arguments(call) {
            Ok(arguments) => arguments,
            Err(error) => return bad_arguments(&error),
        };
        let Output { result, logs, .. } = builtin::run(&self.builtins, &context, &arguments).await;
        let duration = clock.elapsed().as_millis() as u64;
        let executed = Executed {
            response: proxy::response(result, self.bounds(&call.identity)),
            start,
            end: start + duration,
            duration,
            reached: Reached::Run(Timing {
                wait: wait.as_millis() as u64,
                init: None,
                timed_out: false,
            }),
        };
        Finished {
            executed,
            printed: Printed::Lines(logs),
            place: None,
            refusal: None,
        }
    }
}

/// The whole argument: there is no environment that init parameters could go to.
fn arguments(call: &Call) -> serde_json::Result<Box<RawValue>> {
    let mut parameters = Cow::Borrowed(&call.action.parameters);
    if parameters.0.iter().any(|parameter| parameter.init) {
        let plain = parameters.0.iter().cloned().map(|parameter| Parameter {
            init: false,
            ..parameter
        });
        parameters = Cow::Owned(Parameters(plain.collect()));
    }
    Ok(Arguments::merge(&parameters, call.payload.as_deref())?.into())
}
