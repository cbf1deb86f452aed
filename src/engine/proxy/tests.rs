//! The proxy against sandboxes whose servers are scripted on raw sockets (reference section 7).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::*;
use crate::BoxFuture;
use crate::engine::logs::LogSink;
use crate::entity::Status;
use crate::http::client::Endpoint;

/// Longer than any of these tests takes; reached only by one that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sandbox that is whatever listens at an address.
struct Scripted {
    address: SocketAddr,
    logs: LogSink,
    exited: AtomicBool,
    out_of_memory: bool,
}

impl Scripted {
    fn at(address: SocketAddr) -> Arc<Self> {
        Arc::new(Scripted {
            address,
            logs: LogSink::new(),
            exited: AtomicBool::new(false),
            out_of_memory: false,
        })
    }
}

impl Sandbox for Scripted {
    fn id(&self) -> &str {
        "scripted"
    }

    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async { Endpoint::Tcp(self.address).connect().await })
    }

    fn logs(&self) -> &LogSink {
        &self.logs
    }

    fn has_exited(&self) -> bool {
        self.exited.load(Ordering::Relaxed)
    }

    fn killed_for_memory(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.out_of_memory })
    }

    fn remove(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// An accepted connection of a scripted server.
struct Peer(TcpStream);

impl Peer {
    /// Accepts one connection.
    fn of(listener: &TcpListener) -> Peer {
        let (stream, _) = listener.accept().expect("accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("is open");
        Peer(stream)
    }

    /// Reads one request and gives its head, in lower case, and its body.
    fn request(&mut self) -> (String, String) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            assert_eq!(self.0.read(&mut byte).expect("a request comes"), 1, "cut");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("is text").to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("is a number"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the body comes");
        (head, String::from_utf8(body).expect("is text"))
    }

    fn say(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).expect("is read");
    }

    /// Answers with a length, as runtimes do.
    fn answer(&mut self, status: u16, body: &str) {
        let length = body.len();
        self.say(&format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
    }
}

/// A server whose behaviour is a function.
fn server(serve: impl FnOnce(TcpListener) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    (address, std::thread::spawn(move || serve(listener)))
}

/// Runs a test with a proxy for a sandbox.
fn with_proxy<T>(sandbox: Arc<Scripted>, test: impl AsyncFnOnce(&mut Proxy) -> T) -> T {
    let executor: Executor = Arc::new(smol::Executor::new());
    let mut proxy = Proxy::new(executor.clone(), sandbox);
    smol::block_on(executor.run(within(PATIENCE, test(&mut proxy)))).expect("does not hang")
}

/// An address at which nobody listens.
fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("has an address")
}

async fn init(proxy: &mut Proxy) -> Result<(), ActionFailure> {
    proxy
        .init(Bytes::from_static(b"{}"), Duration::ZERO, PATIENCE)
        .await
}

async fn run(proxy: &mut Proxy) -> RunResult {
    run_for(proxy, PATIENCE).await
}

async fn run_for(proxy: &mut Proxy, timeout: Duration) -> RunResult {
    let body = Bytes::from_static(b"{\"value\":{}}");
    proxy.run(body, timeout, Bounds::same(1000)).await
}

fn text(response: &Response) -> &str {
    response.result.as_ref().expect("a result").get()
}

/// Runs once against a server that sends these bytes and closes.
fn run_against(answer: &'static str) -> RunResult {
    let (address, thread) = server(move |listener| {
        let mut peer = Peer::of(&listener);
        peer.request();
        peer.say(answer);
    });
    let result = with_proxy(Scripted::at(address), run);
    thread.join().expect("the server is content");
    result
}

const ENDED: &str =
    r#"{"error":"The action did not produce a valid response and exited unexpectedly."}"#;

#[test]
fn one_init_and_many_runs() {
    // 11.12-297
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        let (head, body) = peer.request();
        assert!(head.starts_with("post /init http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json\r\n"));
        assert!(head.contains("\r\naccept: application/json\r\n"));
        assert_eq!(body, "{}");
        peer.answer(200, "{\"ok\":true}");
        // All runs come over one connection.
        let mut peer = Peer::of(&listener);
        for _ in 0..3 {
            let (head, body) = peer.request();
            assert!(head.starts_with("post /run http/1.1\r\n"), "{head}");
            assert_eq!(body, "{\"value\":{}}");
            peer.answer(200, "{\"a\":1}");
        }
    });
    with_proxy(Scripted::at(address), async |proxy| {
        init(proxy).await.expect("initialises");
        for _ in 0..3 {
            let result = run(proxy).await;
            assert!(result.keep && !result.retry && !result.timed_out);
            assert_eq!(result.response.status, Status::Success);
            assert_eq!(text(&result.response), "{\"a\":1}");
            assert_eq!(result.response.size, Some(7));
        }
    });
    thread.join().expect("the server is content");
}

#[test]
fn init_waits_for_the_server_to_listen() {
    // 11.12-298
    let address = nowhere();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        let listener = TcpListener::bind(address).expect("binds again");
        let mut peer = Peer::of(&listener);
        peer.request();
        peer.answer(200, "");
    });
    with_proxy(Scripted::at(address), init).expect("initialises");
    thread.join().expect("the server is content");

    // ... until the time limit.
    let failure = with_proxy(Scripted::at(nowhere()), async |proxy| {
        let limit = Duration::from_millis(80);
        proxy
            .init(Bytes::new(), Duration::ZERO, limit)
            .await
            .expect_err("nobody")
    });
    assert!(failure.timed_out && !failure.retry);
    assert_eq!(
        text(&failure.response),
        r#"{"error":"The action exceeded its time limits of 80 milliseconds during initialization."}"#
    );
}

#[test]
fn init_does_not_wait_for_a_sandbox_that_has_ended() {
    let sandbox = Scripted::at(nowhere());
    sandbox.exited.store(true, Ordering::Relaxed);
    let failure = with_proxy(sandbox, init).expect_err("it is gone");
    assert!(!failure.timed_out && !failure.retry);
    assert_eq!(
        text(&failure.response),
        r#"{"error":"The action did not initialize and exited unexpectedly."}"#
    );
}

#[test]
fn failures_of_init() {
    // 11.12-299, 11.12-300, 11.12-301, and a 503, in this order.
    let (address, thread) = server(|listener| {
        for (status, body) in [(502, "{\"error\":\"e\"}"), (502, "x"), (0, ""), (503, "")] {
            let mut peer = Peer::of(&listener);
            peer.request();
            if status > 0 {
                peer.answer(status, body);
            }
        }
    });
    let texts = [0; 4].map(|_| {
        let failure = with_proxy(Scripted::at(address), init).expect_err("no good answer");
        (text(&failure.response).to_owned(), failure.retry)
    });
    thread.join().expect("the server is content");
    let ended = r#"{"error":"The action did not initialize and exited unexpectedly."}"#;
    let expected = [
        (r#"{"error":"e"}"#, false),
        (
            r#"{"error":"The action failed during initialization: x"}"#,
            false,
        ),
        (ended, false),
        (ended, true),
    ];
    assert_eq!(texts, expected.map(|(text, retry)| (text.into(), retry)));
}

#[test]
fn a_run_whose_connection_drops() {
    // 11.12-305: before an answer, within one, and after a head that promises nothing.
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let result = run_against(answer);
        assert!(!result.keep && !result.retry, "{answer:?}");
        assert_eq!(text(&result.response), ENDED, "{answer:?}");
    }
}

#[test]
fn a_broken_connection_of_a_sandbox_killed_for_memory() {
    let (address, thread) = server(|listener| drop(Peer::of(&listener)));
    let sandbox = Arc::new(Scripted {
        out_of_memory: true,
        ..Arc::into_inner(Scripted::at(address)).expect("is the only one")
    });
    let result = with_proxy(sandbox, run);
    thread.join().expect("the server is content");
    assert_eq!(
        text(&result.response),
        r#"{"error":"The action exhausted its memory and was aborted."}"#
    );
    assert_eq!(result.response.status, Status::DeveloperError);
}

#[test]
fn answers_of_simple_servers_are_accepted() {
    for answer in [
        "HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
        "HTTP/1.0 200 OK\r\n\r\n{\"a\":1}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
    ] {
        let result = run_against(answer);
        assert_eq!(text(&result.response), "{\"a\":1}", "{answer:?}");
        assert!(result.keep);
    }
}

#[test]
fn a_server_that_closes_after_each_answer_gets_a_connection_for_each() {
    let (address, thread) = server(|listener| {
        for _ in 0..4 {
            let mut peer = Peer::of(&listener);
            peer.request();
            peer.say("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        }
    });
    with_proxy(Scripted::at(address), async |proxy| {
        init(proxy).await.expect("initialises");
        for _ in 0..3 {
            assert!(run(proxy).await.keep);
        }
    });
    thread.join().expect("the server is content");
}

#[test]
fn a_server_that_closes_without_a_word_never_breaks_a_run() {
    let (address, thread) = server(|listener| {
        for _ in 0..6 {
            let mut peer = Peer::of(&listener);
            peer.request();
            peer.answer(200, "{}");
        }
    });
    with_proxy(Scripted::at(address), async |proxy| {
        init(proxy).await.expect("initialises");
        for _ in 0..5 {
            assert!(run(proxy).await.keep);
        }
    });
    thread.join().expect("the server is content");
}

#[test]
fn a_connection_is_opened_anew_after_a_disconnect() {
    let (address, thread) = server(|listener| {
        for _ in 0..2 {
            let mut peer = Peer::of(&listener);
            peer.request();
            peer.answer(200, "{}");
            // The end of the connection: the proxy closed it.
            assert_eq!(peer.0.read(&mut [0]).expect("is closed"), 0);
        }
    });
    with_proxy(Scripted::at(address), async |proxy| {
        for _ in 0..2 {
            assert!(run(proxy).await.keep);
            proxy.disconnect();
        }
    });
    thread.join().expect("the server is content");
}

#[test]
fn a_long_answer_is_cut_and_keeps_the_sandbox() {
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
        peer.say(&"x".repeat(1000));
        // The rest is never sent: a new connection must do for the next run.
        let mut next = Peer::of(&listener);
        next.request();
        next.answer(200, "{}");
    });
    with_proxy(Scripted::at(address), async |proxy| {
        let result = run(proxy).await;
        assert!(result.keep && !result.retry);
        assert_eq!(result.response.status, Status::ApplicationError);
        assert_eq!(result.response.size, Some(5000));
        let expected = format!(
            "{{\"error\":\"The action produced a response that exceeded the allowed length: 5000 > 1000 bytes. The truncated response was: {}\"}}",
            "x".repeat(1000)
        );
        assert_eq!(text(&result.response), expected);
        assert_eq!(text(&run(proxy).await.response), "{}");
    });
    thread.join().expect("the server is content");
}

#[test]
fn a_run_that_never_answers_ends_at_the_time_limit() {
    let (address, thread) = server(|listener| {
        for part in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
            let mut peer = Peer::of(&listener);
            peer.request();
            peer.say(part);
            assert_eq!(peer.0.read(&mut [0]).expect("is closed"), 0);
        }
    });
    with_proxy(Scripted::at(address), async |proxy| {
        for _ in 0..2 {
            let result = run_for(proxy, Duration::from_millis(100)).await;
            assert!(result.timed_out && !result.keep && !result.retry);
            assert_eq!(
                text(&result.response),
                r#"{"error":"The action exceeded its time limits of 100 milliseconds."}"#
            );
        }
    });
    thread.join().expect("the server is content");
}

#[test]
fn a_run_ends_when_its_sandbox_vanishes_without_a_word() {
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        peer.request();
        assert_eq!(peer.0.read(&mut [0]).expect("is closed"), 0);
    });
    let sandbox = Scripted::at(address);
    let killer = sandbox.clone();
    let result = with_proxy(sandbox, async |proxy| {
        let kill = async {
            Timer::after(Duration::from_millis(50)).await;
            killer.exited.store(true, Ordering::Relaxed);
            std::future::pending().await
        };
        run(proxy).or(kill).await
    });
    thread.join().expect("the server is content");
    assert_eq!(text(&result.response), ENDED);
    assert!(!result.timed_out && !result.retry);
}

#[test]
fn a_warm_sandbox_found_dead_means_elsewhere() {
    // 11.12-308
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        peer.request();
        peer.answer(200, "{}");
    });
    let sandbox = Scripted::at(address);
    with_proxy(sandbox.clone(), async |proxy| {
        assert!(run(proxy).await.keep);
        thread.join().expect("the server is content");
        let result = run(proxy).await;
        assert!(result.retry && !result.keep && !result.timed_out);
    });

    // Known to have ended, it is not even tried: its address may be another's.
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        peer.request();
        peer.answer(200, "{}");
        listener.set_nonblocking(true).expect("is open");
        std::thread::sleep(Duration::from_millis(100));
        assert!(listener.accept().is_err(), "it was tried");
    });
    let sandbox = Scripted::at(address);
    with_proxy(sandbox.clone(), async |proxy| {
        assert!(run(proxy).await.keep);
        proxy.disconnect();
        sandbox.exited.store(true, Ordering::Relaxed);
        let result = run(proxy).await;
        assert!(result.retry && !result.keep && !result.timed_out);
    });
    thread.join().expect("the server is content");
}

#[test]
fn a_sandbox_that_dies_right_after_init_does_not() {
    // Else an action that ends its own container would be tried for ever.
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        peer.request();
        peer.answer(200, "{}");
    });
    with_proxy(Scripted::at(address), async |proxy| {
        init(proxy).await.expect("initialises");
        thread.join().expect("the server is content");
        let result = run(proxy).await;
        assert!(!result.retry && !result.keep);
        assert_eq!(text(&result.response), ENDED);
    });
}

#[test]
fn a_run_that_went_out_is_never_sent_again() {
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        peer.request();
        peer.answer(200, "{}");
        peer.request();
        drop(peer);
        listener.set_nonblocking(true).expect("is open");
        std::thread::sleep(Duration::from_millis(100));
        assert!(listener.accept().is_err(), "the run came again");
    });
    with_proxy(Scripted::at(address), async |proxy| {
        assert!(run(proxy).await.keep);
        let result = run(proxy).await;
        assert!(!result.retry && !result.keep);
        assert_eq!(text(&result.response), ENDED);
    });
    thread.join().expect("the server is content");
}

#[test]
fn a_sandbox_may_leave_out_the_marks_of_an_empty_log() {
    let (address, thread) = server(|listener| {
        let mut peer = Peer::of(&listener);
        let (head, _) = peer.request();
        assert!(head.contains("\r\nx-owl-empty-log: unmarked\r\n"), "{head}");
        peer.say("HTTP/1.1 200 OK\r\nX-Owl-Empty-Log: unmarked\r\nContent-Length: 2\r\n\r\n{}");
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\nX-Owl-Empty-Log: other\r\nContent-Length: 2\r\n\r\n{}");
    });
    with_proxy(Scripted::at(address), async |proxy| {
        for empty in [true, false, false] {
            let result = run(proxy).await;
            assert_eq!((result.keep, result.log_is_empty), (true, empty));
        }
    });
    thread.join().expect("the server is content");
}
