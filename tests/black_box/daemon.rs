//! Starts, stops and kills the real binary.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::client::{Client, GUEST};
use crate::docker;

/// Long enough for a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a daemon is to be started.
#[derive(Clone)]
pub struct Setup {
    env: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
    network: Option<String>,
    group: Option<PathBuf>,
}

impl Setup {
    /// A daemon without Docker, with throttles that no test reaches by chance.
    pub fn new() -> Self {
        Setup {
            env: Vec::new(),
            data_dir: None,
            network: None,
            group: None,
        }
        .env("DOCKER_HOST", "none")
        .env("OWL_INVOCATIONS_PER_MINUTE", "100000")
        .env("OWL_CONCURRENT_INVOCATIONS", "1000")
        .env("OWL_RUNTIMES", docker::manifest())
    }

    /// A daemon that uses the engine and the images of the tests.
    pub fn with_docker() -> Self {
        Setup::new().env("DOCKER_HOST", docker::host())
    }

    /// One sandbox at a time: a call waits until the one before it has let go of its sandbox, whose
    /// logs are still on their way when the answer is out. Otherwise it might get another.
    pub fn one_at_a_time(self) -> Self {
        self.env("OWL_HOST_CAPACITY", "1")
    }

    /// Sets an environment variable of the daemon; the last value counts.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_string(), value.into()));
        self
    }

    /// Keeps the store there instead of in a folder that goes with the daemon.
    pub fn data_dir(mut self, folder: &Path) -> Self {
        self.data_dir = Some(folder.to_path_buf());
        self
    }

    /// Runs it in a network namespace of this name.
    pub fn network(mut self, namespace: String) -> Self {
        self.network = Some(namespace);
        self
    }

    /// Runs it in the control group of this folder.
    pub fn group(mut self, folder: &Path) -> Self {
        self.group = Some(folder.to_path_buf());
        self
    }

    /// Starts it and waits until it says where it listens.
    pub fn start(self) -> Daemon {
        self.try_start()
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Starts it and waits until it says where it listens, or why it does not.
    pub fn try_start(self) -> Result<Daemon, String> {
        let mut daemon = self.spawn();
        let deadline = Instant::now() + PATIENCE;
        while daemon.address.is_empty() {
            if daemon.wait(Duration::ZERO).is_some() {
                return Err(format!("owl ended:\n{}", daemon.log()));
            }
            if Instant::now() > deadline {
                return Err(format!("owl does not listen:\n{}", daemon.log()));
            }
            thread::sleep(Duration::from_millis(5));
            if let Some(address) = listening(&daemon.log()) {
                daemon.address = address;
            }
        }
        Ok(daemon)
    }

    /// Starts it and expects that it ends by itself: how, and what it said.
    pub fn start_and_fail(self) -> (ExitStatus, String) {
        let mut daemon = self.spawn();
        let status = daemon
            .wait(PATIENCE)
            .unwrap_or_else(|| panic!("owl goes on:\n{}", daemon.log()));
        (status, daemon.log())
    }

    fn spawn(self) -> Daemon {
        let own = tempfile::tempdir().expect("make a folder for the store");
        let data_dir = self.data_dir.as_deref().unwrap_or(own.path());
        let owl = env!("CARGO_BIN_EXE_owl");
        // What comes before it becomes the daemon, so that signals get there.
        let mut command = match (&self.network, &self.group) {
            (None, None) => Command::new(owl),
            (None, Some(group)) => {
                let mut enter = Command::new("sh");
                enter.args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""]);
                enter.arg(group).arg(owl);
                enter
            }
            (Some(namespace), _) => {
                let mut enter = Command::new("nsenter");
                enter.arg(format!("--net=/run/netns/{namespace}")).arg(owl);
                enter
            }
        };
        let mut child = command
            .args(["serve", "--port", "0", "--data-dir"])
            .arg(data_dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", own.path())
            .envs(self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start owl");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("stderr is piped");
        let reader = thread::spawn({
            let log = log.clone();
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let mut log = log.lock().expect("the log's lock");
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        Daemon {
            child,
            address: String::new(),
            log,
            reader: Some(reader),
            _own: own,
        }
    }
}

/// The address in the line that says that the daemon is ready.
fn listening(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    let (line, _) = rest.split_once('\n')?;
    Some(line.split_whitespace().next()?.to_string())
}

/// A running daemon. Dropped, it is stopped, so that its containers go with it.
pub struct Daemon {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
    _own: TempDir,
}

impl Daemon {
    /// A client with the key of `guest`.
    pub fn client(&self) -> Client {
        Client::new(&self.address, Some(GUEST))
    }

    /// A client with another key, or none.
    pub fn client_with(&self, key: Option<&str>) -> Client {
        Client::new(&self.address, key)
    }

    /// `host:port` of its API, for those who write to the socket themselves.
    pub fn address(&self) -> &str {
        self.address
            .trim_start_matches("http://")
            .trim_end_matches('/')
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log's lock").clone()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("kill owl");
        self.child.wait().expect("wait for owl");
    }

    /// Asks it to stop and waits for its end.
    pub fn terminate(self) -> (ExitStatus, String) {
        self.end(Signal::SIGTERM)
    }

    /// Ends it by a signal, and waits for that.
    pub fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        self.send(signal);
        let status = self
            .wait(PATIENCE)
            .unwrap_or_else(|| panic!("owl does not stop:\n{}", self.log()));
        (status, self.log())
    }

    /// Sends a signal to it.
    pub fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("send a signal to owl");
    }

    /// The most memory that it has had resident so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("read the status of owl");
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|value| value.split_whitespace().next())
            .expect("VmHWM is in the status");
        peak.parse::<u64>().expect("VmHWM is a number") * 1024
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for owl") {
                // The last lines may still be on their way.
                if let Some(reader) = self.reader.take() {
                    reader.join().expect("read the log");
                }
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.send(Signal::SIGTERM);
            if self.wait(PATIENCE).is_none() {
                self.child.kill().ok();
                self.child.wait().ok();
            }
        }
        if thread::panicking() {
            eprintln!("--- log of owl\n{}---", self.log());
        }
    }
}
