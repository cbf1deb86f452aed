//! Copies of the entities of a master that is the API itself, over a store of its own.

mod around;
mod before;
mod deleted;
mod fetching;
mod rules;
mod strangers;
mod writing;

use std::future::Future;

use smol::channel::{Receiver, Sender, bounded};

use super::*;
use crate::catalog::{AccessError, CatalogError, Resolved};
use crate::entity::{Action, Identity};
use crate::master::copies::{Base, CopyError, Need, Shown, Source};
use crate::store::{Change, Collection, NoteKey, NoteKind};

/// A copy is compared again whenever it is wanted.
const NEVER_FRESH: Duration = Duration::ZERO;

/// A copy is not compared again while the test runs.
const FRESH: Duration = Duration::from_secs(3600);

/// What stands in the way to the master.
#[derive(Clone)]
enum Way {
    Open,
    /// Nobody is there.
    Cut,
    /// Whatever is asked is answered with this.
    Answers(u16, &'static str),
    /// Answers come when something is sent; somebody is told when one is made.
    Held(Sender<()>, Receiver<()>),
}

/// A master that is the API.
struct Cloud {
    api: Api,
    way: Mutex<Way>,
    lines: Mutex<Vec<String>>,
    /// The gateways that the last question has come through.
    via: Mutex<String>,
}

impl Cloud {
    fn set(&self, way: Way) {
        *lock(&self.way) = way;
    }

    /// What was asked since this was asked last: targets behind the namespaces.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.lines))
    }
}

impl Exchange for Arc<Cloud> {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        Box::pin(async move {
            let target = request.target.clone();
            let via = request.headers["x-owl-via"].to_str().unwrap();
            assert!(via.ends_with(OWN_ID), "{via}");
            *lock(&self.via) = via.to_owned();
            let asked = target.trim_start_matches("/api/v1/namespaces/");
            lock(&self.lines).push(asked.to_owned());
            let way = lock(&self.way).clone();
            match &way {
                Way::Cut => return Err(UpstreamError::Unsent("connection refused".into())),
                Way::Answers(status, body) => return Ok(incoming(*status, (*body).into())),
                Way::Open | Way::Held(..) => {}
            }
            let mut ask = Ask::new(Method::Get, &target);
            let authorization = request.headers["authorization"].to_str().unwrap();
            ask.request.insert_header("Authorization", authorization);
            let answer = self.api.server.respond(ask.request).await;
            let mut answer: http_types::Response = answer.unwrap();
            let body = answer.body_string().await.unwrap();
            if let Way::Held(made, go_on) = &way {
                made.send(()).await.unwrap();
                go_on.recv().await.unwrap();
            }
            Ok(incoming(answer.status().into(), body))
        })
    }
}

fn incoming(status: u16, body: String) -> Incoming {
    Incoming {
        status: hyper::StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: IncomingBody::whole(Bytes::from(body)),
    }
}

/// A gateway with a store of its own.
struct Gateway {
    copies: Copies,
    catalog: Catalog,
    executor: Executor,
    retired: Arc<Mutex<Vec<String>>>,
}

struct World {
    cloud: Arc<Cloud>,
    store: Store,
    guest: Arc<Identity>,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with_store(Options::default())
    }

    /// With a store of the gateway that is made so.
    fn with_store(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let api = Api::new();
        let guest = api.store.key_of_namespace("guest").unwrap().unwrap();
        World {
            cloud: Arc::new(Cloud {
                api,
                way: Mutex::new(Way::Open),
                lines: Mutex::default(),
                via: Mutex::default(),
            }),
            store: Store::open(dir.path(), options).unwrap(),
            guest,
            _dir: dir,
        }
    }

    /// A gateway that has just started.
    fn gateway(&self, revalidate: Duration) -> Gateway {
        let executor = Executor::default();
        let catalog = Catalog::new(self.store.clone());
        let retired = Arc::new(Mutex::new(Vec::new()));
        let retire = retired.clone();
        let rooms = copies::Rooms {
            upstream: Upstream::new(URL, self.cloud.clone()),
            via: Via::new(OWN_ID),
            catalog: catalog.clone(),
            executor: executor.clone(),
            retire: Box::new(move |action| lock(&retire).push(action.to_owned())),
        };
        let copies = Copies::new(rooms, revalidate);
        Gateway {
            catalog: catalog.supplied_by(Arc::new(copies.clone())),
            copies,
            executor,
            retired,
        }
    }

    /// An identity of another namespace, with a key that the master accepts.
    fn stranger(&self, namespace: &str, uuid: &str) -> Arc<Identity> {
        let key = Secret::new("k".repeat(64));
        let store = &self.cloud.api.store;
        smol::block_on(store.put_key(namespace, uuid, &key)).unwrap();
        store.key_of_namespace(namespace).unwrap().unwrap()
    }
}

impl Gateway {
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(future))
    }

    /// Makes sure of an action as a caller, to read it, and resolves it.
    fn resolve(&self, who: &Arc<Identity>, name: &str) -> Result<Resolved, String> {
        let (namespace, package, name) = parts(name);
        let ensured = self
            .copies
            .ensure_action(who, namespace, package, name, Need::Read);
        self.run(ensured).map_err(|error| error.to_string())?;
        let resolved = self.catalog.resolve(who, namespace, package, name);
        resolved.map_err(|error| error.to_string())
    }

    /// Where an action comes from that a caller wants to run.
    fn to_run(&self, who: &Arc<Identity>, name: &str) -> Result<Source, CopyError> {
        let (namespace, package, name) = parts(name);
        let ensured = self
            .copies
            .ensure_action(who, namespace, package, name, Need::Run);
        self.run(ensured)
    }

    /// The values of an action's parameters as a caller gets them, as JSON.
    fn parameters(&self, who: &Arc<Identity>, name: &str) -> Value {
        let action = self.resolve(who, name).unwrap().action;
        values(&action)
    }

    fn retired(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.retired))
    }
}

fn values(action: &Action) -> Value {
    let pairs = action.parameters.0.iter().map(|p| {
        let value: Value = serde_json::from_str(p.value.get()).unwrap();
        (p.key.clone(), value)
    });
    Value::Object(pairs.collect())
}

fn parts(name: &str) -> (&str, Option<&str>, &str) {
    match *name.split('/').collect::<Vec<_>>() {
        [namespace, name] => (namespace, None, name),
        [namespace, package, name] => (namespace, Some(package), name),
        _ => panic!("{name} is no name"),
    }
}

const MISSING: &str = "The requested resource does not exist.";

fn forbidden(resource: &str) -> String {
    format!("The supplied authentication is not authorized to access '{resource}'.")
}
