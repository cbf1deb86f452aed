//! The real daemon: started, measured, stopped.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use owl::entity::{GUEST_KEY, GUEST_UUID};

use super::http::{Address, Client};

pub struct Daemon {
    child: Child,
    /// Its process id, which is not the child's where that is a tool which has started it.
    id: u32,
    pub address: SocketAddr,
    /// From its start to the line which says that it listens.
    pub started: Duration,
    settings: Vec<(&'static str, String)>,
    data: tempfile::TempDir,
}

impl Daemon {
    /// Starts `owl serve` with throttles that nothing here reaches; `docker` is the engine that
    /// it uses, or `none`.
    pub fn start(docker: &str, runtimes: Option<&Path>) -> io::Result<Self> {
        Self::with(Self::settings(docker, runtimes))
    }

    /// The settings of [`Daemon::start`].
    pub fn settings(docker: &str, runtimes: Option<&Path>) -> Vec<(&'static str, String)> {
        let mut settings = vec![("DOCKER_HOST", docker.to_owned())];
        if let Some(runtimes) = runtimes {
            settings.push(("OWL_RUNTIMES", runtimes.display().to_string()));
        }
        settings
    }

    /// The same with these settings besides.
    pub fn with(settings: Vec<(&'static str, String)>) -> io::Result<Self> {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let (child, address, started) = launch(&settings, data.path())?;
        Ok(Daemon {
            id: below(&child),
            child,
            address,
            started,
            settings,
            data,
        })
    }

    /// Stops it and starts it again, with the same settings and the same store.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop();
        (self.child, self.address, self.started) = launch(&self.settings, self.data.path())?;
        self.id = below(&self.child);
        Ok(())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.id) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// From now on, it answers nobody.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// With a chance to remove its containers.
    fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
        let _ = self.child.wait();
    }

    /// A connection with the key of `guest`.
    pub fn client(&self) -> Client {
        let key = STANDARD.encode(format!("{GUEST_UUID}:{GUEST_KEY}"));
        let headers = format!("Authorization: Basic {key}\r\n");
        Client::new(Address::Tcp(self.address), &headers)
    }

    /// Creates an action.
    pub fn create(&self, name: &str, kind: &str, code: &str) -> io::Result<()> {
        self.create_exec(name, &serde_json::json!({"kind": kind, "code": code}))
    }

    /// The same with all that it says of what runs it.
    pub fn create_exec(&self, name: &str, exec: &serde_json::Value) -> io::Result<()> {
        let body = serde_json::json!({"exec": exec});
        let path = format!("/api/v1/namespaces/_/actions/{name}?overwrite=true");
        let mut client = self.client();
        client.expect(200, "PUT", &path, body.to_string().as_bytes())?;
        Ok(())
    }

    /// What the daemon alone takes, and what its sandboxes do.
    pub fn memory(&self) -> io::Result<(Memory, Memory)> {
        let own = Memory::of(self.id)?;
        let others = descendants(self.id);
        // A sandbox may end meanwhile.
        let others = others.into_iter().filter_map(|pid| Memory::of(pid).ok());
        let others = others.fold(Memory::default(), |a, b| Memory {
            all: a.all + b.all,
            anonymous: a.anonymous + b.anonymous,
        });
        Ok((own, others))
    }
}

/// Proportional set size in KB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub all: u64,
    /// Without pages of files, such as the store's, which the kernel takes back when it needs to.
    pub anonymous: u64,
}

impl Memory {
    fn of(pid: u32) -> io::Result<Self> {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let field = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
                .ok_or_else(|| io::Error::other(format!("no {name} in smaps_rollup")))
        };
        Ok(Memory {
            all: field("Pss:")?,
            anonymous: field("Pss_Anon:")?,
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the program and waits until it says where it listens, and after what time.
fn launch(
    settings: &[(&'static str, String)],
    data: &Path,
) -> io::Result<(Child, SocketAddr, Duration)> {
    // A tool may be asked to watch it.
    let under = std::env::var("OWL_BENCH_UNDER").unwrap_or_default();
    let mut words = under.split_whitespace().chain([env!("CARGO_BIN_EXE_owl")]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command
        .args(words)
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(data)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("OWL_BIND", "127.0.0.1")
        .env("OWL_HOST_CAPACITY", "64")
        .env("OWL_HOST_MEMORY", (64 * 256).to_string())
        .env("OWL_INVOCATIONS_PER_MINUTE", "100000000")
        .env("OWL_CONCURRENT_INVOCATIONS", "1000")
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let clock = Instant::now();
    let mut child = command.spawn()?;
    let log = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, receiver) = mpsc::channel();
    // Ends with the daemon, which closes the pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            match line.split_once("listening on http://") {
                Some((_, address)) => {
                    let _ = sender.send((clock.elapsed(), address.trim().to_owned()));
                }
                None if line.contains("ERROR") || line.contains("panicked") => {
                    eprintln!("daemon: {line}");
                }
                None => {}
            }
        }
    });
    let (started, address) = receiver
        // Long enough for one under a tool that slows it down fiftyfold.
        .recv_timeout(Duration::from_secs(60))
        .map_err(|_| io::Error::other("the daemon does not listen"))?;
    Ok((child, address.parse().map_err(io::Error::other)?, started))
}

/// The daemon in what was just launched, which has no sandboxes yet.
fn below(child: &Child) -> u32 {
    let is_daemon = |pid: &u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim() == "owl")
    };
    let below = descendants(child.id()).into_iter().rfind(is_daemon);
    below.unwrap_or_else(|| child.id())
}

fn descendants(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let children = tasks.into_iter().flatten().flatten().flat_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children"));
        let children = children.unwrap_or_default();
        let pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        pids.collect::<Vec<u32>>()
    });
    children
        .flat_map(|child| {
            let mut all = descendants(child);
            all.push(child);
            all
        })
        .collect()
}
