//! One other OpenWhisk, and the requests to it.

mod probe;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event_listener::Event;
use hyper::{HeaderMap, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};
use smol::Timer;
use smol::future::or;

use super::circuit::{Epoch, Turn};
use super::known::Known;
use super::pacing::Load;
use super::status::{Counts, Status};
use super::verdict::Verdict;
use super::{Exchange, Incoming, Judged, Outgoing, OutgoingBody, Room, UpstreamError};
use crate::sync::lock;

/// How long one waits in doubt in all, however many questions that are: people take it for a slow
/// answer and not for none, and a cloud on the other side of the world that is well (name,
/// connection, TLS and request take five round trips of at most 200 ms) has answered by then.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one waits at least, so that who asks late asks at all.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// Another OpenWhisk. Everything that is sent to it goes through here, so that what is out of reach
/// is not asked in vain. Clones share what is known of it.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    url: String,
    exchange: Box<dyn Exchange>,
    /// Where answers are that are read whole.
    room: Room,
    /// Whether the circuit is open, for those who only look.
    down: AtomicBool,
    known: Mutex<Known>,
    /// Notified when the circuit has turned.
    turned: Event,
    counts: Counts,
}

/// An answer whose body is here.
#[derive(Debug)]
pub struct Whole {
    /// Its status.
    pub status: StatusCode,
    /// Its headers without those of the connection (hop-by-hop).
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A request that is under way.
struct Asked {
    at: Instant,
    epoch: Epoch,
    judged: Judged,
    /// Whether nothing is lost if it is given up.
    is_safe: bool,
    /// Whether the time until the answer is all the other side's own.
    is_short: bool,
}

impl Upstream {
    /// The OpenWhisk that an exchange speaks to; `url` is how people know it, without `/api/v1`.
    /// Somebody has to [`watch`](Self::watch) it.
    pub fn new(url: impl Into<String>, exchange: impl Exchange + 'static) -> Self {
        Self::sharing(Room::default(), url, exchange)
    }

    /// [`Upstream::new`], with a room for whole answers that others have, too.
    pub fn sharing(room: Room, url: impl Into<String>, exchange: impl Exchange + 'static) -> Self {
        Upstream(Arc::new(Inner {
            url: url.into(),
            exchange: Box::new(exchange),
            room,
            down: AtomicBool::new(false),
            known: Mutex::new(Known::new(Instant::now())),
            turned: Event::new(),
            counts: Counts::default(),
        }))
    }

    /// The room for answers that are read whole.
    pub fn room(&self) -> &Room {
        &self.0.room
    }

    /// Its URL, without `/api/v1`.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Whether it is known to be out of reach.
    pub fn is_down(&self) -> bool {
        self.0.down.load(Ordering::Relaxed)
    }

    /// Waits while it is known to be out of reach.
    pub async fn up(&self) {
        self.until(false).await;
    }

    /// Waits until it is known to be out of reach.
    pub async fn down(&self) {
        self.until(true).await;
    }

    async fn until(&self, down: bool) {
        while self.is_down() != down {
            let turned = self.0.turned.listen();
            if self.is_down() != down {
                turned.await;
            }
        }
    }

    /// When it has last answered; none: never since the daemon has started.
    pub fn last_answer(&self) -> Option<Instant> {
        lock(&self.0.known).last_answer()
    }

    /// Time since it has last answered; if it never has, since this was made.
    pub fn silent_for(&self) -> Duration {
        lock(&self.0.known).silent_for(Instant::now())
    }

    /// How much longer whoever can do without an answer waits for one, while nobody knows whether
    /// this is there at all: after a start, and after a first failure. None: until it comes, or
    /// until it is known that none does.
    pub fn patience(&self) -> Option<Duration> {
        let since = lock(&self.0.known).in_doubt_since()?;
        Some(PATIENCE.saturating_sub(since.elapsed()).max(LEAST_PATIENCE))
    }

    /// Waits for an answer that can be done without, no longer than there is
    /// [patience](Self::patience).
    ///
    /// # Errors
    /// [`UpstreamError::Broken`] when it is over; those of the answer.
    pub async fn if_soon<T>(
        &self,
        answer: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let Some(patience) = self.patience() else {
            return answer.await;
        };
        let late = async {
            Timer::after(patience).await;
            Err(UpstreamError::Broken("no answer yet".to_owned()))
        };
        or(answer, late).await
    }

    /// How it is, for people.
    pub fn status(&self) -> Status {
        lock(&self.0.known).status(Instant::now(), self.0.counts.read())
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`UpstreamError::Down`] at once, if it is known to be out of reach, and as soon as that is
    /// known for a request that changes nothing; else why there is no answer.
    pub async fn send(&self, request: Outgoing) -> Result<Incoming, UpstreamError> {
        let asked = self.ask(&request)?;
        let sent = self.0.exchange.send(request);
        match self.unless_down(&asked, sent).await {
            Ok(answer) => {
                self.answered(&asked, answer.status, &answer.headers);
                Ok(answer)
            }
            Err(error) => Err(self.failed(&asked, error)),
        }
    }

    /// Sends a request and waits for all of its answer, whose body may have `limit` bytes.
    ///
    /// # Errors
    /// As [`Upstream::send`]; [`UpstreamError::Broken`], too, if the body breaks off or is longer,
    /// and [`UpstreamError::NoRoom`] if there is no memory for it.
    pub async fn fetch(&self, request: Outgoing, limit: u64) -> Result<Whole, UpstreamError> {
        let fetched = self.fetch_into(request, limit, |_| async {});
        fetched.await.map(|(whole, ())| whole)
    }

    /// [`Upstream::fetch`] for answers that may be large: no more of the body is taken than its
    /// first pieces until `room` has made room for it. It is told the length, if that was
    /// announced; what it gives comes back beside the answer.
    ///
    /// # Errors
    /// As [`Upstream::fetch`].
    pub async fn fetch_into<R, F: Future<Output = R>>(
        &self,
        mut request: Outgoing,
        limit: u64,
        room: impl FnOnce(Option<u64>) -> F,
    ) -> Result<(Whole, R), UpstreamError> {
        let is_here = !matches!(request.body, OutgoingBody::Pieces { .. });
        request.short = request.patience.is_zero() && is_here;
        let asked = self.ask(&request)?;
        // In a box: whoever waits for this in several layers has several places for it.
        let sent = Box::pin(async {
            let answer = self.0.exchange.send(request).await?;
            let held = room(answer.body.length).await;
            let body = self.0.room.read(answer.body, limit).await;
            Ok((answer.status, answer.headers, body, held))
        });
        let (status, headers, body, held) = match self.unless_down(&asked, sent).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.failed(&asked, error)),
        };
        match body {
            Ok(body) => {
                self.answered(&asked, status, &headers);
                let whole = Whole {
                    status,
                    headers,
                    body,
                };
                Ok((whole, held))
            }
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                self.answered(&asked, status, &headers);
                Err(UpstreamError::Broken(error.to_string()))
            }
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                self.answered(&asked, status, &headers);
                Err(UpstreamError::NoRoom(status))
            }
            Err(error) => {
                let broken = UpstreamError::Broken(format!("its answer broke off: {error}"));
                Err(self.failed(&asked, broken))
            }
        }
    }

    /// Waits until one more request may be sent that nobody waits for: a replayed write, a stored
    /// trigger. So they come neither all at once nor faster than the other side takes them.
    ///
    /// # Errors
    /// [`UpstreamError::Down`]: it is out of reach, or has come to be so.
    pub async fn turn(&self) -> Result<(), UpstreamError> {
        let now = Instant::now();
        let at = {
            let mut known = lock(&self.0.known);
            known.turn(now, chance()).ok_or(UpstreamError::Down)?
        };
        if at <= now {
            return Ok(());
        }
        let waited = async {
            Timer::at(at).await;
            Ok(())
        };
        or(waited, self.is_lost()).await
    }

    async fn is_lost<T>(&self) -> Result<T, UpstreamError> {
        self.down().await;
        Err(UpstreamError::Down)
    }

    /// Notes that a request is sent.
    fn ask(&self, request: &Outgoing) -> Result<Asked, UpstreamError> {
        if self.is_down() {
            self.0.counts.add(Err(&UpstreamError::Down));
            return Err(UpstreamError::Down);
        }
        Ok(Asked {
            at: Instant::now(),
            epoch: lock(&self.0.known).epoch(),
            judged: request.judged,
            is_safe: request.method.is_safe() && request.judged == Judged::ByStatus,
            is_short: request.patience.is_zero(),
        })
    }

    async fn unless_down<T>(
        &self,
        asked: &Asked,
        sent: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        if asked.is_safe {
            or(sent, self.is_lost()).await
        } else {
            sent.await
        }
    }

    fn answered(&self, asked: &Asked, status: StatusCode, headers: &HeaderMap) {
        self.0.counts.add(Ok(status));
        let verdict = Verdict::of_answer(asked.judged, status, headers);
        let took = asked.is_short.then(|| asked.at.elapsed());
        let load = Load::of_answer(status, headers, took);
        self.learn(|known, now| known.learn(&verdict, load, asked.epoch, now, chance()));
    }

    fn failed(&self, asked: &Asked, error: UpstreamError) -> UpstreamError {
        self.0.counts.add(Err(&error));
        let verdict = Verdict::of_error(&error);
        let load = Load::Unknown;
        self.learn(|known, now| known.learn(&verdict, load, asked.epoch, now, chance()));
        error
    }

    /// Takes note of something, and tells those who wait when the circuit has turned.
    fn learn(&self, note: impl FnOnce(&mut Known, Instant) -> Option<Turn>) {
        let turn = {
            let mut known = lock(&self.0.known);
            let turn = note(&mut known, Instant::now());
            self.0.down.store(known.is_down(), Ordering::Relaxed);
            turn.map(|turn| (turn, known.reason().unwrap_or_default().to_owned()))
        };
        let Some((turn, reason)) = turn else { return };
        let url = self.url();
        match turn {
            Turn::Doubted => {}
            Turn::Opened => {
                self.0.counts.add_outage();
                log::warn!("{url} is out of reach, and is asked again from time to time: {reason}");
            }
            Turn::Closed(outage) => {
                log::info!("{url} can be reached again, after {} s", outage.as_secs());
            }
        }
        self.0.turned.notify(usize::MAX);
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.0.url).finish()
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without it gateways come together, which is no reason to stop.
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}
