//! Requests over the network, by threads that may block.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method};
use smol::channel::{Sender, bounded};
use smol::future::or;
use ureq::http;
use ureq::{AsSendBody, Body, SendBody};

use super::agent::Agents;
use super::call::{Call, Waiting};
use super::failure::{Times, failure};
use super::outgoing_body::Rest;
use super::workers::{Begun, Length, NotBegun, Workers};
use super::{
    Exchange, Incoming, IncomingBody, Judged, Outgoing, OutgoingBody, UpstreamError, body,
    keep_end_to_end,
};
use crate::BoxFuture;
use crate::config;

/// Largest piece of an answer's body that is passed on at once.
const PIECE: usize = 16 * 1024;

/// Attempts over connections that turn out to be closed: as many as may wait, and a fresh one.
const ATTEMPTS: usize = 5;

/// Speaks to one OpenWhisk over the network.
///
/// Each request is carried by a thread from its first byte to the last of its answer. It waits in
/// line for one no longer than for a connection, and ends soon after its caller has gone.
pub struct Client {
    carrier: Arc<Carrier>,
    workers: Arc<Workers>,
}

/// What a thread needs to carry a request.
struct Carrier {
    url: String,
    agents: Arc<Agents>,
    times: Times,
}

/// Where the head of an answer goes.
type Answer = Sender<Result<Incoming, UpstreamError>>;

impl Client {
    /// Speaks to the OpenWhisk at a URL, which is without `/api/v1`.
    pub(super) fn new(
        url: &str,
        agents: Arc<Agents>,
        workers: Arc<Workers>,
        settings: &config::Upstream,
    ) -> Self {
        Client {
            carrier: Arc::new(Carrier {
                url: url.to_owned(),
                agents,
                times: Times {
                    connect: settings.connect_timeout,
                    answer: settings.answer_timeout,
                },
            }),
            workers,
        }
    }

    async fn answer(&self, request: Outgoing) -> Result<Incoming, UpstreamError> {
        let pieces = match &request.body {
            OutgoingBody::Pieces { pieces, .. } => Some(pieces.clone()),
            OutgoingBody::Empty | OutgoingBody::Whole(_) => None,
        };
        let call = Call::new(pieces);
        let waiting = Waiting(call.clone());
        let (answer, answered) = bounded(1);
        let carrier = self.carrier.clone();
        let carried = call.clone();
        let length = match request.short {
            true => Length::Short,
            false => Length::Long,
        };
        let begun = self.workers.begin(&call, length, move || {
            carrier.carry(request, &carried, &answer);
        });
        let begun = begun.map_err(|error| match error {
            NotBegun::Busy => UpstreamError::Busy,
            NotBegun::NoThread(error) => {
                log::warn!("no thread for a request to {}: {error}", self.carrier.url);
                UpstreamError::Busy
            }
        })?;
        let answer = async {
            let gone = || UpstreamError::Broken("the thread that carried it has ended".to_owned());
            answered.recv().await.map_err(|_| gone())?
        };
        let answer = match begun {
            Begun::Now => answer.await,
            Begun::Waiting => {
                let in_line = async {
                    smol::Timer::after(self.carrier.times.connect).await;
                    if !call.withdraw() {
                        std::future::pending::<()>().await;
                    }
                    Err(UpstreamError::Busy)
                };
                or(answer, in_line).await
            }
        };
        answer.map(|mut incoming| {
            incoming.body.watch(waiting);
            incoming
        })
    }
}

impl Exchange for Client {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        Box::pin(self.answer(request))
    }
}

impl Carrier {
    /// Carries a request to the end of its answer's body.
    fn carry(&self, request: Outgoing, call: &Arc<Call>, answer: &Answer) {
        let is_head = request.method == Method::HEAD;
        let answered = self.answered(request, call);
        // Whoever fills the body learns that no more of it is wanted.
        call.close_body();
        match answered {
            Err(error) => {
                // Nobody may wait for it.
                let _ = answer.try_send(Err(error));
            }
            Ok(response) => pass_on(response, is_head, answer),
        }
    }

    /// The head of the answer.
    fn answered(
        &self,
        request: Outgoing,
        call: &Arc<Call>,
    ) -> Result<http::Response<Body>, UpstreamError> {
        let times = Times {
            answer: self.times.answer + request.patience,
            ..self.times
        };
        let is_safe = request.judged != Judged::Not
            && matches!(request.body, OutgoingBody::Empty)
            && matches!(request.method, Method::GET | Method::HEAD);
        let uri = format!("{}{}", self.url, request.target);
        let mut head = http::Request::new(());
        *head.uri_mut() = uri
            .parse()
            .map_err(|_| UpstreamError::Abandoned("its target is malformed".to_owned()))?;
        *head.method_mut() = request.method;
        *head.headers_mut() = request.headers;
        frame(&mut head, &request.body);
        let mut body = Rest::new(request.body, call.clone());
        let mut attempts = ATTEMPTS;
        loop {
            let error = match self.attempt(&head, body.as_mut(), times.answer) {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            attempts -= 1;
            // Only what was lost with an old connection: a fresh one says how the other side is.
            let is_lost = matches!(error, ureq::Error::Io(_))
                && call.is_on_old_connection()
                && !call.is_abandoned()
                && (!call.is_sent() || is_safe && !call.is_answered());
            if attempts == 0 || call.is_given_up() || !is_lost {
                return Err(failure(&error, call, times, self.agents.proxy()));
            }
            call.begin_anew();
        }
    }

    fn attempt(
        &self,
        head: &http::Request<()>,
        body: Option<&mut Rest>,
        answer: Duration,
    ) -> Result<http::Response<Body>, ureq::Error> {
        match body {
            Some(rest) => self.run(head.clone().map(|()| SendBody::from_reader(rest)), answer),
            None => self.run(head.clone(), answer),
        }
    }

    fn run(
        &self,
        request: http::Request<impl AsSendBody>,
        answer: Duration,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let agent = self.agents.agent();
        let request = agent
            .configure_request(request)
            .timeout_recv_response(Some(answer))
            .build();
        agent.run(request)
    }
}

/// Says how the body of a request is framed: as it was announced.
fn frame(head: &mut http::Request<()>, body: &OutgoingBody) {
    let length = match body {
        // Without a word, ureq would announce a body in pieces.
        OutgoingBody::Empty => {
            matches!(*head.method(), Method::POST | Method::PUT | Method::PATCH).then_some(0)
        }
        OutgoingBody::Whole(bytes) => Some(bytes.len() as u64),
        OutgoingBody::Pieces { length, .. } => *length,
    };
    let headers = head.headers_mut();
    keep_end_to_end(headers);
    headers.remove(CONTENT_LENGTH);
    match (length, body) {
        (Some(length), _) => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        (None, OutgoingBody::Empty) => {}
        (None, _) => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

/// Passes an answer on: its head, then its body as it comes.
fn pass_on(response: http::Response<Body>, is_head: bool, answer: &Answer) {
    let (mut parts, body) = response.into_parts();
    let length = match is_head {
        true => announced(&parts.headers),
        false => body.content_length(),
    };
    keep_end_to_end(&mut parts.headers);
    let (sender, pieces) = self::body();
    let incoming = Incoming {
        status: parts.status,
        headers: parts.headers,
        body: IncomingBody::new(length, pieces),
    };
    if answer.try_send(Ok(incoming)).is_ok() {
        pump(body.into_reader(), &sender);
    }
}

/// The length that a head announces.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body to its end, or until nobody takes it any more.
fn pump(mut body: impl Read, sender: &Sender<io::Result<Bytes>>) {
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = match body.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => Ok(Bytes::copy_from_slice(&buffer[..length])),
            Err(error) => Err(error),
        };
        let is_last = piece.is_err();
        if sender.send_blocking(piece).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
