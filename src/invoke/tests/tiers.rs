//! Tiers that answer as they are told.

use std::sync::Mutex;

use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::play::play;
use super::*;
use crate::BoxFuture;
use crate::entity::Parameter;
use crate::upstream::{
    Exchange, Incoming, IncomingBody, Outgoing, OutgoingBody, Upstream, UpstreamError, VIA, Via,
};

/// A request as a tier got it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) via: String,
    pub(super) authorization: String,
    pub(super) body: String,
}

/// What a tier says: status and document.
pub(super) type Reply = Result<(u16, Value), UpstreamError>;

type Plan = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// A tier.
struct Tier {
    plan: Plan,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Exchange for Tier {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        let header = |name: &str| {
            let value = request.headers.get(name);
            value
                .map_or("", |value| value.to_str().unwrap())
                .to_string()
        };
        let body = match &request.body {
            OutgoingBody::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        };
        let seen = Seen {
            via: header(VIA),
            authorization: header("authorization"),
            method: request.method,
            target: request.target,
            body,
        };
        let reply = (self.plan)(&seen);
        self.seen.lock().unwrap().push(seen);
        Box::pin(async move {
            let (status, document) = reply?;
            Ok(Incoming {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: IncomingBody::whole(document.to_string()),
            })
        })
    }
}

/// The tiers of a gateway, and what they were asked.
#[derive(Default)]
pub(super) struct Cloud {
    upstreams: Vec<Upstream>,
    seen: Vec<Arc<Mutex<Vec<Seen>>>>,
}

/// The id that an activation gets on a tier.
pub(super) const THERE: &str = "0123456789abcdef0123456789abcdef";

/// The record of an activation on a tier.
pub(super) fn record(result: Value, logs: &[&str]) -> Value {
    json!({
        "activationId": THERE,
        "start": 1000,
        "end": 1020,
        "duration": 17,
        "response": {"status": "success", "success": true, "result": result},
        "logs": logs,
        "annotations": [{"key": "initTime", "value": 12}],
    })
}

/// A tier that runs everything: it gives its number and what it was given.
pub(super) fn runs(number: usize) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        let given: Value = match seen.method {
            Method::POST => serde_json::from_str(&seen.body).unwrap(),
            _ => Value::Null,
        };
        let logs: &[&str] = match seen.method {
            Method::POST => &[],
            _ => &["a line there"],
        };
        Ok((200, record(json!({"tier": number, "given": given}), logs)))
    }
}

pub(super) fn unsent(_: &Seen) -> Reply {
    Err(UpstreamError::Unsent("no route".into()))
}

pub(super) fn broken(_: &Seen) -> Reply {
    Err(UpstreamError::Broken("the connection ended".into()))
}

pub(super) fn refuses(status: u16) -> impl Fn(&Seen) -> Reply {
    move |_| Ok((status, json!({"error": "No.", "code": "x"})))
}

impl Cloud {
    /// One more tier behind the others: `http://tier0` and so on.
    pub(super) fn tier(mut self, plan: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let url = format!("http://tier{}", self.upstreams.len());
        let tier = Tier {
            plan: Box::new(plan),
            seen: seen.clone(),
        };
        self.upstreams.push(Upstream::new(url, tier));
        self.seen.push(seen);
        self
    }

    /// A gateway before them.
    pub(super) fn gateway(&self, capacity: usize, on_failure: bool) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        self.gateway_in(folder, capacity, on_failure, |_| {})
    }

    pub(super) fn gateway_in(
        &self,
        folder: tempfile::TempDir,
        capacity: usize,
        on_failure: bool,
        change: fn(&mut Settings),
    ) -> Bench {
        let tiers = Tiers {
            upstreams: self.upstreams.clone(),
            via: Via::new("here"),
            on_failure,
        };
        Bench::before(folder, play, capacity, change, Some(tiers))
    }

    /// A tier.
    pub(super) fn upstream(&self, tier: usize) -> &Upstream {
        &self.upstreams[tier]
    }

    /// What a tier was asked, but for records.
    pub(super) fn invocations(&self, tier: usize) -> Vec<Seen> {
        let seen = self.seen[tier].lock().unwrap();
        let posts = seen.iter().filter(|seen| seen.method == Method::POST);
        posts.cloned().collect()
    }
}

/// An action with a placement.
pub(super) fn placed(name: &str, placement: &str) -> Action {
    let mut placed = action(name);
    placed.annotations.0.push(Parameter {
        key: "owl-placement".into(),
        value: RawValue::from_string(json!(placement).to_string()).unwrap(),
        init: false,
    });
    placed
}

impl Bench {
    /// What is said to a call that is refused.
    pub(super) fn refusal(&self, call: Call) -> InvokeError {
        match self.run(self.invoker.invoke(call)) {
            Err(error) => error,
            Ok(_) => panic!("it was accepted"),
        }
    }

    /// The record of a call that was let in and could not be run, and what its caller was told.
    pub(super) fn refused_late(&self, call: Call) -> (Value, InvokeError) {
        match self.run(self.invoker.invoke(call)) {
            Ok(Outcome::Refused(id, refusal)) => (self.record(id), refusal),
            Ok(Outcome::Finished(activation)) => panic!("it has run: {activation:?}"),
            Ok(Outcome::Accepted(id)) => panic!("{id} was accepted only"),
            Err(error) => panic!("{error}"),
        }
    }
}
