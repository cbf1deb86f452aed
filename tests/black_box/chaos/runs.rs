//! Counts runs: each run that begins tells its token here, so that one that happens twice is seen
//! even if nobody gets its answer.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Where runs tell that they have begun.
pub struct Runs {
    port: u16,
    counts: Arc<Mutex<HashMap<u64, u32>>>,
}

impl Runs {
    /// Listens, also for containers.
    pub fn listen() -> Runs {
        let listener = TcpListener::bind(("0.0.0.0", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let runs = Runs {
            port,
            counts: counts.clone(),
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counts = counts.clone();
                thread::spawn(move || {
                    // A container may be killed before it has said anything.
                    stream.set_read_timeout(Some(Duration::from_secs(30))).ok();
                    let mut line = String::new();
                    let read = BufReader::new(&stream).read_line(&mut line);
                    if let (Ok(_), Ok(token)) = (read, line.trim_end().parse()) {
                        *counts.lock().expect("the counts").entry(token).or_insert(0) += 1;
                        (&stream).write_all(b"\n").ok();
                    }
                });
            }
        });
        runs
    }

    /// What "tell" is to be in a container that reaches this machine at that address.
    pub fn tell(&self, gateway: &str) -> String {
        format!("{gateway}:{}", self.port)
    }

    /// How often the run with this token has begun.
    pub fn of(&self, token: u64) -> u32 {
        let counts = self.counts.lock().expect("the counts");
        counts.get(&token).copied().unwrap_or(0)
    }

    /// How many runs have begun.
    pub fn all(&self) -> u64 {
        let counts = self.counts.lock().expect("the counts");
        counts.values().map(|count| u64::from(*count)).sum()
    }
}
