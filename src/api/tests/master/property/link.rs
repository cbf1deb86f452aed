//! The master, which is the API itself, and the ways to it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use smol::future::yield_now;

use super::gateway::folder;
use super::steps::Fault;
use super::writes::{Write, is_inside};
use super::*;

/// What a request has done at the master.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) method: Method,
    pub(super) collection: String,
    /// `ns/[package/]name`.
    pub(super) path: String,
    pub(super) body: String,
    /// The gateway that it came through; none: it was somebody else's.
    pub(super) by: Option<usize>,
    /// The step in which that was.
    pub(super) step: usize,
}

impl Effect {
    pub(super) fn is_put_of(&self, write: &Write) -> bool {
        self.method == Method::Put && write.is_in(&self.body)
    }

    pub(super) fn is_status_of(&self, write: &Write, status: &str) -> bool {
        self.collection == "rules"
            && self.path == write.path
            && self.body.contains(&format!("\"{status}\""))
    }

    /// Whether after this what a write has made is not there.
    pub(super) fn is_removal_of(&self, write: &Write) -> bool {
        let is_it = self.path == write.path && self.collection == write.collection.name();
        let is_around = self.collection == "packages" && is_inside(write.path, &self.path);
        self.method == Method::Delete && (is_it || is_around)
    }
}

/// A master that is the API.
pub(super) struct Cloud {
    pub(super) api: Api,
    pub(super) faults: Mutex<VecDeque<Fault>>,
    effects: Mutex<Vec<Effect>>,
    pub(super) step: AtomicUsize,
}

impl Cloud {
    pub(super) fn new() -> Arc<Self> {
        let settings = Settings::with_rates(rates(100_000, 30, 60));
        let (dir, options) = (Arc::new(folder()), Options::default());
        let api = Api::over(dir, settings, Operations::default(), options, &|_, _, _| {
            None
        });
        api.other_namespace();
        Arc::new(Cloud {
            api,
            faults: Mutex::default(),
            effects: Mutex::default(),
            step: AtomicUsize::new(0),
        })
    }

    /// The answer to a request that has arrived: it has its effect, which is noted, whether anybody
    /// waits for the answer or not.
    pub(super) async fn arrived(self: &Arc<Self>, ask: Ask, by: Option<usize>) -> (u16, String) {
        let cloud = self.clone();
        let (sender, answered) = smol::channel::bounded(1);
        let carried = async move {
            let _ = sender.send(cloud.answer(ask, by).await).await;
        };
        self.api.executor.spawn(carried).detach();
        answered.recv().await.expect("the master outlives who asks")
    }

    /// Answers a request, and notes what it has done.
    pub(super) async fn answer(&self, ask: Ask, by: Option<usize>) -> (u16, String) {
        let mut request = ask.request;
        let method = request.method();
        let (collection, path) = place_of(&request);
        let sent = request.body_string().await.unwrap();
        request.set_body(sent.clone());
        let answer = self.api.server.respond(request).await;
        let mut answer: http_types::Response = answer.unwrap();
        let body = answer.body_string().await.unwrap();
        let status = u16::from(answer.status());
        if (200..300).contains(&status) && method != Method::Get {
            let effect = Effect {
                method,
                collection,
                path,
                body: sent,
                by,
                step: self.step.load(Ordering::Relaxed),
            };
            lock(&self.effects).push(effect);
            if method == Method::Delete {
                // What is made in its place is to have another time.
                later();
            }
        }
        (status, body)
    }

    /// The effects until now.
    pub(super) fn effects(&self) -> Vec<Effect> {
        lock(&self.effects).clone()
    }

    /// How many there are.
    pub(super) fn effects_count(&self) -> usize {
        lock(&self.effects).len()
    }
}

/// Collection and path of what a request is about.
fn place_of(request: &http_types::Request) -> (String, String) {
    let path = request.url().path();
    let rest = path.strip_prefix("/api/v1/namespaces/").unwrap_or(path);
    let mut parts = rest.splitn(3, '/');
    let mut next = || parts.next().unwrap_or_default();
    let (namespace, collection, name) = (next(), next(), next());
    let key = |request: &http_types::Request| {
        let key = request.header("Authorization");
        key.map(|key| key.as_str().to_owned())
    };
    let is_others = key(request) == key(&Ask::new(Method::Get, "/").other().request);
    let namespace = match namespace {
        "_" if is_others => "other",
        "_" => "guest",
        named => named,
    };
    (collection.to_owned(), format!("{namespace}/{name}"))
}

/// The way of one gateway to the master.
pub(super) struct Way {
    pub(super) cloud: Arc<Cloud>,
    /// Whose it is.
    pub(super) gateway: usize,
    pub(super) cut: Arc<AtomicBool>,
    /// The gateway is gone.
    pub(super) dead: AtomicBool,
}

impl Exchange for Arc<Way> {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        Box::pin(async move {
            let is_cut = || self.cut.load(Ordering::Relaxed) || self.dead.load(Ordering::Relaxed);
            let unsent = || UpstreamError::Unsent("connection refused".into());
            let broken = || UpstreamError::Broken("connection reset".into());
            if is_cut() {
                return Err(unsent());
            }
            let fault = lock(&self.cloud.faults).pop_front().unwrap_or(Fault::None);
            match fault {
                Fault::Unsent => return Err(unsent()),
                Fault::LostThere => return Err(broken()),
                Fault::Refused(status) => return Ok(trouble(status)),
                Fault::Late(turns) => {
                    for _ in 0..turns {
                        yield_now().await;
                    }
                    if is_cut() {
                        return Err(broken());
                    }
                }
                Fault::None | Fault::LostBack | Fault::Instead(_) => {}
            }
            let arrived = self.cloud.arrived(ask(request), Some(self.gateway));
            let (status, body) = arrived.await;
            match fault {
                Fault::LostBack => return Err(broken()),
                Fault::Instead(status) => return Ok(trouble(status)),
                Fault::Late(turns) => {
                    for _ in 0..turns {
                        yield_now().await;
                    }
                }
                _ => {}
            }
            if is_cut() {
                return Err(broken());
            }
            Ok(incoming(status, body))
        })
    }
}

/// What somebody between here and the master answers.
fn trouble(status: u16) -> Incoming {
    incoming(status, "<html>trouble</html>".into())
}

fn incoming(status: u16, body: String) -> Incoming {
    Incoming {
        status: hyper::StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: IncomingBody::whole(Bytes::from(body)),
    }
}

fn ask(request: Outgoing) -> Ask {
    let method: Method = request.method.as_str().parse().unwrap();
    let mut ask = Ask::new(method, &request.target);
    if let Some(authorization) = request.headers.get("authorization") {
        let authorization = authorization.to_str().unwrap();
        ask.request.insert_header("Authorization", authorization);
    }
    match request.body {
        OutgoingBody::Whole(body) => ask.body("application/json", body.to_vec()),
        OutgoingBody::Empty => ask,
        OutgoingBody::Pieces { .. } => panic!("a body that is not here"),
    }
}
