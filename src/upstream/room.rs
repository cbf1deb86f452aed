//! Memory for what other OpenWhisks answer, where it has to be whole: actions with their code,
//! answers to changes, lists that are merged. What is passed on in pieces takes none of it.
//!
//! There is so much for all of them together. What does not fit waits in line for a while. Small
//! bodies have a part of their own, so that they do not wait for large ones. Whoever waits for a
//! large place has at most a small one, and nobody who has a large place waits for another, so
//! that none waits for ever.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use smol::Timer;
use smol::channel::{Sender, bounded};
use smol::future::or;

use super::IncomingBody;
use crate::sync::lock;

/// Bytes of the largest body that counts as small: nearly all are.
pub const SMALL: u64 = 1 << 20;

/// Bytes that small bodies may have together.
const ALL_SMALL: u64 = 16 << 20;

/// Bytes that the others may have together: as many as the largest action with its code, of which
/// a machine with 512 MB has room for one beside what becomes of it (its code, its place in the
/// store). Two of 30 MB fit as well.
const ALL_LARGE: u64 = 64 << 20;

/// How many may wait for each of the parts. Each of them keeps a connection and its thread, of which
/// most are to be left to others (`OWL_FORWARDS` is 32 if nothing is said).
const MOST_WAITING: usize = 8;

/// How long one waits: clients that read a large answer at 4 MB/s have made way by then.
const PATIENCE: Duration = Duration::from_secs(15);

/// So many bytes of memory for whole bodies. Clones share them.
#[derive(Clone, Default)]
pub struct Room(Arc<Parts>);

struct Parts {
    small: Arc<Part>,
    large: Arc<Part>,
    patience: Duration,
}

impl Default for Parts {
    fn default() -> Self {
        Parts {
            small: Part::new(ALL_SMALL),
            large: Part::new(ALL_LARGE),
            patience: PATIENCE,
        }
    }
}

/// Others have had too much of the room for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = (ALL_SMALL + ALL_LARGE) >> 20;
        write!(
            f,
            "the {most} MiB that answers of other OpenWhisks may take here are in use"
        )
    }
}

impl std::error::Error for NoRoom {}

impl Room {
    /// Takes so many bytes, and waits for them if they are in use. More than all there are for
    /// large bodies are given to one alone.
    ///
    /// # Errors
    /// [`NoRoom`]: too many wait already, or they were not free for too long.
    pub async fn take(&self, bytes: u64) -> Result<Held, NoRoom> {
        let part = match bytes {
            0..=SMALL => &self.0.small,
            _ => &self.0.large,
        };
        let waiting = match part.ask(bytes)? {
            Asked::Held(held) => return Ok(held),
            Asked::Waiting(waiting) => waiting,
        };
        let late = async {
            Timer::after(self.0.patience).await;
            Err(NoRoom)
        };
        or(waiting.held(), late).await
    }

    /// One that has no room for anything, for good.
    #[cfg(test)]
    pub fn none() -> Self {
        let part = Part::new(0);
        lock(&part.state).held = 1;
        Room(Arc::new(Parts {
            small: part.clone(),
            large: part,
            patience: Duration::ZERO,
        }))
    }

    /// All of a body that has at most `limit` bytes. Its memory is taken until the last part of it
    /// is dropped.
    ///
    /// # Errors
    /// It broke off, it is longer ([`io::ErrorKind::FileTooLarge`]), or there is no memory for it
    /// ([`io::ErrorKind::OutOfMemory`]).
    pub async fn read(&self, mut body: IncomingBody, limit: u64) -> io::Result<Bytes> {
        let too_long = || {
            let text = format!("the answer has more than {limit} bytes");
            io::Error::new(io::ErrorKind::FileTooLarge, text)
        };
        let no_room = |error| io::Error::new(io::ErrorKind::OutOfMemory, error);
        let announced = body.length;
        if announced.is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let Some(first) = body.piece().await? else {
            return Ok(Bytes::new());
        };
        // Of what is not announced it is known only that it is not small when it is more.
        let mut most = announced.unwrap_or(limit.min(SMALL));
        let mut held = self.take(most).await.map_err(no_room)?;
        let mut whole = BytesMut::with_capacity(match announced {
            Some(length) => usize::try_from(length).unwrap_or_default(),
            None => first.len(),
        });
        let mut piece = first;
        loop {
            let length = (whole.len() + piece.len()) as u64;
            if length > limit {
                return Err(too_long());
            }
            if length > most {
                most = limit;
                held = self.take(most).await.map_err(no_room)?;
            }
            whole.extend_from_slice(&piece);
            match body.piece().await? {
                Some(next) => piece = next,
                None => break,
            }
        }
        held.keep(whole.len() as u64);
        Ok(Bytes::from_owner(Body { whole, _held: held }))
    }
}

/// A body and its memory.
struct Body {
    whole: BytesMut,
    _held: Held,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.whole
    }
}

/// Bytes that somebody has taken, until this is dropped.
pub struct Held {
    part: Arc<Part>,
    bytes: u64,
}

impl Held {
    /// Gives all but so many bytes back.
    fn keep(&mut self, bytes: u64) {
        let rest = self.bytes.saturating_sub(bytes);
        self.bytes -= rest;
        self.part.give_back(rest);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.part.give_back(self.bytes);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.bytes).finish()
    }
}

/// A part of the room.
struct Part {
    most: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: u64,
    /// In the order in which they came.
    waiting: VecDeque<Waiter>,
    /// Of who comes next.
    number: u64,
}

/// Somebody who waits.
struct Waiter {
    number: u64,
    bytes: u64,
    lets_in: Sender<Held>,
}

/// What is answered to who wants some bytes.
enum Asked {
    Held(Held),
    Waiting(Waiting),
}

/// A place in the line, which is given up when this is dropped.
struct Waiting {
    part: Arc<Part>,
    number: u64,
    let_in: smol::channel::Receiver<Held>,
}

impl Waiting {
    async fn held(&self) -> Result<Held, NoRoom> {
        self.let_in.recv().await.map_err(|_| NoRoom)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let number = self.number;
        lock(&self.part.state)
            .waiting
            .retain(|waiter| waiter.number != number);
        // The next may need less.
        self.part.let_in();
    }
}

impl Part {
    fn new(most: u64) -> Arc<Self> {
        Arc::new(Part {
            most,
            state: Mutex::default(),
        })
    }

    /// Takes bytes, or a place in the line for them.
    fn ask(self: &Arc<Self>, bytes: u64) -> Result<Asked, NoRoom> {
        let part = self.clone();
        let mut state = lock(&self.state);
        if state.waiting.is_empty() && state.fits(bytes, self.most) {
            state.held += bytes;
            return Ok(Asked::Held(Held { part, bytes }));
        }
        if state.waiting.len() >= MOST_WAITING {
            return Err(NoRoom);
        }
        let number = state.number;
        state.number += 1;
        let (lets_in, let_in) = bounded(1);
        state.waiting.push_back(Waiter {
            number,
            bytes,
            lets_in,
        });
        Ok(Asked::Waiting(Waiting {
            part,
            number,
            let_in,
        }))
    }

    fn give_back(self: &Arc<Self>, bytes: u64) {
        if bytes > 0 {
            lock(&self.state).held -= bytes;
            self.let_in();
        }
    }

    /// Lets those in for whom there is room, one after another.
    fn let_in(self: &Arc<Self>) {
        loop {
            let waiter = {
                let mut state = lock(&self.state);
                let Some(first) = state.waiting.front() else {
                    return;
                };
                let bytes = first.bytes;
                if !state.fits(bytes, self.most) {
                    return;
                }
                state.held += bytes;
                state.waiting.pop_front()
            };
            // Who has gone meanwhile gives it back as it is dropped.
            if let Some(waiter) = waiter {
                let (part, bytes) = (self.clone(), waiter.bytes);
                let _ = waiter.lets_in.try_send(Held { part, bytes });
            }
        }
    }
}

impl State {
    /// Whether there is room for so many bytes.
    const fn fits(&self, bytes: u64, most: u64) -> bool {
        self.held == 0 || self.held + bytes <= most
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
