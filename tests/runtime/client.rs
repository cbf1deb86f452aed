//! A running `owl runtime`, and raw HTTP to it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

/// The line that ends an activation's log.
pub const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// One `owl runtime` on a Unix socket, killed when dropped.
pub struct Runtime {
    child: Child,
    dir: tempfile::TempDir,
    connection: Option<UnixStream>,
    /// Activations that have their answer: so many logs end, right after it.
    ends: usize,
}

impl Runtime {
    /// Starts a proxy for a kind, and waits until it listens.
    pub fn start(kind: &str, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let log = |name: &str| File::create(dir.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_owl"))
            .args(["runtime", "--listen", &format!("unix:{}", socket.display())])
            .args(["--kind", kind])
            .args(arguments)
            // What actions put into temporary files goes with the test.
            .env("TMPDIR", dir.path())
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .spawn()
            .unwrap();
        let runtime = Runtime {
            child,
            dir,
            connection: None,
            ends: 0,
        };
        wait_until("the proxy listens", || UnixStream::connect(&socket).is_ok());
        runtime
    }

    /// The proxy's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory of its socket, logs and temporary files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A fresh connection.
    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).unwrap()
    }

    /// Sends `/init` with code as text.
    pub fn init(&mut self, code: &str) -> (u16, Value) {
        self.init_with(json!({"name": "test", "main": "main", "code": code, "binary": false}))
    }

    /// Sends `/init` with this value.
    pub fn init_with(&mut self, value: Value) -> (u16, Value) {
        self.post("/init", &json!({"value": value}).to_string())
            .unwrap()
    }

    /// Sends `/run` with arguments, with ten seconds to answer.
    pub fn run(&mut self, value: Value) -> (u16, Value) {
        self.try_run(value).unwrap()
    }

    /// As [`Runtime::run`], where the connection may break.
    pub fn try_run(&mut self, value: Value) -> io::Result<(u16, Value)> {
        let body = json!({
            "value": value,
            "activation_id": "a1b2",
            "action_name": "/guest/test",
            "deadline": deadline(Duration::from_secs(10)),
        });
        self.post("/run", &body.to_string())
    }

    /// As [`Runtime::run`], where the log need not have end marks if it is empty: whether it has none.
    pub fn run_unmarked(&mut self, value: Value) -> (u16, Value, bool) {
        let body = json!({"value": value, "deadline": deadline(Duration::from_secs(10))});
        let header = "X-Owl-Empty-Log: unmarked\r\n";
        let (status, head, body) = self.exchange("/run", header, &body.to_string()).unwrap();
        let unmarked = head.contains("x-owl-empty-log: unmarked\r\n");
        self.ends += usize::from(!unmarked);
        (status, body, unmarked)
    }

    /// POSTs over the connection that is kept open.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<(u16, Value)> {
        let (status, _, body) = self.exchange(path, "", body)?;
        let ran = path == "/run" && matches!(status, 200 | 502);
        if ran || path == "/init" && status == 502 {
            self.ends += 1;
        }
        Ok((status, body))
    }

    fn exchange(
        &mut self,
        path: &str,
        header: &str,
        body: &str,
    ) -> io::Result<(u16, String, Value)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect(),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes())?;
        connection.write_all(body.as_bytes())?;
        let (status, head, body) = read_whole_answer(&mut connection)?;
        self.connection = Some(connection);
        let body = serde_json::from_slice(&body).unwrap_or_else(|error| {
            panic!("not JSON: {error}: {}", String::from_utf8_lossy(&body))
        });
        Ok((status, head, body))
    }

    /// What it has printed on standard output, one string a line.
    pub fn stdout(&self) -> Vec<String> {
        self.printed("stdout")
    }

    /// What it has printed on standard error.
    pub fn stderr(&self) -> Vec<String> {
        self.printed("stderr")
    }

    /// Asks it to end, and waits for that.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGTERM).unwrap();
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the proxy ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// All lines, once the logs of all answered activations have ended.
    fn printed(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        wait_until("the logs have ended", || {
            let bytes = std::fs::read(self.dir.path().join(name)).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            lines = text.lines().map(str::to_owned).collect();
            lines.iter().filter(|line| line.ends_with(SENTINEL)).count() >= self.ends
        });
        lines
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Milliseconds since 1970, some time from now, as `/run` has it.
pub fn deadline(from_now: Duration) -> String {
    let time = SystemTime::now() + from_now;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_millis().to_string()
}

/// Waits up to 20 s.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Reads one answer that has a `Content-Length`.
pub fn read_answer(connection: &mut UnixStream) -> io::Result<(u16, Vec<u8>)> {
    let (status, _, body) = read_whole_answer(connection)?;
    Ok((status, body))
}

/// Status, head in lower case, and body.
fn read_whole_answer(connection: &mut UnixStream) -> io::Result<(u16, String, Vec<u8>)> {
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        // Goes on where a signal interrupts it.
        connection.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((status, head, body))
}
