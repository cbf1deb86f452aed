//! The way from the gateway to its master. It can be cut, it loses answers, and it writes down what
//! the master was asked to change and what it said.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use serde_json::Value;

use super::load::token_in;
use crate::dice::Dice;
use crate::master::{Seen, fake};

/// In percent: how often the answer to a change does not come back, or not whole.
const LOST: u64 = 5;

/// A request that changes something, and what the master made of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `PUT`, `DELETE` or `POST`.
    pub method: String,
    /// `namespace/collection/name`, without a query.
    pub path: String,
    /// The number of the change, where it has one.
    pub token: Option<u64>,
    /// What the master answered.
    pub status: u16,
}

impl Sent {
    /// Whether the master said that it is done.
    pub fn done(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The way.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: String,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    is_up: bool,
    dice: Dice,
    next: u64,
    /// The near ends of what is open.
    open: BTreeMap<u64, TcpStream>,
    sent: Vec<Sent>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the wire's lock")
    }
}

impl Wire {
    /// A way to `host:port`.
    pub fn to(address: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let wire = Wire {
            address: listener.local_addr().expect("the port of the wire"),
            shared: Arc::new(Shared {
                to: address.into(),
                state: Mutex::new(State {
                    is_up: false,
                    dice: Dice::new(seed),
                    next: 0,
                    open: BTreeMap::new(),
                    sent: Vec::new(),
                }),
                ended: Condvar::new(),
            }),
        };
        wire.carry(listener);
        wire
    }

    /// The URL at its near end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether it can be used.
    pub fn is_up(&self) -> bool {
        self.shared.state().is_up
    }

    /// Breaks it. What is on its way still gets to the master, before this returns; the answers get
    /// lost.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        let was_up = std::mem::replace(&mut state.is_up, false);
        for stream in state.open.values() {
            stream.shutdown(Shutdown::Both).ok();
        }
        drop(state);
        // The listener looks at it when somebody comes, and goes.
        while was_up && TcpStream::connect(self.address).is_ok() {
            thread::yield_now();
        }
        let mut state = self.shared.state();
        while !state.open.is_empty() {
            state = self.shared.ended.wait(state).expect("the wire's lock");
        }
    }

    /// Mends it, at the same address.
    pub fn restore(&self) {
        if !self.is_up() {
            self.carry(TcpListener::bind(self.address).expect("the port of the wire again"));
        }
    }

    /// What the master was asked to change, in this order.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.state().sent.clone()
    }

    fn carry(&self, listener: TcpListener) {
        self.shared.state().is_up = true;
        let shared = self.shared.clone();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut state = shared.state();
                if !state.is_up {
                    return;
                }
                let number = state.next;
                state.next += 1;
                state
                    .open
                    .insert(number, near.try_clone().expect("a second handle"));
                drop(state);
                let shared = shared.clone();
                thread::spawn(move || {
                    serve(&shared, near);
                    shared.state().open.remove(&number);
                    shared.ended.notify_all();
                });
            }
        });
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Carries one request, and its answer unless that gets lost.
fn serve(shared: &Shared, mut near: TcpStream) {
    let Some(request) = fake::read(&near) else {
        return;
    };
    let Ok(answer) = forward(&shared.to, &request) else {
        return;
    };
    let mut whole = answer.len();
    let is_change = !request.line.starts_with("GET ");
    let mut state = shared.state();
    if is_change {
        state.sent.push(sent(&request, &answer));
        if state.dice.percent(LOST) {
            whole = state.dice.below(2) as usize * whole / 2;
        }
    }
    drop(state);
    // Whoever has asked may have gone.
    near.write_all(&answer[..whole]).ok();
}

/// Sends a request on, and gives the whole answer.
fn forward(to: &str, request: &Seen) -> io::Result<Vec<u8>> {
    let mut far = TcpStream::connect(to)?;
    let mut head = format!("{} HTTP/1.1\r\n", request.line);
    let framing = ["connection", "content-length", "transfer-encoding"];
    for (name, value) in &request.headers {
        if !framing.contains(&&**name) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let length = request.body.len();
    head.push_str(&format!(
        "content-length: {length}\r\nconnection: close\r\n\r\n"
    ));
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    far.write_all(&bytes)?;
    let mut answer = Vec::new();
    far.read_to_end(&mut answer)?;
    Ok(answer)
}

fn sent(request: &Seen, answer: &[u8]) -> Sent {
    let (method, target) = request.line.split_once(' ').expect("method and target");
    let path = target.split('?').next().unwrap_or(target);
    let path = path.trim_start_matches("/api/v1/namespaces/");
    let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let status = answer
        .get(9..12)
        .and_then(|code| std::str::from_utf8(code).ok());
    Sent {
        method: method.into(),
        path: path.into(),
        token: token_in(&body),
        status: status.and_then(|code| code.parse().ok()).unwrap_or(0),
    }
}
