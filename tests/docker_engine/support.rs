//! What the tests against a real engine share.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use owl::Executor;
use owl::engine::docker::{DockerEngine, DockerOptions, Host, ImageOptions};
use owl::engine::logs::Section;
use owl::engine::proxy::{Bounds, Proxy, RunResult};
use owl::engine::{Engine, Listener, Purpose, Sandbox, SandboxSpec, StartError};
use owl::entity::Status;
use owl::http::client::{Connection, Endpoint, read_body, within};
use serde_json::{Value, json};

use super::relay::Relay;

/// Longer than any of these tests takes; reached only by one that hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The runtime that misbehaves on command.
pub const IMAGE: &str = "owl-test/fake-runtime:test";

const MINUTE: Duration = Duration::from_secs(60);

/// The engine under test.
pub fn engine_host() -> String {
    std::env::var("OWL_TEST_DOCKER_HOST")
        .expect("OWL_TEST_DOCKER_HOST is not set: run these tests through tests/run")
}

/// Its socket.
pub fn engine_socket() -> PathBuf {
    match Host::parse(&engine_host()).expect("is an address") {
        Host::Unix(path) => path,
        Host::Tcp(address) => panic!("{address} is not a Unix socket"),
    }
}

/// A Docker Engine as one daemon uses it; its containers are gone after the test.
pub struct Fixture {
    pub executor: Executor,
    pub engine: Arc<DockerEngine>,
    pub daemon: String,
}

/// Runs a test with an engine. `name` tells its containers from those of other tests.
pub fn with_engine<T>(name: &str, test: impl AsyncFnOnce(&Fixture) -> T) -> T {
    let daemon = format!("test_{name}_{}", std::process::id());
    let executor: Executor = Arc::new(smol::Executor::new());
    let run = || {
        smol::block_on(executor.run(within(PATIENCE, async {
            let engine = connect(&executor, &daemon, &engine_host()).await;
            let fixture = Fixture {
                executor: executor.clone(),
                engine,
                daemon: daemon.clone(),
            };
            let result = test(&fixture).await;
            let errors = fixture.engine.remove_all().await;
            assert!(errors.is_empty(), "{errors:?}");
            let gone = async || fixture.containers().await.is_empty();
            wait_until("all containers are gone", gone).await;
            result
        })))
        .expect("the test does not hang")
    };
    let result = std::panic::catch_unwind(AssertUnwindSafe(run));
    // What was cancelled ends when it is polled: streams that nobody reads would slow the engine.
    while executor.try_tick() {}
    result.unwrap_or_else(|panic| {
        clean_up(&daemon);
        std::panic::resume_unwind(panic)
    })
}

/// Removes the containers of a test that failed, and of the daemons beside its own.
fn clean_up(daemon: &str) {
    let executor: Executor = Arc::new(smol::Executor::new());
    smol::block_on(executor.run(async {
        for suffix in ["", "_other", "_relayed"] {
            let daemon = format!("{daemon}{suffix}");
            let engine = connect(&executor, &daemon, &engine_host()).await;
            for error in engine.remove_all().await {
                eprintln!("{error}");
            }
        }
    }));
}

/// Connects as another daemon, or as the same one after a restart.
pub async fn connect(executor: &Executor, daemon: &str, host: &str) -> Arc<DockerEngine> {
    connect_as(
        executor,
        daemon,
        host,
        Listener::default(),
        ImageOptions::default(),
    )
    .await
}

/// Connects with somebody who is told what happens.
pub async fn connect_with(
    executor: &Executor,
    daemon: &str,
    host: &str,
    events: Listener,
) -> Arc<DockerEngine> {
    connect_as(executor, daemon, host, events, ImageOptions::default()).await
}

/// Connects with all that may be told.
pub async fn connect_as(
    executor: &Executor,
    daemon: &str,
    host: &str,
    events: Listener,
    images: ImageOptions,
) -> Arc<DockerEngine> {
    let options = DockerOptions {
        host: Some(host.to_owned()),
        network: None,
        daemon_id: daemon.to_owned(),
        events,
        images,
    };
    DockerEngine::connect(executor.clone(), options)
        .await
        .expect("the engine of the tests answers")
}

/// A sandbox of an image.
pub fn spec(image: &str) -> SandboxSpec {
    SandboxSpec {
        kind: "fake:1".into(),
        image: Some(image.into()),
        blackbox: false,
        pull: false,
        purpose: Some(Purpose {
            namespace: "guest".into(),
            action: "guest/pkg/hello".into(),
            version: "0.0.2".into(),
            revision: 3,
        }),
        memory: 128,
        cpu_shares: 128,
        env: vec![("__OW_API_HOST".into(), "http://192.0.2.1:3000".into())],
    }
}

/// A runtime that is up and initialised, to be told how to behave.
pub struct Runtime {
    pub sandbox: Arc<dyn Sandbox>,
    pub proxy: Proxy,
    /// Where what it prints goes.
    pub section: Option<Section>,
}

impl Fixture {
    /// A daemon of its own that reaches the engine through a relay, which can fail.
    pub async fn relayed(&self, events: Listener) -> (Relay, Arc<DockerEngine>) {
        let relay = Relay::start(engine_socket());
        let daemon = format!("{}_relayed", self.daemon);
        let engine = connect_with(&self.executor, &daemon, &relay.host(), events).await;
        (relay, engine)
    }

    /// Another daemon at the same engine, with these settings of images.
    pub async fn another(&self, images: ImageOptions) -> Arc<DockerEngine> {
        let daemon = format!("{}_other", self.daemon);
        let (executor, host) = (&self.executor, engine_host());
        connect_as(executor, &daemon, &host, Listener::default(), images).await
    }

    /// The ids of the containers that there are.
    pub async fn containers(&self) -> Vec<String> {
        let containers = self.engine.own_containers().await.expect("lists");
        containers
            .into_iter()
            .map(|container| container.id)
            .collect()
    }

    pub async fn start(&self, spec: &SandboxSpec) -> Result<Arc<dyn Sandbox>, StartError> {
        Ok(Arc::from(self.engine.start(spec).await?))
    }

    pub async fn runtime(&self) -> Runtime {
        self.runtime_of(&*self.engine).await
    }

    pub async fn runtime_of(&self, engine: &dyn Engine) -> Runtime {
        let sandbox = engine.start(&spec(IMAGE)).await.expect("starts");
        let sandbox: Arc<dyn Sandbox> = Arc::from(sandbox);
        let section = Some(sandbox.logs().begin(1 << 20));
        let mut proxy = Proxy::new(self.executor.clone(), sandbox.clone());
        let body = Bytes::from_static(b"{\"value\":{\"code\":\"{}\"}}");
        proxy.init(body, MINUTE, MINUTE).await.expect("initialises");
        Runtime {
            sandbox,
            proxy,
            section,
        }
    }
}

impl Runtime {
    /// Begins an activation of which 1 MB of log is kept.
    pub async fn begin(&mut self) {
        // What came before, init with it, is given up without waiting for sentinels.
        if let Some(section) = self.section.take() {
            section.collect(false).await;
        }
        self.section = Some(self.sandbox.logs().begin(1 << 20));
    }

    /// Runs an activation of which 1 MB of log and answer is kept.
    pub async fn run(&mut self, mood: &str) -> RunResult {
        self.run_for(mood, MINUTE).await
    }

    pub async fn run_for(&mut self, mood: &str, timeout: Duration) -> RunResult {
        let body = json!({ "value": { "do": mood } }).to_string();
        self.proxy
            .run(body.into(), timeout, Bounds::same(1 << 20))
            .await
    }

    /// A run that goes well: so many there were in this container with it, after one `/init`, and
    /// what it prints comes.
    pub async fn runs_well(&mut self, runs: u64) {
        self.begin().await;
        let run = self.run("ok").await;
        assert!(run.keep && !run.retry && !run.timed_out);
        assert_eq!(run.response.status, Status::Success);
        let answer = result(&run);
        assert_eq!(
            (&answer["inits"], &answer["runs"]),
            (&json!(1), &json!(runs))
        );
        let (mut lines, incomplete) = self.logs(true).await;
        lines.sort();
        assert_eq!(lines, ["stderr: mood ok", "stdout: mood ok"]);
        assert!(!incomplete);
    }

    /// The texts of the log, without their timestamps.
    pub async fn logs(&mut self, wait: bool) -> (Vec<String>, bool) {
        let section = self.section.take().expect("an activation was begun");
        let logs = section.collect(wait).await;
        let texts = logs.lines.iter().map(|line| line[31..].to_owned());
        (texts.collect(), logs.incomplete)
    }
}

/// The result of a run as JSON.
pub fn result(run: &RunResult) -> Value {
    let result = run.response.result.as_ref().expect("there is a result");
    serde_json::from_str(result.get()).expect("it is JSON")
}

/// The `error` of a failed run.
pub fn error(run: &RunResult) -> String {
    let error = &result(run)["error"];
    error
        .as_str()
        .unwrap_or_else(|| panic!("{error}"))
        .to_owned()
}

/// A call of the Engine API beside the client that is tested.
pub async fn docker(executor: &Executor, method: &str, path: &str, body: Value) -> Value {
    let Ok(Host::Unix(socket)) = Host::parse(&engine_host()) else {
        panic!("the engine of the tests is not at a Unix socket");
    };
    let wire = Endpoint::Unix(socket).connect().await.expect("connects");
    let mut connection = Connection::open(executor, wire).await.expect("opens");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "docker")
        .header("Content-Type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("is a request");
    let response = connection.send(request).await.expect("is answered");
    let status = response.status();
    let body = read_body(response.into_body(), 1 << 20)
        .await
        .expect("is read");
    assert!(status.is_success(), "{method} {path}: {status} {body:?}");
    serde_json::from_slice(&body).unwrap_or_default()
}

/// Waits until something is so, for at most 20 s.
pub async fn wait_until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if is_so().await {
            return;
        }
        smol::Timer::after(Duration::from_millis(20)).await;
    }
    panic!("waited in vain until {what}");
}
