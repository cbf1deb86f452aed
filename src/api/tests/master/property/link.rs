//! The master, which is the API itself, and the way to it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use smol::future::yield_now;

use super::steps::Fault;
use super::*;

/// What a request has done at the master.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) method: Method,
    /// `collection/[package/]name`.
    pub(super) of: String,
    pub(super) body: String,
    /// Whether it came through the gateway.
    pub(super) by_gateway: bool,
}

/// A master that is the API.
pub(super) struct Cloud {
    pub(super) api: Api,
    pub(super) cut: AtomicBool,
    pub(super) faults: Mutex<VecDeque<Fault>>,
    pub(super) effects: Mutex<Vec<Effect>>,
}

impl Cloud {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Cloud {
            api: Api::new(),
            cut: AtomicBool::new(false),
            faults: Mutex::default(),
            effects: Mutex::default(),
        })
    }

    /// Answers a request, and notes what it has done.
    pub(super) async fn answer(&self, ask: Ask, by_gateway: bool) -> (u16, String) {
        let mut request = ask.request;
        let method = request.method();
        let of = request.url().path().to_owned();
        let of = of
            .replace("/api/v1/namespaces/guest/", "")
            .replace("/api/v1/namespaces/_/", "");
        let sent = request.body_string().await.unwrap();
        request.set_body(sent.clone());
        let answer = self.api.server.respond(request).await;
        let mut answer: http_types::Response = answer.unwrap();
        let body = answer.body_string().await.unwrap();
        let status = u16::from(answer.status());
        if (200..300).contains(&status) && method != Method::Get {
            let effect = Effect {
                method,
                of,
                body: sent,
                by_gateway,
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
}

/// The way of one gateway to the master. What arrives has its effect, whether anybody waits for
/// the answer or not.
pub(super) struct Way {
    pub(super) cloud: Arc<Cloud>,
    /// The gateway is gone.
    pub(super) dead: AtomicBool,
}

impl Exchange for Arc<Way> {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        Box::pin(async move {
            let is_cut = || self.cloud.cut.load(Ordering::Relaxed) || self.is_dead();
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
            let ask = ask(request);
            let cloud = self.cloud.clone();
            let answer = async move { cloud.answer(ask, true).await };
            // Goes on, whoever waits for it.
            let (sender, answered) = smol::channel::bounded(1);
            let executor = &self.cloud.api.executor;
            let carried = async move {
                let _ = sender.send(answer.await).await;
            };
            executor.spawn(carried).detach();
            let (status, body) = answered.recv().await.map_err(|_| broken())?;
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

impl Way {
    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
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
