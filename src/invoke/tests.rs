//! Invocations against sandboxes whose proxy is a few lines of a thread.

mod builtins;
mod compositions;
mod lifetimes;
mod namespaces;
mod play;
mod rules;
mod sequences;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;
use std::time::SystemTime;

use super::*;
use crate::BoxFuture;
use crate::engine::logs::{LogSink, SENTINEL, Stream};
use crate::engine::{Engine, Sandbox, SandboxSpec, StartError};
use crate::entity::{ActionLimits, Exec, Parameters, Status};
use crate::http::client::{Endpoint, Wire};
use crate::pool;
use crate::store::{ActivationFilter, Options};

/// What the proxy of a [`Scripted`] sandbox does with a `/run`.
type Script = fn(&str) -> (u16, String, Duration);

/// An engine whose sandboxes answer by a script.
struct Scripted {
    script: Script,
    started: AtomicUsize,
    removed: Arc<AtomicUsize>,
    specs: Mutex<Vec<SandboxSpec>>,
}

struct ScriptedSandbox {
    address: SocketAddr,
    logs: LogSink,
    removed: Arc<AtomicUsize>,
}

impl Engine for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn start<'a>(
        &'a self,
        spec: &'a SandboxSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        Box::pin(async move {
            self.started.fetch_add(1, Ordering::SeqCst);
            self.specs.lock().unwrap().push(spec.clone());
            if spec.action.ends_with("/unstartable") {
                return Err(StartError::Failed("no".into()));
            }
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (logs, script) = (LogSink::new(), self.script);
            let sink = logs.clone();
            // What is printed arrives in order, but it may come later than the answer.
            let (printer, printed) = std::sync::mpsc::channel::<(Duration, String)>();
            std::thread::spawn(move || {
                for (late, text) in printed {
                    std::thread::sleep(late);
                    sink.push(Stream::Stdout, text.as_bytes(), SystemTime::now());
                    let end = format!("{SENTINEL}\n");
                    for stream in [Stream::Stdout, Stream::Stderr] {
                        sink.push(stream, end.as_bytes(), SystemTime::now());
                    }
                }
            });
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if serve(stream.unwrap(), &printer, script).is_err() {
                        return;
                    }
                }
            });
            Ok(Box::new(ScriptedSandbox {
                address,
                logs,
                removed: self.removed.clone(),
            }) as Box<dyn Sandbox>)
        })
    }
}

/// Answers the requests of one connection.
fn serve(
    mut stream: TcpStream,
    printer: &Sender<(Duration, String)>,
    script: Script,
) -> io::Result<()> {
    let mut data = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let head = loop {
            if let Some(end) = data.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                read => data.extend_from_slice(&chunk[..read]),
            }
        };
        let text = String::from_utf8_lossy(&data[..head]).to_lowercase();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        while data.len() < head + length {
            match stream.read(&mut chunk)? {
                0 => return Ok(()),
                read => data.extend_from_slice(&chunk[..read]),
            }
        }
        let body = String::from_utf8_lossy(&data[head..head + length]).into_owned();
        let (status, answer, pause) = if text.starts_with("post /init") {
            (200, String::from("{}"), Duration::ZERO)
        } else {
            let late = Duration::from_millis(if body.contains("tid-late") { 50 } else { 0 });
            printer.send((late, "a line\n".into())).unwrap();
            script(&body)
        };
        std::thread::sleep(pause);
        let reply = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        stream.write_all(reply.as_bytes())?;
        data.drain(..head + length);
    }
}

impl Sandbox for ScriptedSandbox {
    fn id(&self) -> &str {
        "scripted"
    }

    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async { Endpoint::Tcp(self.address).connect().await })
    }

    fn logs(&self) -> &LogSink {
        &self.logs
    }

    fn has_exited(&self) -> bool {
        false
    }

    fn killed_for_memory(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    fn remove(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.removed.fetch_add(1, Ordering::SeqCst);
        })
    }
}

struct Bench {
    executor: Executor,
    engine: Arc<Scripted>,
    store: Store,
    invoker: Invoker,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(script: Script) -> Self {
        Self::with(script, |_| {})
    }

    fn with(script: Script, change: fn(&mut Settings)) -> Self {
        Self::made(tempfile::tempdir().unwrap(), script, 2, change)
    }

    fn in_folder(folder: tempfile::TempDir, script: Script, capacity: usize) -> Self {
        Self::made(folder, script, capacity, |_| {})
    }

    fn made(
        folder: tempfile::TempDir,
        script: Script,
        capacity: usize,
        change: fn(&mut Settings),
    ) -> Self {
        let executor: Executor = Arc::new(smol::Executor::new());
        let engine = Arc::new(Scripted {
            script,
            started: AtomicUsize::new(0),
            removed: Arc::default(),
            specs: Mutex::default(),
        });
        let options = Options {
            map_size: 16 << 20,
            ..Options::default()
        };
        let store = Store::open(folder.path(), options).unwrap();
        let pool = Driver::new(
            executor.clone(),
            pool::Settings {
                capacity,
                queue_length: 10,
                patience: Duration::from_millis(500),
                idle: Duration::from_secs(600),
            },
        );
        let mut settings = Settings {
            longest_wait: Duration::from_secs(10),
            boot_timeout: Duration::from_secs(10),
            max_response: 1 << 20,
            actions: crate::entity::ActionRanges::default(),
            pool_memory: 1024,
            auto_pull: false,
            sequence_length: 4,
            component_grace: Duration::from_secs(10),
        };
        change(&mut settings);
        let invoker = Invoker::new(
            Rooms {
                executor: executor.clone(),
                catalog: Catalog::new(store.clone()),
                pool,
                engines: Arc::new(Engines::new(
                    engine.clone(),
                    "http://127.0.0.1:3000".to_owned(),
                )),
                manifest: Arc::new(Manifest::built_in()),
                throttles: Arc::new(Throttles::default()),
                builtins: Arc::new(Services::new(store.clone(), "http://127.0.0.1:3000")),
            },
            settings,
        );
        Bench {
            executor,
            engine,
            store,
            invoker,
            folder,
        }
    }

    /// Ends without a word, as by a power cut, and starts again. Tasks that still run keep the
    /// store that they have, so this goes on with a copy of it.
    fn restarted(self, script: Script) -> Self {
        self.store.close();
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        Self::in_folder(copy, script, 2)
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(future))
    }

    fn call(&self, name: &str, wait: Option<Duration>) -> Call {
        let identity = self.store.key_of_namespace("guest").unwrap().unwrap();
        Call {
            identity: Arc::new(identity),
            action: Arc::new(action(name)),
            binding: None,
            payload: Some(RawValue::from_string(r#"{"n":1.50}"#.into()).unwrap()),
            transaction_id: "tid".into(),
            wait,
            held: None,
        }
    }

    fn code(&self, name: &str) {
        let write = crate::store::EntityWrite {
            path: format!("guest/{name}"),
            collection: crate::store::Collection::Actions,
            document: action(name).document(),
            code: crate::store::CodeChange::Set(b"code".to_vec()),
            updated: 1,
            expect: crate::store::Expect::Absent,
        };
        self.run(self.store.put_entity(write)).unwrap();
    }

    fn finished(&self, call: Call) -> Arc<Activation> {
        match self.run(self.invoker.invoke(call)) {
            Ok(Outcome::Finished(activation)) => activation,
            Ok(Outcome::Accepted(id)) => panic!("{id} was accepted only"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for the stored record.
    fn record(&self, id: ActivationId) -> serde_json::Value {
        self.run(async {
            for _ in 0..1000 {
                if let Some((head, tail)) = self.store.activation("guest", id).unwrap() {
                    let record = crate::entity::record(&head, &tail).unwrap();
                    return serde_json::from_slice(&record).unwrap();
                }
                Timer::after(Duration::from_millis(10)).await;
            }
            panic!("no record of {id}");
        })
    }
}

fn action(name: &str) -> Action {
    Action {
        namespace: "guest".into(),
        name: name.into(),
        exec: Exec::Code {
            kind: "quickjs:1".into(),
            binary: false,
            main: None,
        },
        parameters: Parameters::default(),
        limits: ActionLimits {
            timeout: 1_000,
            memory: 256,
            logs: 10,
            concurrency: 1,
            instances: None,
        },
        version: "0.0.1".into(),
        publish: false,
        annotations: Parameters::default(),
        updated: 1,
        revision: 1,
    }
}

fn echo(body: &str) -> (u16, String, Duration) {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    (200, body["value"].to_string(), Duration::ZERO)
}

const WAIT: Option<Duration> = Some(Duration::from_secs(30));

// 11.7-166, 11.7-190
#[test]
fn cold_then_warm() {
    let bench = Bench::new(echo);
    bench.code("a");
    let first = bench.finished(bench.call("a", WAIT));
    assert_eq!(first.response.status, Status::Success);
    assert_eq!(
        first.response.result.as_ref().unwrap().get(),
        r#"{"n":1.5}"#
    );
    let second = bench.finished(bench.call("a", WAIT));
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 1);

    let names = |activation: &Activation| -> Vec<&str> {
        activation
            .annotations
            .iter()
            .map(|(name, _)| *name)
            .collect()
    };
    assert_eq!(
        names(&first),
        ["path", "kind", "limits", "timeout", "waitTime", "initTime"]
    );
    assert_eq!(
        names(&second),
        ["path", "kind", "limits", "timeout", "waitTime"]
    );
    let record = bench.record(second.id);
    assert_eq!(record["logs"].as_array().unwrap().len(), 1, "{record}");
    assert_eq!(record["response"]["success"], true);
    assert_eq!(bench.invoker.in_flight("guest"), 0);
}

#[test]
fn logs_that_are_late_do_not_keep_the_sandbox_from_the_next_call() {
    let bench = Bench::new(echo);
    bench.code("a");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut call = bench.call("a", WAIT);
        call.transaction_id = "tid-late".into();
        ids.push(bench.finished(call).id);
        assert_eq!(bench.invoker.in_flight("guest"), 0);
    }
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 1);
    for id in ids {
        let record = bench.record(id);
        assert_eq!(record["logs"].as_array().unwrap().len(), 1, "{record}");
    }
}

// 11.7-164
#[test]
fn a_non_blocking_call_is_durable_before_it_is_accepted() {
    let bench = Bench::new(|_| (200, "{}".into(), Duration::from_millis(200)));
    bench.code("a");
    let call = bench.call("a", None);
    let id = match bench.run(bench.invoker.invoke(call)) {
        Ok(Outcome::Accepted(id)) => id,
        _ => panic!("it should be accepted"),
    };
    let pending = bench.store.pending().unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].0, id);
    assert_eq!(bench.invoker.in_flight("guest"), 1);
    assert_eq!(bench.record(id)["response"]["status"], "success");
    assert!(bench.store.pending().unwrap().is_empty());
}

// 11.7-172, 11.7-173
#[test]
fn a_caller_who_stops_waiting_gets_an_id_that_is_kept() {
    let bench = Bench::new(|_| (200, "{}".into(), Duration::from_millis(300)));
    bench.code("a");
    let call = bench.call("a", Some(Duration::from_millis(20)));
    let id = match bench.run(bench.invoker.invoke(call)) {
        Ok(Outcome::Accepted(id)) => id,
        _ => panic!("it is not finished"),
    };
    let pending = bench.store.pending().unwrap();
    assert_eq!(pending[0].1, crate::store::Progress::Started);
    assert_eq!(bench.record(id)["response"]["status"], "success");
    assert!(bench.store.pending().unwrap().is_empty());
}

// 11.7-185, 11.12-307
#[test]
fn a_failed_sandbox_is_removed_and_the_next_call_works() {
    let bench = Bench::new(|body| {
        let slow = body.contains("tid-slow");
        (
            200,
            "{}".into(),
            Duration::from_millis(if slow { 1500 } else { 0 }),
        )
    });
    bench.code("a");
    let mut call = bench.call("a", WAIT);
    call.transaction_id = "tid-slow".into();
    let late = bench.finished(call);
    assert_eq!(late.response.status, Status::DeveloperError);
    assert_eq!(
        late.response.result.as_ref().unwrap().get(),
        r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#
    );
    let logs = bench.record(late.id)["logs"].clone();
    assert!(
        logs.as_array().unwrap().last().unwrap().as_str().unwrap().ends_with(
            "stderr: The action did not initialize or run as expected. Log data might be missing."
        ),
        "{logs}"
    );
    assert_eq!(
        bench.finished(bench.call("a", WAIT)).response.status,
        Status::Success
    );
    assert_eq!(bench.engine.removed.load(Ordering::SeqCst), 1);
}

#[test]
fn calls_are_refused_while_the_disk_does_not_keep_up() {
    let bench = Bench::new(echo);
    bench.code("a");
    let unstored = &bench.invoker.inner.unstored;
    unstored.store(MOST_UNSTORED + 1, Ordering::Relaxed);
    assert!(matches!(
        bench.run(bench.invoker.invoke(bench.call("a", WAIT))),
        Err(InvokeError::Unavailable(_))
    ));
    unstored.store(0, Ordering::Relaxed);
    let id = bench.finished(bench.call("a", WAIT)).id;
    bench.record(id);
    bench.run(bench.invoker.inner.flights.none());
    assert_eq!(unstored.load(Ordering::Relaxed), 0);
}

#[test]
fn what_cannot_be_started_is_told_in_the_record() {
    let bench = Bench::new(echo);
    bench.code("unstartable");
    let failed = bench.finished(bench.call("unstartable", WAIT));
    assert_eq!(failed.response.status, Status::InternalError);
    assert_eq!(
        failed.response.result.as_ref().unwrap().get(),
        r#"{"error":"Failed to provision resources to run the action."}"#
    );
    // The place is free again, and code that is gone is told apart.
    let gone = bench.finished(bench.call("gone", WAIT));
    assert_eq!(gone.response.status, Status::ApplicationError);
    assert!(
        gone.response
            .result
            .as_ref()
            .unwrap()
            .get()
            .contains("could not be found"),
    );
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    assert!(matches!(
        bench.run(bench.invoker.invoke(bench.call("a", WAIT))),
        Err(InvokeError::Unavailable(_))
    ));
}

#[test]
fn a_restart_runs_more_than_may_wait() {
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), echo, 1);
    bench.code("a");
    let call = bench.call("a", None);
    let ids: Vec<ActivationId> = (0..30).map(|_| ActivationId::random()).collect();
    bench.run(async {
        for id in &ids {
            let document = pending::invocation(&call, None);
            bench.store.accept(*id, document).await.unwrap();
        }
    });
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 30, closed: 0 });
    for id in ids {
        assert_eq!(bench.record(id)["response"]["status"], "success");
    }
}

#[test]
fn a_restart_runs_what_waited_and_closes_what_ran() {
    let bench = Bench::new(echo);
    bench.code("a");
    let call = bench.call("a", None);
    let (waited, ran, orphan) = (
        ActivationId::random(),
        ActivationId::random(),
        ActivationId::random(),
    );
    bench.run(async {
        bench
            .store
            .accept(waited, pending::invocation(&call, None))
            .await
            .unwrap();
        bench
            .store
            .accept(ran, pending::invocation(&call, None))
            .await
            .unwrap();
        bench.store.mark_started(ran).await.unwrap();
        let gone = bench.call("gone", None);
        bench
            .store
            .accept(orphan, pending::invocation(&gone, None))
            .await
            .unwrap();
    });
    let bench = bench.restarted(echo);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 1, closed: 2 });
    assert_eq!(bench.record(waited)["response"]["result"]["n"], 1.5);
    let closed = bench.record(ran);
    assert_eq!(closed["response"]["status"], "whisk internal error");
    assert_eq!(closed["name"], "a");
    let closed = bench.record(orphan);
    assert_eq!(closed["response"]["status"], "application error");
    assert!(bench.store.pending().unwrap().is_empty());
    let listed = bench
        .store
        .activations("guest", &ActivationFilter::default(), 0, 10, false)
        .unwrap();
    assert_eq!(listed.len(), 3);
}
