//! The API over a socket, with a store and a server of this process: what depends on how the two
//! work together, such as large and endless bodies.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owl::api::{Invoke, Operations, Services, Settings, State, app};
use owl::catalog::{Catalog, Manifest};
use owl::entity::{
    Activation, ActivationId, FullName, GUEST_KEY, GUEST_UUID, Identity, Response, Status,
};
use owl::http::server::{Server, ServerOptions};
use owl::invoke::{Call, Figures, Fire, InvokeError, Outcome};
use owl::store::{ActivationRow, Options, Store};
use owl::sync::Current;
use owl::{BoxFuture, Executor};
use serde_json::{Value, json};

/// Accepts every call and runs none.
struct Accepting;

impl Invoke for Accepting {
    fn invoke(&self, _call: Call) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(async { Ok(Outcome::Accepted(ActivationId::random())) })
    }

    fn fire(&self, _fire: Fire) -> BoxFuture<'_, Result<Option<ActivationId>, InvokeError>> {
        Box::pin(async { Ok(Some(ActivationId::random())) })
    }

    fn can_run(&self, _: &Arc<Identity>, _: &FullName) -> bool {
        true
    }

    fn in_flight(&self, _namespace: &str) -> usize {
        0
    }

    fn has_tiers(&self) -> bool {
        false
    }

    fn retire(&self, _path: &str) {}

    fn figures(&self) -> Figures {
        Figures::default()
    }
}

/// Runs a test against a server on a free port.
fn with_server(test: impl FnOnce(&Store, std::net::SocketAddr) + Send + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let services = Services {
        store: store.clone(),
        catalog: Catalog::new(store.clone()),
        invoker: Arc::new(Accepting),
        throttles: Arc::default(),
        manifest: Current::new(Arc::new(Manifest::built_in())),
        docker: Arc::new(AtomicBool::new(false)),
        operations: Operations::default(),
        master: None,
        tiers: Vec::new(),
        via: None,
    };
    let executor: Executor = Arc::default();
    let app = app(State::new(services, Settings::default()));
    let mut server = Server::new(executor.clone(), app, ServerOptions::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    server.listen(listener).unwrap();
    let shutdown = smol::unblock(move || test(&store, address));
    smol::block_on(executor.run(server.run(shutdown)));
}

/// A connection that may be used for several requests.
struct Client(TcpStream);

impl Client {
    fn connect(address: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        // So that a server that never answers fails a test instead of stopping all.
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        Client(stream)
    }

    fn send(&mut self, method: &str, path: &str, length: usize, body: &str) -> (u16, String) {
        let key = STANDARD.encode(format!("{GUEST_UUID}:{GUEST_KEY}"));
        let head = format!(
            "{method} /api/v1/namespaces/_/{path} HTTP/1.1\r\nHost: x\r\n\
             Authorization: Basic {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        self.0.write_all(head.as_bytes()).unwrap();
        self.0.write_all(body.as_bytes()).unwrap();
        self.answer()
    }

    fn answer(&mut self) -> (u16, String) {
        let head = self.until(b"\r\n\r\n").to_ascii_lowercase();
        let status = head[9..12].parse().unwrap();
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().to_string())
        };
        let mut body = Vec::new();
        if let Some(length) = header("content-length:") {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body).unwrap();
        } else {
            assert_eq!(header("transfer-encoding:").as_deref(), Some("chunked"));
            loop {
                let size = self.until(b"\r\n");
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                self.0.read_exact(&mut chunk).unwrap();
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        (status, String::from_utf8(body).unwrap())
    }

    fn until(&mut self, end: &[u8]) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end) {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            read.push(byte[0]);
        }
        String::from_utf8(read).unwrap()
    }
}

#[test]
fn large_code_and_one_connection() {
    with_server(|_, address| {
        let mut client = Client::connect(address);
        // A failed request does not cost the connection.
        assert_eq!(client.send("GET", "actions/a", 0, "").0, 404);
        let code = "x\n\"ü\"".repeat(1 << 20);
        let body = json!({"exec": {"kind": "nodejs:default", "code": code}}).to_string();
        let (status, answer) = client.send("PUT", "actions/a", body.len(), &body);
        assert_eq!(status, 200);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["exec"]["kind"], "quickjs:1");
        assert!(answer["exec"]["code"] == code);
        let (status, body) = client.send("GET", "actions/a", 0, "");
        assert!(status == 200 && serde_json::from_str::<Value>(&body).unwrap() == answer);
        let (status, body) = client.send("POST", "actions/a?blocking=true", 3, "{}\n");
        assert_eq!(status, 202, "{body}");
    });
}

#[test]
fn too_large_is_refused_before_it_is_sent() {
    with_server(|_, address| {
        for (method, path, length, text) in [
            (
                "POST",
                "actions/a",
                (1 << 20) + 1,
                "Request larger than allowed: 1048577 > 1048576 bytes.",
            ),
            (
                "PUT",
                "actions/a",
                (50 << 20) + 1,
                "The request is larger than the server is willing or able to process.",
            ),
        ] {
            let (status, body) = Client::connect(address).send(method, path, length, "");
            assert_eq!(status, 413);
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["error"], text);
        }
    });
}

#[test]
fn full_records_as_a_stream() {
    with_server(|store, address| {
        for number in 0..20 {
            smol::block_on(store.put_activation(row(number))).unwrap();
        }
        let mut client = Client::connect(address);
        let (status, body) = client.send("GET", "activations?docs=true&limit=0", 0, "");
        assert_eq!(status, 200);
        let list: Value = serde_json::from_str(&body).unwrap();
        let logs: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["logs"][0].as_str().unwrap())
            .collect();
        let expected: Vec<_> = (0..20)
            .rev()
            .map(|n| n.to_string().repeat(100_000))
            .collect();
        assert!(logs == expected);
        let (status, body) = client.send("GET", "activations?docs=true&name=none", 0, "");
        assert_eq!((status, body.as_str()), (200, "[]"));
    });
}

fn row(number: u8) -> ActivationRow {
    // Seconds apart, so that their order does not depend on when they are made.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let start = (now - 10_000) * 1000 + u64::from(number) * 100_000;
    let activation = Activation {
        id: ActivationId::from_bytes([number; 16]),
        namespace: "guest".into(),
        name: "a".into(),
        filter_name: "a".into(),
        subject: "guest".into(),
        version: "0.0.1".into(),
        cause: None,
        start,
        end: Some(start),
        duration: Some(0),
        response: Response::error(Status::ApplicationError, "e"),
        logs: vec![number.to_string().repeat(100_000)],
        annotations: Vec::new(),
    };
    ActivationRow {
        id: activation.id,
        namespace: activation.namespace.clone(),
        filter_name: activation.filter_name.clone(),
        start,
        head: activation.head(),
        tail: activation.tail(),
    }
}
