//! An engine that can go away and come back: a socket in front of the real one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Passes bytes between a socket of its own and the engine's.
pub struct Relay {
    dir: tempfile::TempDir,
    open: Arc<Open>,
    lost: Arc<Lost>,
}

/// Requests that are lost for who sends them, and come to the engine all the same.
#[derive(Default)]
struct Lost {
    /// What is in their first lines, and how late they come.
    which: Mutex<Option<(String, Duration)>>,
    /// The first lines of the engine's answers.
    answers: Mutex<Vec<String>>,
}

impl Lost {
    fn of(&self, request: &str) -> Option<Duration> {
        let which = self.which.lock().unwrap_or_else(PoisonError::into_inner);
        let which = which.as_ref().filter(|(part, _)| request.contains(part));
        which.map(|(_, late)| *late)
    }

    fn answered(&self, answer: &[u8]) {
        let answer = String::from_utf8_lossy(answer);
        let line = answer.lines().next().unwrap_or_default().to_owned();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(line);
    }
}

/// How many connections there were.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The connections, by number.
#[derive(Default)]
struct Open(Mutex<BTreeMap<u64, Passed>>);

/// A connection, and the first line of what was sent over it.
struct Passed {
    request: String,
    ends: [UnixStream; 2],
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Passed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay {
    /// Listens in front of an engine.
    pub fn start(engine: PathBuf) -> Relay {
        let relay = Relay {
            dir: tempfile::tempdir().expect("is made"),
            open: Arc::default(),
            lost: Arc::default(),
        };
        relay.listen(engine);
        relay
    }

    /// Its address, as for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// As when the engine stops: all connections end and new ones are refused.
    pub fn stop(&self) {
        self.refuse();
        self.cut("");
    }

    /// As when the engine begins to stop: new connections are refused.
    pub fn refuse(&self) {
        std::fs::remove_file(self.socket()).expect("was there");
    }

    /// Ends the connections with this in the first line of their request; gives how many.
    pub fn cut(&self, part: &str) -> usize {
        let mut open = self.open.lock();
        let before = open.len();
        open.retain(|_, passed| {
            let stays = !passed.request.contains(part);
            if !stays {
                for end in &passed.ends {
                    // It may have ended by itself.
                    drop(end.shutdown(Shutdown::Both));
                }
            }
            stays
        });
        before - open.len()
    }

    /// From now on the connections end at once of requests with this in their first line, which come
    /// to the engine so much later; none: of no more.
    pub fn lose(&self, part: Option<(&str, Duration)>) {
        let lost = part.map(|(part, late)| (part.to_owned(), late));
        *self
            .lost
            .which
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = lost;
    }

    /// The first lines of the engine's answers to those.
    pub fn lost(&self) -> Vec<String> {
        let answers = self.lost.answers.lock();
        answers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As when the engine is back. While there is none behind it, connections end at once.
    pub fn listen(&self, engine: PathBuf) {
        let listener = UnixListener::bind(self.socket()).expect("binds");
        let (open, lost) = (self.open.clone(), self.lost.clone());
        std::thread::spawn(move || {
            for here in listener.incoming() {
                let here = here.expect("accepts");
                let number = COUNTER.fetch_add(1, Ordering::Relaxed);
                let Ok(there) = UnixStream::connect(&engine) else {
                    continue;
                };
                let copy = |stream: &UnixStream| stream.try_clone().expect("is open");
                let passed = Passed {
                    request: String::new(),
                    ends: [copy(&here), copy(&there)],
                };
                open.lock().insert(number, passed);
                let (open, lost) = (open.clone(), lost.clone());
                std::thread::spawn(move || {
                    pass(here, there, number, &open, &lost);
                    open.lock().remove(&number);
                });
            }
        });
    }
}

/// Passes bytes until both sides end. How a connection ends is none of the relay's business.
fn pass(mut here: UnixStream, mut there: UnixStream, number: u64, open: &Open, lost: &Lost) {
    let mut head = [0; 4096];
    let length = here.read(&mut head).unwrap_or(0);
    let text = String::from_utf8_lossy(&head[..length]);
    if let Some(late) = lost.of(text.lines().next().unwrap_or_default()) {
        let whole = read_whole(&mut here, &head[..length]);
        drop(here.shutdown(Shutdown::Both));
        open.lock().remove(&number);
        std::thread::sleep(late);
        drop(there.write_all(&whole));
        // An engine gives up what nobody waits for.
        let mut answer = Vec::new();
        drop(there.read_to_end(&mut answer));
        return lost.answered(&answer);
    }
    if let Some(passed) = open.lock().get_mut(&number) {
        passed.request = text.lines().next().unwrap_or_default().to_owned();
    }
    let (Ok(mut from), Ok(mut back)) = (there.try_clone(), here.try_clone()) else {
        return;
    };
    let answers = std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut back));
        drop(back.shutdown(Shutdown::Write));
    });
    if there.write_all(&head[..length]).is_ok() {
        drop(std::io::copy(&mut here, &mut there));
    }
    drop(there.shutdown(Shutdown::Write));
    drop(answers.join());
}

/// A request as a whole, of which this has come already; the connection is closed after it.
fn read_whole(from: &mut UnixStream, begun: &[u8]) -> Vec<u8> {
    let mut whole = begun.to_vec();
    let mut more = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&whole).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length = length.and_then(|length| length.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break;
            }
        }
        match from.read(&mut more) {
            Ok(length) if length > 0 => whole.extend_from_slice(&more[..length]),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&whole).into_owned();
    text.replacen("\r\n", "\r\nConnection: close\r\n", 1).into()
}
