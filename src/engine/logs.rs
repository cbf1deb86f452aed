//! What a sandbox prints, cut into activations at the sentinels (reference section 7.7).

mod buffer;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use futures_lite::FutureExt;
use hyper::header::{HeaderName, HeaderValue};

use crate::deadline;
use crate::sync::lock;
use buffer::{Buffer, entry};

/// The line that runtimes print once on each stream after each run.
pub const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// Header of a request to `/run`: the log need not end with sentinels if nothing was printed. Header
/// of its answer: nothing was, and none will come. What has been printed on the way through an engine
/// costs more than a short run itself; proxies that do not know the header print their sentinels.
pub const EMPTY_LOG: HeaderName = HeaderName::from_static("x-owl-empty-log");

/// The value of [`EMPTY_LOG`].
pub const UNMARKED: HeaderValue = HeaderValue::from_static("unmarked");

/// Last entry when the sentinels did not come.
const COLLECTING_FAILED: &str =
    "There was an issue while collecting your logs. Data might be missing.";

/// Last entry of an activation that ended as a developer error.
const DEVELOPER_ERROR: &str =
    "The action did not initialize or run as expected. Log data might be missing.";

/// Last entry where the lines of several activations could not be told apart.
const MIXED: &str = "Lines of other activations that ran in the same container at the same time may be among these.";

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The log lines of one activation.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// Lines in OpenWhisk's form: `<timestamp padded to 30> stdout: <line>`.
    pub lines: Vec<String>,
    /// The limit was reached, or the sentinels did not come: the sandbox must go, unless they were
    /// only [`Logs::broken_off`].
    pub incomplete: bool,
    /// What it prints could not be read any further. That is no fault of a sandbox that still runs:
    /// it stays, and its next activations say that their logs may be missing.
    pub broken_off: bool,
}

impl Logs {
    /// Adds the entry that comes last in the logs of every developer error.
    pub fn add_developer_error(&mut self, now: SystemTime) {
        self.add(DEVELOPER_ERROR, now);
    }

    fn add(&mut self, text: &str, now: SystemTime) {
        self.lines.push(entry(Stream::Stderr, text, now));
    }
}

/// Collects what one sandbox prints, in one section for each activation. Memory is bounded by the
/// limits of the sections: outside of them nothing is kept. Clones share one collection.
///
/// A section ends at its sentinels, so the next activation may begin before the logs of the last
/// one are collected: on each stream, lines go to the oldest section that has not ended there.
///
/// Where several activations run at the same time nothing tells whose a line is (reference section
/// 7.7): it goes to each of them.
#[derive(Clone)]
pub struct LogSink {
    state: Arc<Mutex<State>>,
}

struct State {
    sections: VecDeque<Open>,
    next: u64,
    /// Nothing more will come.
    closed: bool,
    /// When something came last.
    activity: Instant,
}

/// A section that lines go to.
struct Open {
    number: u64,
    buffer: Buffer,
    collector: Option<Waker>,
    /// Nobody wants its lines: it is kept only until its sentinels come.
    abandoned: bool,
    /// Whether others may run at the same time; sentinels have no meaning then.
    shared: bool,
    /// Whether others did.
    mixed: bool,
}

/// What one activation prints. Dropping it without collecting gives its lines up.
#[must_use = "lines are kept for a section only while it lives"]
pub struct Section {
    sink: LogSink,
    number: u64,
}

impl Default for LogSink {
    fn default() -> Self {
        LogSink {
            state: Arc::new(Mutex::new(State {
                sections: VecDeque::new(),
                next: 0,
                closed: false,
                activity: Instant::now(),
            })),
        }
    }
}

impl LogSink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// Called by the engine for each chunk that arrives; chunks may end within a line. Lines are
    /// stamped with the time at which their end came.
    pub fn push(&self, stream: Stream, bytes: &[u8], now: SystemTime) {
        let mut state = self.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if state.sections.front().is_some_and(|open| open.shared) {
                for open in &mut state.sections {
                    open.buffer.push(stream, piece, now);
                }
                continue;
            }
            let open = |open: &Open| !open.buffer.has_ended(stream);
            // A line after the last sentinel belongs to the last section.
            let last = state.sections.len().checked_sub(1);
            let Some(index) = state.sections.iter().position(open).or(last) else {
                break;
            };
            let section = &mut state.sections[index];
            section.buffer.push(stream, piece, now);
            if section.abandoned && section.buffer.ended() {
                state.sections.remove(index);
            }
        }
        state.activity = Instant::now();
        state.wake_collectors();
    }

    /// Called by the engine when no more will come.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wake_collectors();
    }

    /// Starts an activation: at most `limit` bytes are kept of what it prints. A limit of 0 keeps
    /// nothing.
    ///
    /// The bytes counted are those of the entries, with their timestamps.
    pub fn begin(&self, limit: u64) -> Section {
        self.open(limit, false)
    }

    /// The same for an activation that may run at the same time as others of this sandbox, all of
    /// which begin in this way. It gets what is printed until it is collected, with a last entry
    /// that says so if it was not alone.
    pub fn begin_shared(&self, limit: u64) -> Section {
        self.open(limit, true)
    }

    fn open(&self, limit: u64, shared: bool) -> Section {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let mixed = shared && !state.sections.is_empty();
        if mixed {
            state.sections.iter_mut().for_each(|open| open.mixed = true);
        }
        state.sections.push_back(Open {
            number,
            buffer: Buffer::new(limit),
            collector: None,
            abandoned: false,
            shared,
            mixed,
        });
        Section {
            sink: self.clone(),
            number,
        }
    }

    /// Activations whose sentinels have not come or whose lines are not collected.
    pub fn open_sections(&self) -> usize {
        self.lock().sections.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Section {
    /// Ends an activation. With `wait`, waits for both sentinels as section 7.7 says; else takes
    /// what is there, and what was on its way: until nothing came for 20 ms, at most 200 ms.
    ///
    /// For failed runs and images without sentinels there must not be a `wait`.
    pub async fn collect(self, wait: bool) -> Logs {
        let limit = self.limit();
        if limit == 0 {
            return Logs::default();
        }
        self.collect_within(Patience::of(wait, limit), wait).await
    }

    async fn collect_within(self, patience: Patience, sentinels: bool) -> Logs {
        let started = Instant::now();
        while !self.finished() {
            let deadline = patience.deadline(started, self.sink.lock().activity);
            if deadline <= Instant::now() {
                break;
            }
            let finished = self.wait_until_finished();
            finished.or(deadline::at(deadline)).await;
        }
        self.take(sentinels, SystemTime::now())
    }

    /// What came so far, with what is to be told of it.
    fn take(&self, sentinels: bool, now: SystemTime) -> Logs {
        let mut state = self.sink.lock();
        let closed = state.closed;
        let Some(open) = state.section(self.number) else {
            return Logs::default();
        };
        let limit = open.buffer.limit();
        let (truncated, ended) = (open.buffer.truncated(), open.buffer.ended());
        let mixed = open.mixed;
        // One whose sentinels are still to come keeps its place, so that what comes before them
        // does not go to the next.
        let rest = open.buffer.rest();
        let buffer = std::mem::replace(&mut open.buffer, rest);
        open.abandoned = true;
        if ended || !sentinels {
            state.remove(self.number);
        }
        drop(state);
        let failed = sentinels && !truncated && !ended;
        let mut logs = Logs {
            lines: buffer.take(now),
            incomplete: truncated || failed,
            broken_off: failed && closed,
        };
        if truncated {
            logs.add(
                &format!(
                    "Logs were truncated because the total bytes size exceeds the limit of {limit} bytes."
                ),
                now,
            );
        } else if failed {
            logs.add(COLLECTING_FAILED, now);
        }
        if mixed && !logs.lines.is_empty() {
            logs.add(MIXED, now);
        }
        logs
    }

    /// The sandbox has said that nothing was printed, and that no sentinels will come.
    pub fn end_unmarked(&self) {
        if let Some(open) = self.sink.lock().section(self.number) {
            open.buffer.end();
        }
    }

    fn limit(&self) -> u64 {
        let mut state = self.sink.lock();
        state
            .section(self.number)
            .map_or(0, |open| open.buffer.limit())
    }

    /// Whether waiting longer changes nothing.
    fn finished(&self) -> bool {
        let mut state = self.sink.lock();
        let closed = state.closed;
        state
            .section(self.number)
            .is_none_or(|open| open.finished(closed))
    }

    async fn wait_until_finished(&self) {
        poll_fn(|context| {
            let mut state = self.sink.lock();
            let closed = state.closed;
            match state.section(self.number) {
                Some(open) if !open.finished(closed) => {
                    open.collector = Some(context.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
        .await;
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        let mut state = self.sink.lock();
        if let Some(open) = state.section(self.number) {
            open.abandoned = true;
            open.buffer = open.buffer.rest();
            if open.buffer.ended() || open.shared {
                state.remove(self.number);
            }
        }
    }
}

impl State {
    fn section(&mut self, number: u64) -> Option<&mut Open> {
        self.sections.iter_mut().find(|open| open.number == number)
    }

    fn remove(&mut self, number: u64) {
        self.sections.retain(|open| open.number != number);
    }

    fn wake_collectors(&mut self) {
        let closed = self.closed;
        for open in &mut self.sections {
            if open.finished(closed)
                && let Some(waker) = open.collector.take()
            {
                waker.wake();
            }
        }
    }
}

impl Open {
    /// Whether waiting longer changes nothing.
    fn finished(&self, closed: bool) -> bool {
        closed || self.buffer.truncated() || self.buffer.ended() && !self.shared
    }
}

/// How long a collector waits.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Patience {
    /// After the latest chunk.
    idle: Duration,
    /// In all.
    overall: Duration,
}

impl Patience {
    fn of(wait: bool, limit: u64) -> Self {
        if wait {
            let megabytes = limit.div_ceil(1 << 20).min(u64::from(u32::MAX));
            Patience {
                idle: Duration::from_secs(2),
                overall: Duration::from_secs(2 * megabytes.max(5)),
            }
        } else {
            // An answer may overtake the lines that were printed before it.
            Patience {
                idle: Duration::from_millis(20),
                overall: Duration::from_millis(200),
            }
        }
    }

    fn deadline(self, started: Instant, activity: Instant) -> Instant {
        (started.max(activity) + self.idle).min(started + self.overall)
    }
}

#[cfg(test)]
mod tests;
