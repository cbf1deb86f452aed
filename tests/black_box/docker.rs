//! The Docker Engine of the tests, and further ones that a test may stop.

use std::path::PathBuf;
use std::process::Command;

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

/// What the docker client prints for these arguments, without the last line end.
pub fn docker(host: &str, arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .arg("--host")
        .arg(host)
        .args(arguments)
        .output()
        .expect("run the docker client");
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
