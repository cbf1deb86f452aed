//! The API without a wire: requests go straight into the server. The numbers in the tests are
//! those of the reference's checklist.

mod actions;
mod activations;
mod bindings;
mod docs;
mod gateway;
mod invoke;
mod master;
mod namespaces;
mod operator;
mod packaged_actions;
mod packages;
mod rules;
mod sequences;
mod system;
mod triggers;
mod web;
mod web_answers;
mod web_packages;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_types::{Method, Url};
use serde_json::{Value, json};

use super::{Invoke, Operations, Services, Settings, State, app};
use crate::catalog::{Catalog, Manifest};
use crate::entity::{ActivationId, FullName, GUEST_KEY, GUEST_UUID, Identity, Secret};
use crate::http::server::{Beyond, Ready};
use crate::invoke::{Call, Figures, Fire, InvokeError, Outcome, Rates, Throttles};
use crate::master::Master;
use crate::store::{Options, Store};
use crate::sync::Current;
use crate::{BoxFuture, Executor};

/// What a [`Script`] answers to each call.
type Answer = Box<dyn Fn(&Call) -> Result<Outcome, InvokeError> + Send>;

/// Stands in for the invoker: answers as it was told, and remembers what it was asked.
struct Script {
    answer: Mutex<Answer>,
    calls: Mutex<Vec<Call>>,
    fires: Mutex<Vec<Fire>>,
    retired: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    accepts: AtomicBool,
    tiers: AtomicBool,
}

impl Invoke for Script {
    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        let answer = (self.answer.lock().unwrap())(&call);
        self.calls.lock().unwrap().push(call);
        Box::pin(async { answer })
    }

    fn fire(&self, fire: Fire) -> BoxFuture<'_, Result<Option<ActivationId>, InvokeError>> {
        let fires = fire.trigger.has_active_rule();
        self.fires.lock().unwrap().push(fire);
        Box::pin(async move { Ok(fires.then(ActivationId::random)) })
    }

    fn can_run(&self, _: &Arc<Identity>, action: &FullName) -> bool {
        !action.name.starts_with("cloud")
    }

    fn in_flight(&self, _namespace: &str) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn has_tiers(&self) -> bool {
        self.tiers.load(Ordering::Relaxed)
    }

    fn retire(&self, path: &str) {
        self.retired.lock().unwrap().push(path.into());
    }

    fn figures(&self) -> Figures {
        Figures {
            running: self.in_flight.load(Ordering::Relaxed),
            accepts: self.accepts.load(Ordering::Relaxed),
            ..Figures::default()
        }
    }
}

fn rates(invocations_per_minute: u32, concurrent_invocations: u32, fires_per_minute: u32) -> Rates {
    Rates {
        invocations_per_minute,
        concurrent_invocations,
        fires_per_minute,
    }
}

const OTHER_UUID: &str = "8d6c32a3-0f0c-4b55-9b0e-111111111111";

/// A server over a store of its own.
struct Api {
    server: tide::Server<State>,
    store: Store,
    script: Arc<Script>,
    docker: Arc<AtomicBool>,
    executor: Executor,
    _dir: Arc<tempfile::TempDir>,
}

/// Makes what a test needs over a catalogue.
type Make<'a, T> = &'a dyn Fn(&Catalog, &Executor, &Arc<Script>) -> T;

impl Api {
    fn new() -> Self {
        // The rates of the defaults are too low for a test that does much.
        Self::with(Settings::with_rates(rates(1000, 30, 60)))
    }

    fn with(settings: Settings) -> Self {
        Self::with_operations(settings, Operations::default())
    }

    fn with_operations(settings: Settings, operations: Operations) -> Self {
        Self::made(settings, operations, Options::default(), &|_, _, _| None)
    }

    fn made(
        settings: Settings,
        operations: Operations,
        options: Options,
        master: Make<'_, Option<Arc<Master>>>,
    ) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::over(dir, settings, operations, options, master)
    }

    /// Over the store in a folder: a new one, or that of a server that has gone.
    fn over(
        dir: Arc<tempfile::TempDir>,
        settings: Settings,
        operations: Operations,
        options: Options,
        master: Make<'_, Option<Arc<Master>>>,
    ) -> Self {
        let manifest = r#"{"runtimes":{"old":[{"kind":"old:1","deprecated":true,
            "image":{"name":"old"}}]}}"#;
        let file = dir.path().join("runtimes.json");
        std::fs::write(&file, manifest).unwrap();
        let store = Store::open(&dir.path().join("store"), options).unwrap();
        let executor = Executor::default();
        let script = Arc::new(Script {
            answer: Mutex::new(Box::new(|_| Ok(Outcome::Accepted(ActivationId::random())))),
            calls: Mutex::default(),
            fires: Mutex::default(),
            retired: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            accepts: AtomicBool::new(true),
            tiers: AtomicBool::new(false),
        });
        let docker = Arc::new(AtomicBool::new(true));
        let catalog = Catalog::new(store.clone());
        let master = master(&catalog, &executor, &script);
        let services = Services {
            store: store.clone(),
            via: master.as_ref().map(|master| master.via.clone()),
            master,
            catalog,
            invoker: script.clone(),
            throttles: Arc::new(Throttles::new(settings.rates.clone())),
            manifest: Current::new(Arc::new(Manifest::load(&file).unwrap())),
            docker: docker.clone(),
            operations,
            tiers: Vec::new(),
        };
        Api {
            server: app(State::new(services, settings)),
            store,
            script,
            docker,
            executor,
            _dir: dir,
        }
    }

    fn get(&self, path: &str) -> Reply {
        Ask::new(Method::Get, path).send(self)
    }

    fn delete(&self, path: &str) -> Reply {
        Ask::new(Method::Delete, path).send(self)
    }

    fn put(&self, path: &str, body: Value) -> Reply {
        Ask::new(Method::Put, path).json(body).send(self)
    }

    fn post(&self, path: &str, body: Value) -> Reply {
        Ask::new(Method::Post, path).json(body).send(self)
    }

    /// Creates an action that does not matter.
    fn create(&self, name: &str) -> Value {
        let reply = self.put(&action(name), json!({"exec": exec("1")}));
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.value()
    }

    /// Creates a trigger without parameters.
    fn trigger(&self, name: &str) -> Value {
        let reply = self.put(&trigger(name), json!({}));
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.value()
    }

    /// Creates a rule between a trigger and an action.
    fn rule(&self, name: &str, trigger: &str, action: &str) -> Value {
        let body = json!({"trigger": format!("/_/{trigger}"), "action": format!("/_/{action}")});
        let reply = self.put(&rule(name), body);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.value()
    }

    /// Creates a package, or changes it.
    fn package(&self, name: &str, body: Value) -> Value {
        let reply = self.put(&format!("{}?overwrite=true", package(name)), body);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.value()
    }

    /// Makes a second namespace; gives its uuid.
    fn other_namespace(&self) -> &'static str {
        let key = Secret::new("k".repeat(64));
        smol::block_on(self.store.put_key("other", OTHER_UUID, &key)).unwrap();
        OTHER_UUID
    }
}

/// A request, by the guest unless said otherwise.
struct Ask {
    request: http_types::Request,
}

impl Ask {
    fn new(method: Method, path: &str) -> Self {
        let url = Url::parse(&format!("http://localhost{path}")).unwrap();
        let mut request = http_types::Request::new(method, url);
        request.set_peer_addr(Some("127.0.0.1:40000"));
        Ask { request }.key(GUEST_UUID, GUEST_KEY)
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.request.insert_header(name, value);
        self
    }

    fn key(self, uuid: &str, key: &str) -> Self {
        let credentials = STANDARD.encode(format!("{uuid}:{key}"));
        self.header("Authorization", &format!("Basic {credentials}"))
    }

    /// By the second namespace.
    fn other(self) -> Self {
        self.key(OTHER_UUID, &"k".repeat(64))
    }

    fn no_key(mut self) -> Self {
        self.request.remove_header("Authorization");
        self
    }

    fn peer(mut self, peer: &str) -> Self {
        self.request.set_peer_addr(Some(peer));
        self
    }

    fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    fn body(mut self, content_type: &str, body: impl Into<http_types::Body>) -> Self {
        self.request.set_body(body);
        self.header("Content-Type", content_type)
    }

    fn send(self, api: &Api) -> Reply {
        smol::block_on(api.executor.run(async {
            let mut response: http_types::Response =
                api.server.respond(self.request).await.unwrap();
            let typed = response.header("Content-Type").is_some();
            let body = response.body_string().await.unwrap();
            if !typed {
                // Which reading the body made up.
                response.remove_header("Content-Type");
            }
            Reply {
                status: Beyond::status_of(&response),
                body,
                response,
            }
        }))
    }
}

/// An answer with its body read.
struct Reply {
    status: u16,
    body: String,
    response: http_types::Response,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        match Ready::get(&self.response, name) {
            Some(ready) => ready.to_str().ok(),
            None => Some(self.response.header(name)?.last().as_str()),
        }
    }

    fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// Checks that this is an error of OpenWhisk's form; gives status and text.
    fn error(&self) -> (u16, String) {
        let value = self.value();
        let object = value.as_object().expect("errors are objects");
        assert_eq!(object.len(), 2, "{value}");
        assert_eq!(value["code"].as_str(), self.header("X-Request-ID"));
        assert_eq!(self.header("Content-Type"), Some("application/json"));
        (self.status, value["error"].as_str().unwrap().into())
    }

    #[track_caller]
    fn refused(&self, status: u16, text: &str) {
        assert_eq!(self.error(), (status, text.into()));
    }
}

fn action(name: &str) -> String {
    format!("/api/v1/namespaces/_/actions/{name}")
}

/// Waits until what is made next is newer: lists are ordered by milliseconds.
fn later() {
    std::thread::sleep(std::time::Duration::from_millis(2));
}

fn package(name: &str) -> String {
    format!("/api/v1/namespaces/_/packages/{name}")
}

fn exec(code: &str) -> Value {
    json!({"kind": "nodejs:20", "code": code})
}

const TRIGGERS: &str = "/api/v1/namespaces/_/triggers";
const RULES: &str = "/api/v1/namespaces/_/rules";

fn trigger(name: &str) -> String {
    format!("{TRIGGERS}/{name}")
}

fn rule(name: &str) -> String {
    format!("{RULES}/{name}")
}

/// Checks the list of a collection that is empty: pages, order, numbers. An update of what
/// `create` has made makes it the newest.
fn check_list(api: &Api, collection: &str, create: &dyn Fn(&str)) {
    let list = |query: &str| api.get(&format!("/api/v1/namespaces/_/{collection}{query}"));
    assert_eq!(list("").value(), json!([]));
    for i in 0..35 {
        create(&format!("e{i}"));
    }
    let names = |query: &str| -> Vec<String> {
        let value = list(query).value();
        let name = |element: &Value| element["name"].as_str().unwrap().to_string();
        value.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names("").len(), 30);
    assert_eq!(names("?limit=0").len(), 35);
    assert_eq!(names("/?limit=0&skip=0").len(), 35);
    // What was written in the same millisecond has no order.
    std::thread::sleep(std::time::Duration::from_millis(2));
    let update = format!("/api/v1/namespaces/_/{collection}/e3?overwrite=true");
    assert_eq!(api.put(&update, json!({})).status, 200);
    assert_eq!(names("?limit=1"), ["e3"]);
    let all = names("?limit=200");
    assert_eq!(names("?skip=1&limit=1"), all[1..2]);
    let count = |query: &str| list(query).value();
    assert_eq!(count("?count=true"), json!({collection: 35}));
    assert_eq!(count("?count=true&skip=30&limit=2"), json!({collection: 5}));
    assert_eq!(count("?count=true&skip=40"), json!({collection: 0}));
    let explicit = api.get(&format!("/api/v1/namespaces/guest/{collection}"));
    assert_eq!(explicit.body, list("").body);
    api.other_namespace();
    api.get(&format!("/api/v1/namespaces/other/{collection}"))
        .refused(
            403,
            "The supplied authentication is not authorized to access 'other'.",
        );
}
