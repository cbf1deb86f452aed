//! The API with a master that plays a script.

mod activations;
mod copies_of;
mod fired;
mod forwarding;
mod keys;
mod missing;
mod property;
mod system;
mod web;
mod writing;

use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::http::{HeaderName, HeaderValue};

use super::*;
use crate::clock;
use crate::entity::GUEST_KEY;
use crate::master::copies::{self, Copies};
use crate::master::fires::{self, Fires};
use crate::master::journal::Journal;
use crate::master::writes::Writes;
use crate::master::{Keys, Validity};
use crate::sync::lock;
use crate::upstream::{
    Exchange, Incoming, IncomingBody, Outgoing, OutgoingBody, Upstream, UpstreamError, Via,
};

/// How the master is known.
const URL: &str = "https://master";

/// How this gateway marks what it sends on.
const OWN_ID: &str = "0123456789abcdef";

/// A request that the master got.
#[derive(Clone, Debug)]
struct Seen {
    /// Method and target: `GET /api/v1`.
    line: String,
    headers: HeaderMap,
    body: String,
}

/// What the master does about a request.
enum Play {
    /// It answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// It cannot be reached.
    Unreachable,
    /// It takes the request and gives no answer.
    NoAnswer,
}

/// A JSON document as an answer.
fn answer(status: u16, body: Value) -> Play {
    let headers = vec![("content-type", "application/json".into())];
    Play::Answer(status, headers, body.to_string())
}

/// A master that plays a script.
struct Scripted {
    play: Box<dyn Fn(&Seen) -> Play + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
}

impl Scripted {
    /// The requests that it got since it was asked last: method and target.
    fn lines(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *lock(&self.seen));
        seen.into_iter().map(|seen| seen.line).collect()
    }

    /// The only request that it got since it was asked last.
    fn only(&self) -> Seen {
        let seen = std::mem::take(&mut *lock(&self.seen));
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }
}

impl Exchange for Arc<Scripted> {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        Box::pin(async move {
            let mut body = Vec::new();
            match request.body {
                OutgoingBody::Empty => {}
                OutgoingBody::Whole(bytes) => body.extend_from_slice(&bytes),
                OutgoingBody::Pieces { pieces, .. } => {
                    while let Ok(piece) = pieces.recv().await {
                        body.extend_from_slice(&piece.unwrap());
                    }
                }
            }
            let seen = Seen {
                line: format!("{} {}", request.method, request.target),
                headers: request.headers,
                body: String::from_utf8(body).unwrap(),
            };
            lock(&self.seen).push(seen.clone());
            match (self.play)(&seen) {
                Play::Unreachable => Err(UpstreamError::Unsent("connection refused".into())),
                Play::NoAnswer => Err(UpstreamError::Broken("no answer within 1 s".into())),
                Play::Answer(status, headers, body) => {
                    let header = |(name, value): (&'static str, String)| {
                        let value = HeaderValue::from_str(&value).unwrap();
                        (HeaderName::from_static(name), value)
                    };
                    Ok(Incoming {
                        status: hyper::StatusCode::from_u16(status).unwrap(),
                        headers: headers.into_iter().map(header).collect(),
                        body: IncomingBody::whole(Bytes::from(body)),
                    })
                }
            }
        })
    }
}

/// What the journal may hold.
const JOURNAL_BYTES: u64 = 1 << 20;

/// Which fired triggers may wait.
const FIRES: fires::Limits = fires::Limits {
    bytes: 1 << 20,
    age: Duration::from_secs(3600),
};

/// A master that an exchange speaks to, in front of a catalogue. It has accepted the guest's key
/// before; copies are fresh for `revalidate`, and while it is out of reach writes are kept, in a
/// journal of so many bytes, or refused.
fn master_at(
    exchange: impl Exchange + 'static,
    (revalidate, kept): (Duration, Option<u64>),
    catalog: &Catalog,
    executor: &Executor,
    script: &Arc<Script>,
) -> Arc<Master> {
    let store = catalog.store();
    let key = Secret::new(GUEST_KEY.into());
    let learned = store.learn_key("guest", GUEST_UUID, &key, clock::now());
    smol::block_on(learned).unwrap();
    let upstream = Upstream::new(URL, exchange);
    let validity = Validity {
        revalidate: Duration::from_secs(3600),
        offline: Duration::from_secs(3600),
    };
    let script = script.clone();
    let rooms = copies::Rooms {
        upstream: upstream.clone(),
        via: Via::new(OWN_ID),
        catalog: catalog.clone(),
        executor: executor.clone(),
        retire: Box::new(move |action| script.retire(action)),
    };
    let copies = Copies::new(rooms, revalidate);
    let mirror = Arc::new(copies.clone());
    let journal = Journal::open(store.clone(), mirror, kept.unwrap_or(JOURNAL_BYTES)).unwrap();
    let (to, kept_in) = (upstream.clone(), journal.clone());
    let keys = Keys::new(
        store.clone(),
        upstream.clone(),
        executor.clone(),
        Via::new(OWN_ID),
        validity,
    );
    let rooms = fires::Rooms {
        store: store.clone(),
        upstream: upstream.clone(),
        executor: executor.clone(),
        keys: keys.clone(),
        journal: journal.clone(),
    };
    Arc::new(Master {
        keys,
        fires: Fires::open(rooms, FIRES).unwrap(),
        writes: Writes::new(to, catalog.clone(), copies.clone(), kept_in, kept.is_some()),
        copies,
        journal,
        upstream,
        via: Via::new(OWN_ID),
        merge_activations: true,
    })
}

/// The options of a gateway's store.
fn options() -> Options {
    Options {
        keys_of_master: true,
        ..Options::default()
    }
}

/// A server with a master that has accepted the guest's key before. Copies are always compared
/// again before they are shown.
fn with_master(play: impl Fn(&Seen) -> Play + Send + Sync + 'static) -> (Api, Arc<Scripted>) {
    with_master_and(rates(1000, 30, 60), play)
}

/// With these rates.
fn with_master_and(
    rates: Rates,
    play: impl Fn(&Seen) -> Play + Send + Sync + 'static,
) -> (Api, Arc<Scripted>) {
    let scripted = Arc::new(Scripted {
        play: Box::new(play),
        seen: Mutex::default(),
    });
    let make = |catalog: &Catalog, executor: &Executor, script: &Arc<Script>| {
        let setup = (Duration::ZERO, Some(JOURNAL_BYTES));
        Some(master_at(
            scripted.clone(),
            setup,
            catalog,
            executor,
            script,
        ))
    };
    let settings = Settings::with_rates(rates);
    let api = Api::made(settings, Operations::default(), options(), &make);
    (api, scripted)
}
