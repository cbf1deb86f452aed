//! An engine that can go away and come back: a socket in front of the real one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Passes bytes between a socket of its own and the engine's.
pub struct Relay {
    dir: tempfile::TempDir,
    open: Arc<Open>,
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

    /// As when the engine is back. While there is none behind it, connections end at once.
    pub fn listen(&self, engine: PathBuf) {
        let listener = UnixListener::bind(self.socket()).expect("binds");
        let open = self.open.clone();
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
                let open = open.clone();
                std::thread::spawn(move || {
                    pass(here, there, number, &open);
                    open.lock().remove(&number);
                });
            }
        });
    }
}

/// Passes bytes until both sides end. How a connection ends is none of the relay's business.
fn pass(mut here: UnixStream, mut there: UnixStream, number: u64, open: &Open) {
    let mut head = [0; 4096];
    let length = here.read(&mut head).unwrap_or(0);
    if let Some(passed) = open.lock().get_mut(&number) {
        let text = String::from_utf8_lossy(&head[..length]);
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
