//! A master on loopback that does what it is told, and a client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use smol::block_on;

use crate::config;
use crate::upstream::{Client, Exchange, Incoming, Network, Outgoing, Room, UpstreamError};

/// Longer than a test takes.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// Longer than anybody in a test waits.
const LONGER: Duration = Duration::from_secs(600);

/// Soon over.
pub(super) const SHORT: Duration = Duration::from_millis(100);

/// An answer without a body, after which the connection stays.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// How a client is set in these tests.
pub(super) fn settings() -> config::Upstream {
    config::Upstream {
        ca_file: None,
        insecure: false,
        connect_timeout: LONGER,
        answer_timeout: LONGER,
        forwards: 4,
    }
}

/// A client without proxies.
pub(super) fn client(url: &str, settings: config::Upstream) -> Client {
    let network = Network::new(settings, &[url.to_owned()], &|_| None).unwrap();
    network.client(url, &|_| None).unwrap()
}

/// Runs a script with a listener; gives its URL and, at the end, what the script gives.
pub(super) fn master<T: Send + 'static>(
    script: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (url, thread::spawn(move || script(listener)))
}

/// One end of a connection.
pub(super) struct Connection {
    pub(super) stream: BufReader<TcpStream>,
}

impl Connection {
    pub(super) fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Connection {
            stream: BufReader::new(stream),
        }
    }

    /// The head of a request, with `\r\n` at the end of each line.
    pub(super) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.stream.read_line(&mut head).unwrap() > 0, "{head}");
        }
        head
    }

    /// A request: its head, and its body as framed.
    pub(super) fn request(&mut self) -> (String, Vec<u8>) {
        let head = self.head();
        let mut body = Vec::new();
        if let Some((_, rest)) = head.split_once("content-length: ") {
            let length = rest.split("\r\n").next().unwrap().parse().unwrap();
            (&mut self.stream)
                .take(length)
                .read_to_end(&mut body)
                .unwrap();
            assert_eq!(body.len() as u64, length);
        } else if head.contains("transfer-encoding: chunked") {
            while self.chunk(&mut body) {}
        }
        (head, body)
    }

    /// Reads a chunk; false at the last.
    fn chunk(&mut self, body: &mut Vec<u8>) -> bool {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let length = u64::from_str_radix(line.trim_end(), 16).unwrap();
        (&mut self.stream).take(length).read_to_end(body).unwrap();
        let mut end = [0; 2];
        self.stream.read_exact(&mut end).unwrap();
        length > 0
    }

    pub(super) fn write(&mut self, text: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(text.as_ref()).unwrap();
    }

    /// Writes, unless the other side has gone.
    pub(super) fn try_write(&mut self, text: &str) -> bool {
        self.stream.get_mut().write_all(text.as_bytes()).is_ok()
    }

    /// Waits until the other side has closed, or reset, the connection.
    pub(super) fn closed(&mut self) {
        if let Err(error) = std::io::copy(&mut self.stream, &mut std::io::sink()) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "still open");
        }
    }

    /// Closes with a reset, which takes back what the other side has not read.
    pub(super) fn reset(self) {
        let socket = self.stream.into_inner();
        set_linger(&socket);
    }
}

/// Has a close send a reset.
fn set_linger(socket: &TcpStream) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::Linger, &linger).unwrap();
}

/// Sends a request, and waits for the head of its answer.
pub(super) fn ask(client: &Client, request: Outgoing) -> Result<Incoming, UpstreamError> {
    block_on(client.send(request))
}

/// The whole body of an answer, as text.
pub(super) fn text(incoming: Incoming) -> String {
    let body = block_on(Room::default().read(incoming.body, 1 << 30)).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}
