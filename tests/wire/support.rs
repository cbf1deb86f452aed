//! A server with a small app, and a client that sends whatever bytes it is told to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use owl::Executor;
use owl::http::server::{Passing, RequestBodyError, Server, ServerOptions, read_request_body};
use smol::io::{AsyncReadExt, BufReader};

/// Longer than any wait in these tests; reached only by what hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the app's `/echo` takes.
pub const ECHO_LIMIT: u64 = 1024 * 1024;

/// What the app saw.
#[derive(Default)]
struct Counts {
    /// Requests that reached a handler.
    handled: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// A running server; stops when dropped.
pub struct TestServer {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    stop: Option<smol::channel::Sender<()>>,
    thread: Option<JoinHandle<usize>>,
}

impl TestServer {
    pub fn start(options: ServerOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("has an address");
        let (stop, stopped) = smol::channel::bounded(1);
        let counts = Arc::new(Counts::default());
        let state = counts.clone();
        let thread = std::thread::spawn(move || {
            let executor: Executor = Arc::new(smol::Executor::new());
            let mut server = Server::new(executor.clone(), app(state), options);
            server.listen(listener).expect("listens");
            smol::block_on(executor.run(server.run(async move {
                let _ = stopped.recv().await;
            })))
        });
        TestServer {
            address,
            counts,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("is open");
        stream.set_write_timeout(Some(PATIENCE)).expect("is open");
        stream.set_nodelay(true).expect("is open");
        Client {
            stream,
            ahead: Vec::new(),
        }
    }

    /// Requests that reached a handler.
    pub fn handled(&self) -> usize {
        self.counts.handled.load(Ordering::SeqCst)
    }

    /// Requests that handlers had at a time, at most.
    pub fn most_at_a_time(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    /// Asks the server to stop, without waiting for it.
    pub fn ask_to_stop(&mut self) {
        self.stop = None;
    }

    /// Stops the server; gives the number of connections that it cut off.
    pub fn stop(mut self) -> usize {
        self.ask_to_stop();
        let thread = self.thread.take().expect("runs");
        thread.join().expect("the server does not panic")
    }

    /// Fails unless another client is served as ever.
    pub fn assert_serves_others(&self) {
        let mut client = self.connect();
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "hello"));
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

fn app(counts: Arc<Counts>) -> tide::Server<Arc<Counts>> {
    let mut app = tide::with_state(counts);
    app.with(count);
    app.at("/passed")
        .post(|mut request: tide::Request<_>| async move {
            Passing::set(request.as_ref());
            let mut body = request.take_body().into_reader();
            let length = smol::io::copy(&mut body, &mut smol::io::sink()).await?;
            Ok(length.to_string())
        });
    app.at("/hello").get(|_| async { Ok("hello") });
    app.at("/path/*rest")
        .get(|request: tide::Request<_>| async move { Ok(request.url().path().to_owned()) });
    app.at("/echo").post(echo);
    app.at("/ignore").post(|_| async { Ok("ignored") });
    app.at("/nothing")
        .get(|_| async { Ok(tide::Response::new(204)) });
    app.at("/type")
        .post(
            |request: tide::Request<_>| async move { Ok(format!("{:?}", request.content_type())) },
        );
    app.at("/length")
        .post(|mut request: tide::Request<_>| async move {
            let body = read_request_body(request.take_body(), u64::MAX).await;
            Ok(body
                .map_err(|error| tide::Error::new(500, error))?
                .len()
                .to_string())
        });
    app.at("/slow/:ms")
        .get(|request: tide::Request<_>| async move {
            let ms = request.param("ms")?.parse()?;
            smol::Timer::after(Duration::from_millis(ms)).await;
            Ok("slow")
        });
    app.at("/bytes/:n")
        .get(|request: tide::Request<_>| async move {
            let n = request.param("n")?.parse()?;
            Ok(tide::Body::from_bytes(vec![b'x'; n]))
        });
    app.at("/stream/:n")
        .get(|request: tide::Request<_>| async move {
            let n = request.param("n")?.parse()?;
            let reader = BufReader::new(smol::io::repeat(b'x').take(n));
            Ok(tide::Body::from_reader(reader, None))
        });
    app.at("/header")
        .get(|request: tide::Request<_>| async move {
            let value = request.header("x").map(|x| x.as_str()).unwrap_or_default();
            Ok(tide::Response::builder(200)
                .header("x-one", value)
                // Wrong on purpose: an answer must not be framed by what a handler says.
                .header("content-length", "1000")
                .header("x-bad", "a\r\nx-smuggled: b")
                .body("ok")
                .build())
        });
    app.at("/ends").get(|request: tide::Request<_>| async move {
        let peer = request.peer_addr().unwrap_or_default();
        let local = request.local_addr().unwrap_or_default();
        Ok(format!("{peer} {local}"))
    });
    app
}

/// Counts a request, and those beside it.
fn count<'a>(
    request: tide::Request<Arc<Counts>>,
    next: tide::Next<'a, Arc<Counts>>,
) -> Pin<Box<dyn Future<Output = tide::Result> + Send + 'a>> {
    Box::pin(async move {
        let counts = request.state().clone();
        counts.handled.fetch_add(1, Ordering::SeqCst);
        let running = counts.running.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most.fetch_max(running, Ordering::SeqCst);
        let response = next.run(request).await;
        counts.running.fetch_sub(1, Ordering::SeqCst);
        Ok(response)
    })
}

async fn echo(mut request: tide::Request<Arc<Counts>>) -> tide::Result {
    match read_request_body(request.take_body(), ECHO_LIMIT).await {
        Ok(body) => Ok(tide::Response::builder(200).body(body).build()),
        Err(RequestBodyError::TooLong(length)) => Ok(tide::Response::builder(413)
            .body(format!("{length} is too long for echo"))
            .build()),
        Err(RequestBodyError::Failed(_)) => Ok(tide::Response::new(500)),
    }
}

/// A raw connection.
pub struct Client {
    pub stream: TcpStream,
    /// Read, and not yet part of an answer.
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("is text")
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (is, value) = line.split_once(": ")?;
            is.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Fails unless this is OpenWhisk's error answer and announces the end of the connection.
    #[track_caller]
    pub fn assert_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{} {}", self.head, self.text());
        assert_eq!(self.header("connection"), Some("close"), "{}", self.head);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body: serde_json::Value = serde_json::from_slice(&self.body).expect("is JSON");
        let object = body.as_object().expect("is an object");
        assert_eq!(object.len(), 2, "{body}");
        assert!(
            object["error"].as_str().is_some_and(|e| !e.is_empty()),
            "{body}"
        );
        assert_eq!(
            object["code"].as_str(),
            self.header("x-request-id"),
            "{body}"
        );
    }
}

impl Client {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("is taken");
    }

    /// Sends what the server may not take to the end, since it may have answered already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Closes the sending side.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("is open");
    }

    /// Reads the next answer.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.try_answer(true).expect("an answer comes")
    }

    /// Reads the next answer, which is to a HEAD request.
    #[track_caller]
    pub fn answer_to_head(&mut self) -> Answer {
        self.try_answer(false).expect("an answer comes")
    }

    pub fn try_answer(&mut self, with_body: bool) -> io::Result<Answer> {
        let head = loop {
            if let Some(end) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                break self.ahead.drain(..end + 4).collect::<Vec<_>>();
            }
            self.more()?;
        };
        let head = String::from_utf8(head).expect("is text");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut answer = Answer {
            status: status.expect("has a status"),
            head,
            body: Vec::new(),
        };
        if with_body {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    fn body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        if answer.status < 200 || answer.status == 204 {
            return Ok(Vec::new());
        }
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().expect("is a number");
            return self.take(length);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(&size, 16).expect("is a size");
                body.extend(self.take(size)?);
                assert_eq!(self.line()?, "");
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        // Until the end of the connection.
        while self.more().is_ok() {}
        Ok(std::mem::take(&mut self.ahead))
    }

    fn take(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < n {
            self.more()?;
        }
        Ok(self.ahead.drain(..n).collect())
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|w| w == b"\r\n") {
                let line = self.take(end)?;
                self.take(2)?;
                return Ok(String::from_utf8(line).expect("is text"));
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 64 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.ahead.extend_from_slice(&piece[..n]);
                Ok(())
            }
        }
    }

    /// Fails unless the server closes the connection, without sending anything more.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        assert_eq!(
            String::from_utf8_lossy(&self.ahead),
            "",
            "bytes behind the answer"
        );
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            // A reset is a close as well, once the answer has been read.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            other => panic!("{other:?} instead of a closed connection"),
        }
    }

    /// Fails unless the connection is open, and nothing comes over it, for a short while.
    #[track_caller]
    pub fn assert_open_and_quiet(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.ahead), "");
        let short = Some(Duration::from_millis(60));
        self.stream.set_read_timeout(short).expect("is open");
        let error = self.stream.read(&mut [0]).expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .expect("is open");
    }
}

/// A value of `/proc/self/status` in KB, such as `VmRSS` or `VmHWM`.
pub fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("is Linux");
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix(field)?
                .strip_prefix(':')?
                .strip_suffix("kB")
        })
        .and_then(|value| value.trim().parse().ok())
        .expect("has the field")
}
