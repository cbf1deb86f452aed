//! A master as a model: entities with a token each, and faults on the way there and back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::BoxFuture;
use crate::store::Collection;
use crate::sync::lock;
use crate::upstream::{
    Exchange, Incoming, IncomingBody, Outgoing, OutgoingBody, Upstream, UpstreamError,
};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It does not come there.
    Unsent,
    /// It does not come there, and nobody knows.
    LostThere,
    /// It has its effect, and the answer is lost.
    LostBack,
    /// It is answered with this status, and has no effect.
    Status(u16),
    /// It has its effect, and the answer is this document instead.
    Instead(&'static str),
}

/// An entity of the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub patch: u64,
    pub updated: u64,
    pub token: String,
}

/// What the master has done for a gateway: to which path, and the token that it got; none for a
/// deletion.
pub type Effect = (String, Option<String>);

#[derive(Default)]
pub struct Model {
    pub things: BTreeMap<(&'static str, String), Thing>,
    pub effects: Vec<Effect>,
    pub faults: VecDeque<Fault>,
    /// Faults are those of something that is no OpenWhisk.
    pub is_somebody_else: bool,
    clock: u64,
}

/// The master, for tests and gateways.
#[derive(Clone, Default)]
pub struct Cloud(Arc<Mutex<Model>>);

impl Cloud {
    /// Looks at it, or changes it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Model) -> T) -> T {
        act(&mut lock(&self.0))
    }

    /// A way to it of which nothing is known.
    pub fn upstream(&self) -> Upstream {
        Upstream::new("http://cloud", self.clone())
    }

    /// Somebody else writes.
    pub fn put(&self, collection: Collection, path: &str, token: &str) {
        self.with(|model| model.put(collection.name(), path, token));
    }

    /// Somebody else deletes.
    pub fn delete(&self, collection: Collection, path: &str) {
        self.with(|model| model.things.remove(&(collection.name(), path.to_owned())));
    }

    /// What it has.
    pub fn thing(&self, collection: Collection, path: &str) -> Option<Thing> {
        self.with(|model| {
            let key = (collection.name(), path.to_owned());
            model.things.get(&key).cloned()
        })
    }

    /// The next requests have these faults.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.with(|model| model.faults = faults.into_iter().collect());
    }
}

impl Model {
    fn put(&mut self, collection: &'static str, path: &str, token: &str) {
        // As a clock does, and never what a gateway's clock says.
        self.clock += 10;
        let key = (collection, path.to_owned());
        let patch = self.things.get(&key).map_or(0, |thing| thing.patch) + 1;
        let thing = Thing {
            patch,
            updated: self.clock,
            token: token.to_owned(),
        };
        self.things.insert(key, thing);
    }

    /// Status and body of the answer.
    fn answer(&mut self, request: &Outgoing) -> (u16, Value) {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let rest = path
            .strip_prefix("/api/v1/namespaces/")
            .expect("a resource");
        let (namespace, rest) = rest.split_once('/').expect("a collection");
        let (collection, name) = rest.split_once('/').expect("a name");
        let collections = [Collection::Actions, Collection::Triggers, Collection::Rules];
        let names = collections.map(Collection::name);
        let collection = names.into_iter().find(|name| *name == collection).unwrap();
        let path = format!("{namespace}/{name}");
        let there = self.things.get(&(collection, path.clone())).cloned();
        let shown = |thing: &Thing| document(collection, &path, thing, query != "code=false");
        let failure = |text: &str| json!({"error": text, "code": "x"});
        match (&request.method, there) {
            (&Method::PUT, Some(_)) if query != "overwrite=true" => {
                (409, failure("resource already exists"))
            }
            (&Method::PUT, _) => {
                let OutgoingBody::Whole(body) = &request.body else {
                    return (400, failure("no body"));
                };
                let body: Value = serde_json::from_slice(body).unwrap();
                let token = body["parameters"][0]["value"].as_str().unwrap_or_default();
                if token.starts_with("refuse") {
                    return (400, failure("not such a token"));
                }
                self.effects.push((path.clone(), Some(token.to_owned())));
                self.put(collection, &path, token);
                let thing = &self.things[&(collection, path.clone())];
                (200, document(collection, &path, thing, true))
            }
            (_, None) => (404, failure("The requested resource does not exist.")),
            (&Method::GET, Some(thing)) => (200, shown(&thing)),
            (&Method::DELETE, Some(thing)) => {
                self.effects.push((path.clone(), None));
                self.things.remove(&(collection, path.clone()));
                (200, shown(&thing))
            }
            _ => (405, failure("method")),
        }
    }
}

/// The document of an entity.
pub fn document(collection: &str, path: &str, thing: &Thing, with_code: bool) -> Value {
    let (place, name) = path.rsplit_once('/').unwrap();
    let mut document = json!({
        "namespace": place, "name": name, "version": format!("0.0.{}", thing.patch),
        "updated": thing.updated, "publish": false, "annotations": [],
        "parameters": [{"key": "token", "value": thing.token}],
        "limits": {},
    });
    if collection == "actions" {
        document["limits"] = json!({"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1});
        document["exec"] = json!({"kind": "quickjs:1", "binary": false});
        if with_code {
            document["exec"]["code"] = json!(thing.token);
        }
    }
    document
}

impl Exchange for Cloud {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        Box::pin(async move {
            // One poll on the way there and one on the way back, for those who count them.
            smol::future::yield_now().await;
            let fault = self.with(|model| model.faults.pop_front().unwrap_or(Fault::None));
            let lost = || Err(UpstreamError::Broken("cut".into()));
            let (status, body) = match fault {
                Fault::Unsent => return Err(UpstreamError::Unsent("cut".into())),
                Fault::LostThere => return lost(),
                Fault::Status(status) if self.with(|model| model.is_somebody_else) => {
                    (status, json!("welcome"))
                }
                Fault::Status(status) => (status, json!({"error": "trouble", "code": "x"})),
                Fault::Instead(document) => {
                    self.with(|model| model.answer(&request));
                    (200, serde_json::from_str(document).unwrap())
                }
                Fault::None | Fault::LostBack => self.with(|model| model.answer(&request)),
            };
            smol::future::yield_now().await;
            if fault == Fault::LostBack {
                return lost();
            }
            Ok(Incoming {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: IncomingBody::whole(body.to_string()),
            })
        })
    }
}
