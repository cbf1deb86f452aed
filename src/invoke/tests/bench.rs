//! An invoker over a store, and sandboxes whose proxy is a few lines of a thread.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;
use std::time::SystemTime;

use serde_json::value::RawValue;

use super::super::burst::Sent;
use super::super::*;
use crate::BoxFuture;
use crate::engine::logs::{LogSink, SENTINEL, Stream};
use crate::engine::{Engine, Hold, Mismatch, Sandbox, SandboxSpec, StartError};
use crate::entity::{Action, ActionLimits, Activation, Exec, Parameters};
use crate::http::client::{Endpoint, Wire};
use crate::pool;
use crate::store::Options;

/// What the proxy of a [`Scripted`] sandbox does with a `/run`.
pub(super) type Script = fn(&str) -> (u16, String, Duration);

/// An engine whose sandboxes answer by a script.
pub(super) struct Scripted {
    pub(super) script: Script,
    pub(super) started: AtomicUsize,
    pub(super) removed: Arc<AtomicUsize>,
    pub(super) specs: Mutex<Vec<SandboxSpec>>,
    /// Where what they print goes.
    pub(super) sinks: Mutex<Vec<LogSink>>,
}

pub(super) struct ScriptedSandbox {
    address: SocketAddr,
    logs: LogSink,
    /// Whether it is for other machines: nothing listens then.
    foreign: bool,
    /// Whether its removal takes a while.
    goes_late: bool,
    removed: Arc<AtomicUsize>,
}

impl Engine for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn start_in<'a>(
        &'a self,
        spec: &'a SandboxSpec,
        _hold: Hold,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        Box::pin(async move {
            self.started.fetch_add(1, Ordering::SeqCst);
            self.specs.lock().unwrap().push(spec.clone());
            let purpose = spec.purpose.as_ref();
            let action = purpose.map_or("", |purpose| purpose.action.as_str());
            if action.ends_with("/unstartable") {
                return Err(StartError::Failed("no".into()));
            }
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (logs, script) = (LogSink::new(), self.script);
            self.sinks.lock().unwrap().push(logs.clone());
            let foreign = action.ends_with("/foreign");
            let goes_late = action.ends_with("/late");
            if foreign {
                logs.close();
                return Ok(Box::new(ScriptedSandbox {
                    address,
                    logs,
                    foreign,
                    goes_late,
                    removed: self.removed.clone(),
                }) as Box<dyn Sandbox>);
            }
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
                foreign,
                goes_late,
                removed: self.removed.clone(),
            }) as Box<dyn Sandbox>)
        })
    }
}

/// Answers the requests of one connection.
pub(super) fn serve(
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
        self.foreign
    }

    fn foreign(&self) -> BoxFuture<'_, Option<(String, Mismatch)>> {
        let mismatch = Mismatch {
            image: "s390x".into(),
            engine: "arm64".into(),
        };
        Box::pin(async { self.foreign.then(|| ("me/thing".into(), mismatch)) })
    }

    fn killed_for_memory(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    fn remove(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.goes_late {
                Timer::after(Duration::from_millis(100)).await;
            }
            self.removed.fetch_add(1, Ordering::SeqCst);
        })
    }
}

pub(super) struct Bench {
    pub(super) executor: Executor,
    pub(super) engine: Arc<Scripted>,
    pub(super) store: Store,
    pub(super) invoker: Invoker,
    pub(super) folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new(script: Script) -> Self {
        Self::with(script, |_| {})
    }

    pub(super) fn with(script: Script, change: fn(&mut Settings)) -> Self {
        Self::made(tempfile::tempdir().unwrap(), script, 2, change)
    }

    pub(super) fn in_folder(folder: tempfile::TempDir, script: Script, capacity: usize) -> Self {
        Self::made(folder, script, capacity, |_| {})
    }

    pub(super) fn made(
        folder: tempfile::TempDir,
        script: Script,
        capacity: usize,
        change: fn(&mut Settings),
    ) -> Self {
        Self::before(folder, script, capacity, change, None)
    }

    /// A gateway before these tiers.
    pub(super) fn before(
        folder: tempfile::TempDir,
        script: Script,
        capacity: usize,
        change: fn(&mut Settings),
        tiers: Option<Tiers>,
    ) -> Self {
        let options = Options {
            map_size: 16 << 20,
            ..Options::default()
        };
        Self::opened(folder, options, script, capacity, change, tiers)
    }

    /// One whose store lets finished records wait for so long.
    pub(super) fn lingering(linger: Duration, script: Script, change: fn(&mut Settings)) -> Self {
        let options = Options {
            map_size: 16 << 20,
            linger,
            ..Options::default()
        };
        let folder = tempfile::tempdir().unwrap();
        Self::opened(folder, options, script, 2, change, None)
    }

    fn opened(
        folder: tempfile::TempDir,
        options: Options,
        script: Script,
        capacity: usize,
        change: fn(&mut Settings),
        tiers: Option<Tiers>,
    ) -> Self {
        let executor: Executor = Arc::new(smol::Executor::new());
        let engine = Arc::new(Scripted {
            script,
            started: AtomicUsize::new(0),
            removed: Arc::default(),
            specs: Mutex::default(),
            sinks: Mutex::default(),
        });
        let store = Store::open(folder.path(), options).unwrap();
        let pool = Driver::new(
            executor.clone(),
            pool::Settings {
                capacity,
                queue_length: 10,
                memory: 10 * 512,
                ..pool::Settings::default()
            },
        );
        let mut settings = Settings {
            live: Current::new(Live {
                longest_wait: Duration::from_secs(10),
                boot_timeout: Duration::from_secs(10),
                pool_memory: 1024,
                auto_pull: false,
            }),
            max_response: 1 << 20,
            actions: crate::entity::ActionRanges::default(),
            sequence_length: 4,
            component_grace: Duration::from_secs(10),
            durable_answers: false,
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
                manifest: Current::new(Arc::new(Manifest::built_in())),
                throttles: Arc::new(Throttles::default()),
                builtins: Arc::new(Services::new(store.clone(), None, "http://127.0.0.1:3000")),
                tiers,
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
    pub(super) fn restarted(self, script: Script) -> Self {
        Self::in_folder(self.cut_off(), script, 2)
    }

    /// Ends as [`Bench::restarted`] does, and gives the store.
    pub(super) fn cut_off(self) -> tempfile::TempDir {
        self.store.close();
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }

    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(future))
    }

    pub(super) fn call(&self, name: &str, wait: Option<Duration>) -> Call {
        let identity = self.store.key_of_namespace("guest").unwrap().unwrap();
        Call {
            identity,
            action: Arc::new(action(name)),
            binding: None,
            payload: Some(RawValue::from_string(r#"{"n":1.50}"#.into()).unwrap()),
            transaction_id: "tid".into(),
            wait,
            via: None,
            held: None,
            sent: Sent::default(),
        }
    }

    pub(super) fn code(&self, name: &str) {
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

    pub(super) fn finished(&self, call: Call) -> Arc<Activation> {
        match self.run(self.invoker.invoke(call)) {
            Ok(Outcome::Finished(activation)) => activation,
            Ok(Outcome::Accepted(id)) => panic!("{id} was accepted only"),
            Ok(Outcome::Refused(id, refusal)) => panic!("{id}: {refusal}"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for the stored record.
    pub(super) fn record(&self, id: ActivationId) -> serde_json::Value {
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

pub(super) fn action(name: &str) -> Action {
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

pub(super) fn echo(body: &str) -> (u16, String, Duration) {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    (200, body["value"].to_string(), Duration::ZERO)
}

pub(super) const WAIT: Option<Duration> = Some(Duration::from_secs(30));
