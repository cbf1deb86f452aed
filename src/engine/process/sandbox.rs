//! One child that runs an action.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use smol::future::{or, zip};
use smol::io::{AsyncRead, AsyncReadExt};
use smol::{Async, Timer};

use super::child::Process;
use super::socket::Address;
use crate::engine::logs::{LogSink, Stream};
use crate::engine::{Event, FreezeError, Listener, Sandbox};
use crate::http::client::Wire;
use crate::http::sparing::Sparing;
use crate::{BoxFuture, Executor};

/// How long the end of a child may take to be noticed after its connection broke.
const END_WAIT: Duration = Duration::from_secs(2);

/// How long a child may take to end itself. It takes a millisecond, unless the kernel let it make
/// no PID namespace and its engine is busy in a long native call.
const END_ITSELF: Duration = Duration::from_millis(200);

/// How long a killed child may take to go before a line in the log says so.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// What is read of a log at once, in bytes.
const CHUNK: usize = 8 * 1024;

/// A child of the daemon with an action in it. Dropped without having been removed, it is killed.
pub struct ProcessSandbox {
    id: String,
    address: Address,
    logs: LogSink,
    process: Arc<Process>,
    executor: Executor,
}

impl ProcessSandbox {
    /// Takes over a child whose output is piped. Its end is told to `events`.
    pub fn new(
        executor: &Executor,
        mut process: Process,
        address: Address,
        events: Listener,
    ) -> io::Result<Self> {
        let missing = || io::Error::other("the output of the child is not piped");
        let (stdout, stderr) = process.take_output().ok_or_else(missing)?;
        let (stdout, stderr) = (output(stdout.into())?, output(stderr.into())?);
        let process = Arc::new(process);
        let logs = LogSink::new();
        let sandbox = ProcessSandbox {
            id: process.id().to_string(),
            address,
            logs: logs.clone(),
            process: process.clone(),
            executor: executor.clone(),
        };
        let watch = async move {
            zip(
                pump(stdout, Stream::Stdout, &logs),
                pump(stderr, Stream::Stderr, &logs),
            )
            .await;
            logs.close();
            // Its output ends when it does.
            process.ended().await;
            if !process.was_told_to_end() {
                events.tell(Event::Ended {
                    id: process.id().to_string(),
                    out_of_memory: process.was_killed_for_memory(),
                });
            }
        };
        executor.spawn(watch).detach();
        Ok(sandbox)
    }
}

impl Drop for ProcessSandbox {
    fn drop(&mut self) {
        if !self.process.has_ended() {
            let process = self.process.clone();
            self.executor
                .spawn(async move { end(&process).await })
                .detach();
        }
    }
}

impl Sandbox for ProcessSandbox {
    fn id(&self) -> &str {
        &self.id
    }

    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let stream = self.address.connect().await?;
            Ok(Box::new(Sparing::new(stream)) as Box<dyn Wire>)
        })
    }

    fn logs(&self) -> &LogSink {
        &self.logs
    }

    fn has_exited(&self) -> bool {
        self.process.has_ended()
    }

    fn killed_for_memory(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            wait(&self.process, END_WAIT).await;
            self.process.was_killed_for_memory()
        })
    }

    /// There is nothing to do: between runs QuickJS waits for requests, and `owl runtime` stops the
    /// processes of interpreters itself, which it alone can do without mistaking one for another.
    /// It cannot be stopped as a whole: then it would not see that it is to end.
    fn freeze(&self) -> BoxFuture<'_, Result<(), FreezeError>> {
        Box::pin(async { Err(FreezeError::Unsupported("processes rest by themselves")) })
    }

    fn remove(&self) -> BoxFuture<'_, ()> {
        Box::pin(end(&self.process))
    }
}

/// Ends a child, and waits until it has ended.
async fn end(process: &Process) {
    let id = process.id();
    if let Err(error) = process.terminate() {
        log::warn!("cannot end sandbox {id}: {error}");
    }
    if wait(process, END_ITSELF).await {
        return;
    }
    if let Err(error) = process.kill() {
        log::warn!("cannot kill sandbox {id}: {error}");
    }
    if !wait(process, KILL_WAIT).await {
        log::warn!("sandbox {id} has been killed, but is still there");
    }
}

/// Waits for a child to end. False if it has not by then.
async fn wait(process: &Process, limit: Duration) -> bool {
    let ended = async {
        process.ended().await;
        true
    };
    let late = async {
        Timer::after(limit).await;
        false
    };
    or(ended, late).await
}

/// One end of what a child prints.
fn output(end: OwnedFd) -> io::Result<Sparing<File>> {
    Ok(Sparing::new(Async::new(File::from(end))?))
}

/// Feeds a stream to the sink until it ends. What the sink has no room for is dropped there, so
/// that a child that prints without end is never kept from going on.
async fn pump(mut stream: impl AsyncRead + Unpin, name: Stream, logs: &LogSink) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return,
            Ok(length) => logs.push(name, &buffer[..length], SystemTime::now()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                log::debug!("the log of a sandbox broke off: {error}");
                return;
            }
        }
    }
}
