//! Invocations that were promised but have no record yet: what is stored about them, and what a
//! restart does with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smol::Timer;
use smol::lock::Semaphore;

use super::flights::Flight;
use super::record::{Executed, activation};
use super::{Call, Flown, InvokeError, Invoker};
use crate::catalog::CatalogError;
use crate::clock::now;
use crate::entity::{
    Action, ActionLimits, ActivationId, Exec, Identity, Parameters, Secret, Status,
};
use crate::store::{Progress, StoreError};

/// What is stored about a promised invocation: enough to run it, or to close it, later.
#[derive(Serialize, Deserialize)]
struct Document<'a> {
    /// Namespace of the invoker.
    namespace: &'a str,
    /// `ns/[package/]name` of the action.
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    payload: Option<&'a RawValue>,
    transaction_id: &'a str,
}

/// The pending document of a call.
pub(super) fn document(call: &Call) -> Vec<u8> {
    let document = Document {
        namespace: &call.identity.namespace,
        action: call.action.path(),
        binding: call.binding.clone(),
        payload: call.payload.as_deref(),
        transaction_id: &call.transaction_id,
    };
    serde_json::to_vec(&document).expect("texts are always valid JSON")
}

/// Calls of an earlier run that are under way at the same time.
const AT_A_TIME: usize = 4;

/// How long to wait before another try, where new calls have taken every place in the queue.
const PAUSE: Duration = Duration::from_millis(200);

/// How many promised invocations a restart found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Not started before: they run now.
    pub run: usize,
    /// Started before: they are closed as internal errors.
    pub closed: usize,
}

impl Invoker {
    /// Settles what an earlier run of the daemon has left: invocations that were accepted but
    /// not started are run, those that had started are closed as internal errors, so that none
    /// runs twice and none stays without a record.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        let mut again = Vec::new();
        for (id, progress, document) in self.inner.store.pending()? {
            let text = String::from_utf8_lossy(&document);
            let found = match serde_json::from_str::<Document>(&text) {
                Ok(document) => document,
                Err(error) => {
                    log::error!("the pending activation {id} cannot be read: {error}");
                    continue;
                }
            };
            let call = self.call_again(&found)?;
            match (progress, call) {
                (Progress::Accepted, Ok(call)) => {
                    recovered.run += 1;
                    again.push((call, id));
                }
                (Progress::Accepted, Err(call)) => {
                    recovered.closed += 1;
                    let message = "Action could not be found or may have been deleted.";
                    self.close(call, id, Status::ApplicationError, message)
                        .await;
                }
                (Progress::Started, Ok(call) | Err(call)) => {
                    recovered.closed += 1;
                    let message = "The gateway stopped while this activation was running; it was not repeated.";
                    self.close(call, id, Status::InternalError, message).await;
                }
            }
        }
        self.run_again(again);
        Ok(recovered)
    }

    /// The call of a pending document: `Err` if it can only be closed, since its action or its
    /// namespace is gone.
    fn call_again(&self, found: &Document<'_>) -> Result<Result<Call, Call>, StoreError> {
        let identity = self.inner.store.key_of_namespace(found.namespace)?;
        let action = match self.inner.catalog.action(&found.action) {
            Ok(action) => Some(action),
            Err(CatalogError::Store(error)) => return Err(error),
            Err(_) => None,
        };
        let known = identity.is_some() && action.is_some();
        let call = Call {
            identity: Arc::new(identity.unwrap_or_else(|| stranger(found.namespace))),
            action: action.unwrap_or_else(|| Arc::new(vanished(&found.action))),
            binding: found.binding.clone(),
            payload: found.payload.map(ToOwned::to_owned),
            transaction_id: found.transaction_id.to_string(),
            wait: None,
        };
        Ok(if known { Ok(call) } else { Err(call) })
    }

    /// Runs calls of an earlier run, a few at a time: all at once may be more than may wait for a
    /// sandbox, and they must not take every place from new calls.
    fn run_again(&self, calls: Vec<(Call, ActivationId)>) {
        let inner = self.inner.clone();
        let flights: Vec<Flight> = calls
            .iter()
            .map(|(call, _)| inner.flights.begin(&call.identity.namespace))
            .collect();
        let run = async move {
            let permits = Arc::new(Semaphore::new(AT_A_TIME));
            for ((call, id), flight) in calls.into_iter().zip(flights) {
                let permit = permits.acquire_arc().await;
                let place = loop {
                    match inner.request(&call) {
                        Err(InvokeError::Overloaded(_)) => {
                            Timer::after(PAUSE).await;
                        }
                        place => break place.ok(),
                    }
                };
                let flown = Flown {
                    flight,
                    call: Arc::new(call),
                    id,
                    received: Instant::now(),
                    sender: None,
                };
                let fly = inner.clone().fly(flown, place);
                let fly = async move {
                    fly.await;
                    drop(permit);
                };
                inner.executor.spawn(fly).detach();
            }
        };
        self.inner.executor.spawn(run).detach();
    }

    async fn close(&self, call: Call, id: ActivationId, status: Status, message: &str) {
        let record = activation(&call, id, Executed::not_run(now(), status, message));
        self.inner.store_record(&record, &[]).await;
    }
}

/// Stands in for the caller of a namespace that is gone, in the record that closes its call.
fn stranger(namespace: &str) -> Identity {
    Identity {
        subject: namespace.to_string(),
        namespace: namespace.to_string(),
        uuid: String::new(),
        key: Secret::new(String::new()),
        limits: Arc::default(),
    }
}

/// Stands in for an action that is gone (reference section 4.6).
fn vanished(path: &str) -> Action {
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
    Action {
        namespace: namespace.to_string(),
        name: name.to_string(),
        exec: Exec::Code {
            kind: "unknown".to_string(),
            binary: false,
            main: None,
        },
        parameters: Parameters::default(),
        limits: ActionLimits {
            timeout: 0,
            memory: 0,
            logs: 0,
            concurrency: 1,
            instances: None,
        },
        version: "0.0.1".to_string(),
        publish: false,
        annotations: Parameters::default(),
        updated: 0,
        revision: 0,
    }
}
