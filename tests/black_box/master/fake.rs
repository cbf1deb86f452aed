//! A master that plays a script: it answers as it is told, late, half, or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A request that came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Method and target: `GET /api/v1`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Seen {
    /// A header, if it came.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// What is done about a request.
pub enum Reply {
    /// An answer with this status and document.
    Json(u16, Value),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// What another says, after a while.
    Late(Duration, Box<Reply>),
    /// The end of the connection.
    Close,
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The server. It ends with the test.
pub struct Fake {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Starts it. Each connection has one request. `GET /api/v1/namespaces` is answered for it: any
    /// key is that of `guest`, and is not counted among the requests; nor is the question whether
    /// it is there.
    pub fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let fake = Fake {
            address: listener.local_addr().expect("the port of the master"),
            seen: Arc::default(),
        };
        let (seen, script): (_, Arc<Script>) = (fake.seen.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, script) = (seen.clone(), script.clone());
                thread::spawn(move || serve(stream, &seen, &*script));
            }
        });
        fake
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that came since it was asked last.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("the requests' lock"))
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Seen>>, script: &Script) {
    let Some(request) = read(&stream) else { return };
    let reply = match &*request.line {
        "GET /api/v1/namespaces" => Reply::Json(200, serde_json::json!(["guest"])),
        "GET /api/v1" => Reply::Json(200, serde_json::json!({"api_version": "1.0.0"})),
        _ => {
            seen.lock()
                .expect("the requests' lock")
                .push(request.clone());
            script(&request)
        }
    };
    play(stream, reply);
}

fn play(mut stream: TcpStream, reply: Reply) {
    let bytes = match reply {
        Reply::Json(status, document) => {
            let body = document.to_string();
            let length = body.len();
            format!(
                "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .into_bytes()
        }
        Reply::Raw(bytes) => bytes,
        Reply::Late(pause, reply) => {
            thread::sleep(pause);
            return play(stream, *reply);
        }
        Reply::Close => return,
    };
    // Whoever has asked may have gone.
    stream.write_all(&bytes).ok();
}

/// Reads one request; none if it does not come whole.
pub(super) fn read(stream: &TcpStream) -> Option<Seen> {
    let mut stream = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        Some(line.trim_end().to_string())
    };
    let first = line()?;
    let mut seen = Seen {
        line: first.strip_suffix(" HTTP/1.1")?.to_string(),
        ..Seen::default()
    };
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        let header = (name.to_ascii_lowercase(), value.trim().to_string());
        seen.headers.push(header);
    }
    if let Some(length) = seen.header("content-length") {
        let length: u64 = length.parse().ok()?;
        stream.take(length).read_to_end(&mut seen.body).ok()?;
        if seen.body.len() as u64 != length {
            return None;
        }
    } else if seen.header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            stream
                .by_ref()
                .take(size)
                .read_to_end(&mut seen.body)
                .ok()?;
            stream.read_line(&mut String::new()).ok()?;
            if size == 0 {
                break;
            }
        }
    }
    Some(seen)
}
