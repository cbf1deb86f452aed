//! Watches an engine from outside: which containers there are at each instant, and what they may
//! use.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Time between two attempts to reach an engine that is away.
const PAUSE: Duration = Duration::from_millis(50);

/// What there was at some instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Containers, running or not.
    pub containers: usize,
    /// MB that their memory limits come to.
    pub memory: u64,
}

/// The containers for actions of some namespaces, followed by the engine's events until this is
/// dropped.
pub struct Census {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct Seen {
    /// MB of each container that there is, by its id.
    present: BTreeMap<String, u64>,
    /// Each count, with the time of the event that led to it.
    counts: Vec<(Duration, Count)>,
    created: u64,
}

impl Seen {
    fn count(&mut self, at: Duration) {
        let count = Count {
            containers: self.present.len(),
            memory: self.present.values().sum(),
        };
        if self.counts.last().is_none_or(|(_, last)| *last != count) {
            self.counts.push((at, count));
        }
    }
}

impl Census {
    /// Follows the engine at a `DOCKER_HOST`, as regards namespaces whose names begin so.
    pub fn of(host: &str, namespaces: &str) -> Census {
        let socket = host.strip_prefix("unix://").expect("a Unix socket");
        let (socket, namespaces) = (PathBuf::from(socket), namespaces.to_owned());
        let census = Census {
            seen: Arc::default(),
            stop: Arc::default(),
        };
        let (seen, stop) = (census.seen.clone(), census.stop.clone());
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // An engine that is away, or ends, is looked for again.
                follow(&socket, &namespaces, &seen, &stop);
                thread::sleep(PAUSE);
            }
        });
        census
    }

    /// The counts so far, each with its time since 1970.
    pub fn counts(&self) -> Vec<(Duration, Count)> {
        self.seen.lock().expect("the census").counts.clone()
    }

    /// The most that there was at any instant, of each.
    pub fn most(&self) -> Count {
        let counts = self.counts();
        let counts = counts.iter().map(|(_, count)| count);
        Count {
            containers: counts
                .clone()
                .map(|count| count.containers)
                .max()
                .unwrap_or(0),
            memory: counts.map(|count| count.memory).max().unwrap_or(0),
        }
    }

    /// How many containers were created.
    pub fn created(&self) -> u64 {
        self.seen.lock().expect("the census").created
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Follows an engine for as long as it is there.
fn follow(socket: &Path, namespaces: &str, seen: &Mutex<Seen>, stop: &AtomicBool) -> Option<()> {
    // The events before the list, so that nothing is missed in between.
    let filters = r#"{"type":["container"],"event":["create","destroy"],"label":["owl.daemon"]}"#;
    let mut events = BufReader::new(get(socket, "/events", filters)?);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        events.read_line(&mut line).ok().filter(|read| *read > 0)?;
    }
    let mut list = String::new();
    let path = "/containers/json";
    get(socket, path, r#"{"label":["owl.daemon"]}"#)?
        .read_to_string(&mut list)
        .ok()?;
    let listed = now();
    let list: Value = serde_json::from_str(list.split_once("\r\n\r\n")?.1).ok()?;
    let ours = |labels: &Value| {
        let namespace = labels["owl.namespace"].as_str()?;
        let memory = labels["owl.memory"].as_str()?.parse::<u64>().ok()?;
        namespace.starts_with(namespaces).then_some(memory)
    };
    {
        let mut seen = seen.lock().expect("the census");
        let containers = list.as_array()?.iter();
        let present = containers.filter_map(|container| {
            let id = container["Id"].as_str()?.to_owned();
            Some((id, ours(&container["Labels"])?))
        });
        seen.present = present.collect();
        seen.count(listed);
    }
    while !stop.load(Ordering::Relaxed) {
        line.clear();
        events.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let event: Value = serde_json::from_str(&line).ok()?;
        let Some(memory) = ours(&event["Actor"]["Attributes"]) else {
            continue;
        };
        let id = event["Actor"]["ID"].as_str()?.to_owned();
        let at = Duration::from_nanos(event["timeNano"].as_u64()?);
        let mut seen = seen.lock().expect("the census");
        if event["Action"] == "create" {
            seen.created += 1;
            seen.present.insert(id, memory);
        } else {
            seen.present.remove(&id);
        }
        // What the list knew already was never there together with all that is in it.
        if at > listed {
            seen.count(at);
        }
    }
    Some(())
}

/// The answer to a request, as it comes.
fn get(socket: &Path, path: &str, filters: &str) -> Option<UnixStream> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let filters: String = filters.bytes().map(|byte| format!("%{byte:02x}")).collect();
    // An answer of HTTP/1.0 ends with its connection.
    let request = format!("GET {path}?all=1&filters={filters} HTTP/1.0\r\nHost: docker\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    Some(stream)
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a time after 1970")
}
