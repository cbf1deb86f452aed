//! What a sandbox prints, cut into activations at the sentinels (reference section 7.7).

mod buffer;
mod stamp;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use futures_lite::FutureExt;
use smol::Timer;

use buffer::{Buffer, entry};

/// The line that runtimes print once on each stream after each run.
pub const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// Last entry when the sentinels did not come.
const COLLECTING_FAILED: &str =
    "There was an issue while collecting your logs. Data might be missing.";

/// Last entry of an activation that ended as a developer error.
const DEVELOPER_ERROR: &str =
    "The action did not initialize or run as expected. Log data might be missing.";

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
    /// The limit was reached, or the sentinels did not come: the sandbox must go.
    pub incomplete: bool,
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

/// Collects what one sandbox prints. Memory is bounded by the limit of the running activation:
/// outside of `begin` … `collect` nothing is kept. Clones share one collection.
#[derive(Clone)]
pub struct LogSink {
    state: Arc<Mutex<State>>,
}

struct State {
    buffer: Buffer,
    /// Nothing more will come.
    closed: bool,
    /// When something came last.
    activity: Instant,
    collector: Option<Waker>,
}

impl Default for LogSink {
    fn default() -> Self {
        LogSink {
            state: Arc::new(Mutex::new(State {
                buffer: Buffer::default(),
                closed: false,
                activity: Instant::now(),
                collector: None,
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
        state.buffer.push(stream, bytes, now);
        state.activity = Instant::now();
        state.wake_collector();
    }

    /// Called by the engine when no more will come.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wake_collector();
    }

    /// Starts an activation: forgets what is left over, and keeps at most `limit` bytes from now
    /// on. A limit of 0 keeps nothing.
    ///
    /// The bytes counted are those of the entries, with their timestamps.
    pub fn begin(&self, limit: u64) {
        self.lock().buffer = Buffer::new(limit);
    }

    /// Ends an activation. With `wait`, waits for both sentinels as section 7.7 says; else takes
    /// what is there, and what was on its way: until nothing came for 20 ms, at most 200 ms.
    ///
    /// For failed runs and images without sentinels there must not be a `wait`.
    pub async fn collect(&self, wait: bool) -> Logs {
        let limit = self.lock().buffer.limit();
        if limit == 0 {
            return Logs::default();
        }
        self.collect_within(Patience::of(wait, limit), wait).await
    }

    async fn collect_within(&self, patience: Patience, sentinels: bool) -> Logs {
        let started = Instant::now();
        while !self.lock().finished() {
            let deadline = patience.deadline(started, self.lock().activity);
            if deadline <= Instant::now() {
                break;
            }
            let timeout = async {
                Timer::at(deadline).await;
            };
            self.wait_until_finished().or(timeout).await;
        }

        let now = SystemTime::now();
        let mut state = self.lock();
        let (limit, truncated) = (state.buffer.limit(), state.buffer.truncated());
        let failed = sentinels && !truncated && !state.buffer.ended();
        let mut logs = Logs {
            lines: state.buffer.take(now),
            incomplete: truncated || failed,
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
        logs
    }

    async fn wait_until_finished(&self) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.finished() {
                return Poll::Ready(());
            }
            state.collector = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves at worst a line missing: go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether waiting longer changes nothing.
    fn finished(&self) -> bool {
        self.closed || self.buffer.truncated() || self.buffer.ended()
    }

    fn wake_collector(&mut self) {
        if self.finished()
            && let Some(waker) = self.collector.take()
        {
            waker.wake();
        }
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
mod tests {
    use super::Stream::{Stderr, Stdout};
    use super::*;
    use smol::block_on;

    const MB: u64 = 1 << 20;

    fn say(sink: &LogSink, stream: Stream, text: &str) {
        sink.push(stream, text.as_bytes(), SystemTime::now());
    }

    fn end(sink: &LogSink) {
        say(sink, Stdout, &format!("{SENTINEL}\n"));
        say(sink, Stderr, &format!("{SENTINEL}\n"));
    }

    /// Entries without their timestamps.
    fn texts(logs: &Logs) -> Vec<&str> {
        logs.lines.iter().map(|line| &line[31..]).collect()
    }

    #[test]
    fn each_activation_gets_its_own_lines() {
        let sink = LogSink::new();
        say(&sink, Stdout, "printed at boot\n");
        sink.begin(MB);
        say(&sink, Stdout, "one\n");
        end(&sink);
        let logs = block_on(sink.collect(true));
        assert_eq!(texts(&logs), ["stdout: one"]);
        assert!(!logs.incomplete);

        say(&sink, Stdout, "late line of the first\nand a part");
        sink.begin(MB);
        say(&sink, Stderr, "two\n");
        end(&sink);
        let logs = block_on(sink.collect(true));
        assert_eq!(texts(&logs), ["stderr: two"]);
    }

    #[test]
    fn collecting_waits_for_both_sentinels() {
        let sink = LogSink::new();
        sink.begin(MB);
        say(&sink, Stdout, &format!("{SENTINEL}\n"));
        let other = sink.clone();
        let printer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            say(&other, Stderr, "late\n");
            std::thread::sleep(Duration::from_millis(50));
            say(&other, Stderr, &format!("{SENTINEL}\n"));
        });
        let logs = block_on(sink.collect(true));
        printer.join().unwrap();
        assert_eq!(texts(&logs), ["stderr: late"]);
        assert!(!logs.incomplete);
    }

    #[test]
    fn missing_sentinels_are_told() {
        let patience = Patience {
            idle: Duration::from_millis(10),
            overall: Duration::from_secs(60),
        };
        let sink = LogSink::new();
        sink.begin(MB);
        say(&sink, Stdout, "one\n");
        let logs = block_on(sink.collect_within(patience, true));
        assert!(logs.incomplete);
        assert_eq!(
            texts(&logs),
            [
                "stdout: one",
                "stderr: There was an issue while collecting your logs. Data might be missing."
            ]
        );
    }

    #[test]
    fn the_end_of_the_sandbox_ends_the_wait() {
        let sink = LogSink::new();
        sink.begin(MB);
        let other = sink.clone();
        let printer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            say(&other, Stdout, "last words");
            other.close();
        });
        let started = Instant::now();
        let logs = block_on(sink.collect(true));
        printer.join().unwrap();
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(logs.incomplete);
        assert_eq!(texts(&logs)[0], "stdout: last words");
    }

    #[test]
    fn without_waiting_nothing_is_missed_or_added() {
        let sink = LogSink::new();
        sink.begin(MB);
        say(&sink, Stdout, "one\n");
        let mut logs = block_on(sink.collect(false));
        assert!(!logs.incomplete);
        assert_eq!(texts(&logs), ["stdout: one"]);
        logs.add_developer_error(SystemTime::now());
        assert_eq!(
            texts(&logs)[1],
            "stderr: The action did not initialize or run as expected. Log data might be missing."
        );
    }

    #[test]
    fn truncated_logs_do_not_wait_for_sentinels() {
        let sink = LogSink::new();
        sink.begin(100);
        say(&sink, Stdout, &"x".repeat(1000));
        let started = Instant::now();
        let logs = block_on(sink.collect(true));
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(logs.incomplete);
        assert_eq!(
            texts(&logs)[1],
            "stderr: Logs were truncated because the total bytes size exceeds the limit of 100 bytes."
        );
    }

    #[test]
    fn no_logs_are_collected_with_a_limit_of_zero() {
        let sink = LogSink::new();
        sink.begin(0);
        say(&sink, Stdout, "one\n");
        let logs = block_on(sink.collect(true));
        assert!(logs.lines.is_empty() && !logs.incomplete);
    }

    #[test]
    fn how_long_collecting_waits() {
        let seconds = Duration::from_secs;
        for (megabytes, overall) in [(1, 10), (5, 10), (10, 20)] {
            let patience = Patience::of(true, megabytes * MB);
            assert_eq!(patience.idle, seconds(2));
            assert_eq!(patience.overall, seconds(overall));
        }
        let started = Instant::now();
        let patience = Patience::of(true, MB);
        assert_eq!(patience.deadline(started, started), started + seconds(2));
        let busy = started + seconds(9);
        assert_eq!(patience.deadline(started, busy), started + seconds(10));
    }
}
