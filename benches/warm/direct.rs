//! Sandboxes without OWL in front of them: what is compared with.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Address, Client};

/// The body of `POST /init`.
pub fn init_body(code: &str) -> Vec<u8> {
    let value = json!({"name": "bench", "main": "main", "code": code, "binary": false, "env": {}});
    json!({"value": value}).to_string().into_bytes()
}

/// The body of `POST /run` with these parameters, with all that OWL adds to them.
pub fn run_body(parameters: &str) -> Vec<u8> {
    format!(
        "{{\"value\":{parameters},\"namespace\":\"guest\",\"action_name\":\"/guest/bench\",\
         \"action_version\":\"0.0.1\",\"activation_id\":\"0123456789abcdef0123456789abcdef\",\
         \"transaction_id\":\"0123456789abcdef0123456789abcdef\",\
         \"api_host\":\"http://127.0.0.1:3000\",\"api_key\":\"u:k\",\"deadline\":\"9999999999999\"}}"
    )
    .into_bytes()
}

/// `owl runtime` on a Unix socket of its own, with the action in it.
pub struct Runtime {
    child: Child,
    folder: tempfile::TempDir,
}

impl Runtime {
    pub fn start(code: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("socket");
        let child = Command::new(env!("CARGO_BIN_EXE_owl"))
            .args(["runtime", "--kind", "quickjs", "--listen"])
            .arg(format!("unix:{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let runtime = Runtime { child, folder };
        let mut client = runtime.client();
        retry(|| client.connect())?;
        client.expect(200, "POST", "/init", &init_body(code))?;
        Ok(runtime)
    }

    pub fn client(&self) -> Client {
        Client::new(Address::Unix(self.folder.path().join("socket")), "")
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Docker Engine, spoken to as plainly as can be.
pub struct Engine {
    address: Address,
    pub host: String,
}

impl Engine {
    /// The engine of the tests or of the user, if it answers.
    pub fn find() -> Option<Self> {
        let host = ["OWL_TEST_DOCKER_HOST", "DOCKER_HOST"]
            .iter()
            .find_map(|name| std::env::var(name).ok())
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        let address = match host.strip_prefix("unix://") {
            Some(path) => Address::Unix(PathBuf::from(path)),
            None => Address::Tcp(host.strip_prefix("tcp://")?.parse().ok()?),
        };
        let engine = Engine { address, host };
        engine.client().expect(200, "GET", "/_ping", b"").ok()?;
        Some(engine)
    }

    fn client(&self) -> Client {
        Client::new(self.address.clone(), "")
    }

    fn inspect(&self, id: &str) -> io::Result<Value> {
        let answer = self
            .client()
            .expect(200, "GET", &format!("/containers/{id}/json"), b"")?;
        serde_json::from_slice(&answer).map_err(io::Error::other)
    }

    /// A running container of an action of `guest`.
    pub fn container_of(&self, action: &str) -> io::Result<String> {
        let label = format!("%7B%22label%22:%5B%22owl.action=guest/{action}%22%5D%7D");
        let path = format!("/containers/json?filters={label}");
        let answer = self.client().expect(200, "GET", &path, b"")?;
        let list: Vec<Value> = serde_json::from_slice(&answer).map_err(io::Error::other)?;
        list.iter()
            .find_map(|container| Some(container["Id"].as_str()?.to_owned()))
            .ok_or_else(|| io::Error::other(format!("{action} has no container")))
    }

    /// Creates, starts and initialises a container with the image and the restrictions of
    /// another one. (That one itself must not be called behind OWL's back: it would not know
    /// what the logs belong to.)
    pub fn start_like(&self, model: &str, code: &str) -> io::Result<Container<'_>> {
        let model = self.inspect(model)?;
        let body = json!({
            "Image": model["Image"],
            "Env": model["Config"]["Env"],
            "HostConfig": model["HostConfig"],
        });
        let mut clock = Instant::now();
        let mut step = || std::mem::replace(&mut clock, Instant::now()).elapsed();
        let mut steps = Steps::default();
        let mut client = self.client();
        let body = body.to_string();
        let answer = client.expect(201, "POST", "/containers/create", body.as_bytes())?;
        let created: Value = serde_json::from_slice(&answer).map_err(io::Error::other)?;
        let mut container = Container {
            engine: self,
            id: created["Id"].as_str().unwrap_or_default().to_owned(),
            proxy: None,
            steps,
        };
        steps.create = step();
        let path = format!("/containers/{}/start", container.id);
        client.expect(204, "POST", &path, b"")?;
        steps.start = step();
        let address = proxy_of(&self.inspect(&container.id)?)?;
        container.proxy = Some(Address::Tcp(address));
        let mut proxy = container.client()?;
        retry(|| proxy.connect())?;
        steps.boot = step();
        proxy.expect(200, "POST", "/init", &init_body(code))?;
        steps.init = step();
        container.steps = steps;
        Ok(container)
    }
}

/// A container that OWL knows nothing of; removed when dropped.
pub struct Container<'a> {
    engine: &'a Engine,
    id: String,
    proxy: Option<Address>,
    pub steps: Steps,
}

/// How long each step of a start took.
#[derive(Clone, Copy, Default)]
pub struct Steps {
    pub create: Duration,
    pub start: Duration,
    /// Until a connection was accepted.
    pub boot: Duration,
    pub init: Duration,
}

impl Container<'_> {
    pub fn client(&self) -> io::Result<Client> {
        let proxy = self.proxy.clone().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Client::new(proxy, ""))
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let path = format!("/containers/{}?force=1", self.id);
        if let Err(error) = self.engine.client().expect(204, "DELETE", &path, b"") {
            eprintln!("a container is left over: {error}");
        }
    }
}

/// Where the proxy of an inspected container listens.
fn proxy_of(container: &Value) -> io::Result<SocketAddr> {
    let networks = container["NetworkSettings"]["Networks"].as_object();
    let address = networks
        .into_iter()
        .flat_map(|networks| networks.values())
        .find_map(|network| network["IPAddress"].as_str()?.parse().ok());
    address
        .map(|ip| SocketAddr::new(ip, 8080))
        .ok_or_else(|| io::Error::other("the container has no address"))
}

/// Tries until it works, for 20 s at most: what is connected to may still be starting.
fn retry(mut act: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let clock = Instant::now();
    loop {
        match act() {
            Err(error) if clock.elapsed() > Duration::from_secs(20) => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
            Ok(()) => return Ok(()),
        }
    }
}
