//! What a daemon needs to speak to a master, and what that costs it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use surf::http::Method;

use crate::client::{GUEST, base64};
use crate::daemon::{Daemon, Setup};

/// Long enough for a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of the largest body that is sent anywhere.
const LARGE: usize = 48 << 20;

/// Most memory that a daemon may take in a debug build while such a body goes through.
const THROUGH: u64 = 36 << 20;

/// A master for which every key is that of `guest`. Whatever else it is asked, `serve` gets the
/// head, and the stream to answer to.
fn master(serve: fn(&str, TcpStream, &Sender<()>)) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its port"));
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            thread::spawn(move || {
                let head = head(&stream);
                match head.lines().next().unwrap_or_default() {
                    "GET /api/v1 HTTP/1.1" => answer(stream, b"{}"),
                    "GET /api/v1/namespaces HTTP/1.1" => answer(stream, b"[\"guest\"]"),
                    _ => serve(&head, stream, &tell),
                }
            });
        }
    });
    (url, told)
}

/// The head of a request. Nothing after it is read.
fn head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut stream = BufReader::with_capacity(1, stream);
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap_or(0) > 0 {}
    head
}

fn answer(mut stream: TcpStream, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    // Whoever has asked may have gone.
    stream.write_all(head.as_bytes()).ok();
    stream.write_all(body).ok();
}

fn gateway(master: &str) -> Daemon {
    Setup::new().env("OWL_NEXT_OPENWHISK", master).start()
}

/// Threads of a daemon that speak to others.
fn threads(daemon: &Daemon) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("the threads of owl");
    let names = tasks.flatten().map(|task| task.path().join("comm"));
    // One that ends meanwhile has no name any more.
    let names = names.filter_map(|name| fs::read_to_string(name).ok());
    names.filter(|name| name.trim() == "owl-upstream").count()
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start() {
    let setup = || Setup::new().env("OWL_NEXT_OPENWHISK", "https://127.0.0.1:1");
    let (status, log) = setup().env("OWL_CA_FILE", "/nowhere.pem").start_and_fail();
    assert!(
        !status.success() && log.contains("/nowhere.pem (OWL_CA_FILE)"),
        "{log}"
    );
    let proxy = "socks5://somebody:secret@proxy";
    let (status, log) = setup().env("HTTPS_PROXY", proxy).start_and_fail();
    assert!(!status.success() && log.contains("HTTPS_PROXY"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn insecure_is_said_at_each_start() {
    let folder = tempfile::tempdir().expect("a folder for the store");
    for _ in 0..2 {
        let daemon = Setup::new()
            .env("OWL_NEXT_OPENWHISK", "https://127.0.0.1:1")
            .env("OWL_INSECURE", "true")
            .data_dir(folder.path())
            .start();
        let (_, log) = daemon.terminate();
        assert!(
            log.contains("WARN") && log.contains("OWL_INSECURE"),
            "{log}"
        );
    }
    let log = gateway("https://127.0.0.1:1").log();
    assert!(!log.contains("OWL_INSECURE"), "{log}");
}

#[test]
fn threads_are_there_only_while_they_are_needed() {
    let standalone = Setup::new().start();
    assert_eq!(standalone.client().get("/api/v1").status, 200);
    assert_eq!(threads(&standalone), 0);

    let (url, _) = master(|_, stream, _| answer(stream, b"{}"));
    let gateway = gateway(&url);
    assert_eq!(gateway.client().get("strange").status, 200);
    assert!(threads(&gateway) > 0);
    let deadline = Instant::now() + PATIENCE;
    while threads(&gateway) > 0 {
        assert!(Instant::now() < deadline, "threads that have nothing to do");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(gateway.client().get("strange").status, 200);
}

#[test]
fn large_bodies_go_through_without_being_held() {
    let (url, _) = master(|head, mut stream, _| {
        let length = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
        let length: u64 = head.lines().find_map(length).unwrap_or(0);
        let mut body = Vec::new();
        let all = (&stream).take(length).read_to_end(&mut body);
        assert_eq!(all.expect("a body"), length as usize);
        if length > 0 {
            answer(stream, body.len().to_string().as_bytes());
            return;
        }
        // In pieces of unknown number, as fast as they are taken.
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("write");
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..LARGE >> 20 {
            stream.write_all(&piece).expect("write");
        }
    });
    let gateway = gateway(&url);
    let client = gateway.client();
    let body = Some(("text/x", vec![b'x'; LARGE]));
    let sent = client.send(Method::Put, "strange", &[], body);
    assert_eq!(
        (sent.status, sent.body),
        (200, LARGE.to_string().into_bytes())
    );
    let got = client.get("strange");
    assert!(got.body.len() == LARGE && got.body.iter().all(|byte| *byte == b'x'));
    let peak = gateway.peak_memory();
    assert!(peak < THROUGH, "{peak} bytes");
}

#[test]
fn a_client_that_goes_takes_its_request_along() {
    let (url, told) = master(|_, mut stream, tell| {
        tell.send(()).expect("somebody listens");
        // Nothing more comes, but the end.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        tell.send(()).expect("somebody listens");
    });
    let gateway = gateway(&url);
    let mut stream = TcpStream::connect(gateway.address()).expect("connect");
    let request = format!(
        "GET /api/v1/namespaces/_/strange HTTP/1.1\r\nHost: owl\r\nAuthorization: Basic {}\r\n\r\n",
        base64(GUEST)
    );
    stream.write_all(request.as_bytes()).expect("write");
    told.recv_timeout(PATIENCE).expect("the master is asked");
    drop(stream);
    told.recv_timeout(PATIENCE)
        .expect("the master is not waited for");
}
