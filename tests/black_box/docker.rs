//! The Docker Engine of the tests, and further ones that a test may stop.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// What `tests/run` has prepared.
fn prepared(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: use tests/run, or see tests/README.md for doing it by hand")
    })
}

/// `DOCKER_HOST` of the engine that all tests share.
pub fn host() -> String {
    prepared("OWL_TEST_DOCKER_HOST")
}

/// The runtimes manifest that names the images of the tests.
pub fn manifest() -> String {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/runtimes.json");
    std::env::var("OWL_TEST_RUNTIMES").unwrap_or_else(|_| manifest.to_string())
}

fn docker_output(host: &str, arguments: &[&str]) -> Output {
    let mut docker = Command::new("docker");
    let docker = docker.arg("--host").arg(host).args(arguments);
    docker.output().expect("run the docker client")
}

/// The same as [`docker`], of an engine or a container that may be gone: none if it does not work.
pub fn docker_if_it_can(host: &str, arguments: &[&str]) -> Option<String> {
    let output = docker_output(host, arguments);
    let text = String::from_utf8(output.stdout).expect("docker prints text");
    output.status.success().then(|| text.trim_end().to_string())
}

/// What the docker client prints for these arguments, without the last line end.
pub fn docker(host: &str, arguments: &[&str]) -> String {
    let output = docker_output(host, arguments);
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("docker prints text")
        .trim_end()
        .to_string()
}

/// Where the containers in a network of an engine reach this machine.
pub fn gateway(host: &str, network: &str) -> String {
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    docker(host, &["network", "inspect", "--format", format, network])
}

/// A network of a test's own on the shared engine, by which its containers are told from those of
/// other tests.
pub struct Network {
    name: String,
}

impl Network {
    pub fn create(name: &str) -> Self {
        let name = format!("owl-test-{name}-{}", std::process::id());
        docker(&host(), &["network", "create", &name]);
        Network { name }
    }

    /// What `OWL_NET_NAME` is to be.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ids of the containers in it, running or not.
    pub fn containers(&self) -> Vec<String> {
        let filter = format!("network={}", self.name);
        docker(
            &host(),
            &["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter],
        )
        .lines()
        .map(str::to_string)
        .collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        remove.args(["--host", &host(), "network", "rm", &self.name]);
        remove.output().ok();
    }
}

/// An engine of a test's own, which it may stop and start again. It goes with the value.
pub struct PrivateEngine {
    folder: TempDir,
}

impl PrivateEngine {
    /// Starts it, with one image of the shared engine.
    pub fn start(image: &str) -> Self {
        let engine = PrivateEngine {
            folder: tempfile::Builder::new()
                .prefix("owl-engine-")
                .tempdir_in("/tmp")
                .expect("make a folder for the engine"),
        };
        engine.run("start");
        let archive = engine.folder.path().join("image.tar");
        let archive = archive.to_str().expect("a path in UTF-8");
        docker(&host(), &["save", "--output", archive, image]);
        docker(&engine.host(), &["load", "--input", archive]);
        engine
    }

    /// `DOCKER_HOST` of it.
    pub fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Sends a signal to it alone, not to its containers.
    pub fn send(&self, signal: Signal) {
        kill(self.process(), signal).expect("send a signal to dockerd");
    }

    /// Ends it at once. Its containers go on, until it is started again.
    pub fn kill(&self) {
        let process = self.process();
        self.send(Signal::SIGKILL);
        // Until then its socket still answers. It stays as a zombie where nobody waits for it.
        let deadline = Instant::now() + Duration::from_secs(60);
        let stat = format!("/proc/{process}/stat");
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < deadline, "dockerd does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn process(&self) -> Pid {
        let file = self.folder.path().join("docker.pid");
        let process = std::fs::read_to_string(file).expect("dockerd runs");
        Pid::from_raw(process.trim().parse().expect("a process id"))
    }

    /// Stops it and with it its containers.
    pub fn stop(&self) {
        self.run("stop");
    }

    /// Starts it again with what it had.
    pub fn restart(&self) {
        self.run("start");
    }

    fn run(&self, command: &str) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lib/dockerd");
        let output = Command::new(script)
            .arg(command)
            .arg(self.folder.path())
            .output()
            .expect("run tests/lib/dockerd");
        assert!(
            output.status.success(),
            "dockerd {command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        self.stop();
    }
}
