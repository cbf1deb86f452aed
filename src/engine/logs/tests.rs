//! Sections of a log: who gets which line, and how long collecting waits.

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
    let section = sink.begin(MB);
    say(&sink, Stdout, "one\n");
    end(&sink);
    let logs = block_on(section.collect(true));
    assert_eq!(texts(&logs), ["stdout: one"]);
    assert!(!logs.incomplete);

    say(&sink, Stdout, "late line of the first\nand a part");
    let section = sink.begin(MB);
    say(&sink, Stderr, "two\n");
    end(&sink);
    let logs = block_on(section.collect(true));
    assert_eq!(texts(&logs), ["stderr: two"]);
}

#[test]
fn the_next_activation_may_begin_before_the_last_is_collected() {
    let sink = LogSink::new();
    let first = sink.begin(MB);
    say(&sink, Stdout, "one\n");
    say(&sink, Stderr, &format!("err one\n{SENTINEL}\n"));
    let second = sink.begin(MB);
    // The streams come apart: one is still with the first, the other with the second.
    say(&sink, Stderr, "err two\n");
    say(&sink, Stdout, &format!("more one\n{SENTINEL}\ntwo\n"));
    let logs = block_on(first.collect(true));
    assert_eq!(
        texts(&logs),
        ["stdout: one", "stderr: err one", "stdout: more one"]
    );
    end(&sink);
    let logs = block_on(second.collect(true));
    assert_eq!(texts(&logs), ["stderr: err two", "stdout: two"]);
    assert_eq!(sink.open_sections(), 0);
}

#[test]
fn what_nobody_wants_does_not_go_to_the_next() {
    let sink = LogSink::new();
    for limit in [0, 60] {
        let first = sink.begin(limit);
        say(&sink, Stdout, "a line\nanother line\n");
        // Without logs, or with logs that are cut: both are done at once.
        let logs = block_on(first.collect(true));
        assert!(logs.lines.len() <= 2);
        let second = sink.begin(MB);
        say(&sink, Stdout, "still the first\n");
        end(&sink);
        say(&sink, Stdout, "the second\n");
        end(&sink);
        let logs = block_on(second.collect(true));
        assert_eq!(texts(&logs), ["stdout: the second"]);
    }
    drop(sink.begin(MB));
    assert_eq!(sink.open_sections(), 1);
    end(&sink);
    assert_eq!(sink.open_sections(), 0);
}

#[test]
fn collecting_waits_for_both_sentinels() {
    let sink = LogSink::new();
    let section = sink.begin(MB);
    say(&sink, Stdout, &format!("{SENTINEL}\n"));
    let other = sink.clone();
    let printer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        say(&other, Stderr, "late\n");
        std::thread::sleep(Duration::from_millis(50));
        say(&other, Stderr, &format!("{SENTINEL}\n"));
    });
    let logs = block_on(section.collect(true));
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
    let section = sink.begin(MB);
    say(&sink, Stdout, "one\n");
    let logs = block_on(section.collect_within(patience, true));
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
    let section = sink.begin(MB);
    let other = sink.clone();
    let printer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        say(&other, Stdout, "last words");
        other.close();
    });
    let started = Instant::now();
    let logs = block_on(section.collect(true));
    printer.join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(logs.incomplete);
    assert_eq!(texts(&logs)[0], "stdout: last words");
}

#[test]
fn without_waiting_nothing_is_missed_or_added() {
    let sink = LogSink::new();
    let section = sink.begin(MB);
    say(&sink, Stdout, "one\n");
    let mut logs = block_on(section.collect(false));
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
    let section = sink.begin(100);
    say(&sink, Stdout, &"x".repeat(1000));
    let started = Instant::now();
    let logs = block_on(section.collect(true));
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
    let section = sink.begin(0);
    say(&sink, Stdout, "one\n");
    let logs = block_on(section.collect(true));
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

#[test]
fn those_that_run_at_the_same_time_get_each_others_lines_and_are_told() {
    let sink = LogSink::new();
    let alone = sink.begin_shared(MB);
    say(&sink, Stdout, "one\n");
    end(&sink);
    let logs = block_on(alone.collect(false));
    assert_eq!(texts(&logs), ["stdout: one"]);

    let first = sink.begin_shared(MB);
    say(&sink, Stdout, "of the first\n");
    let second = sink.begin_shared(MB);
    say(&sink, Stderr, "of either\n");
    end(&sink);
    say(&sink, Stdout, "after the end of one\n");
    let note = format!("stderr: {MIXED}");
    let logs = block_on(first.collect(false));
    let common = ["stderr: of either", "stdout: after the end of one", &note];
    assert_eq!(texts(&logs)[0], "stdout: of the first");
    assert_eq!(texts(&logs)[1..], common);
    assert!(!logs.incomplete);
    let logs = block_on(second.collect(false));
    assert_eq!(texts(&logs), common);
    assert_eq!(sink.open_sections(), 0);

    // Who has printed nothing has nothing to be told of.
    let pair = [sink.begin_shared(MB), sink.begin_shared(0)];
    for section in pair {
        assert_eq!(block_on(section.collect(false)).lines, [""; 0]);
    }
    assert_eq!(sink.open_sections(), 0);
}

#[test]
fn an_activation_without_marks_does_not_wait_and_takes_nothing_from_others() {
    let sink = LogSink::new();
    let first = sink.begin(MB);
    say(&sink, Stdout, "one\n");
    let silent = sink.begin(MB);
    silent.end_unmarked();
    let started = Instant::now();
    let logs = block_on(silent.collect(true));
    assert!(logs.lines.is_empty() && !logs.incomplete);
    assert!(started.elapsed() < Duration::from_secs(2), "it has waited");
    let third = sink.begin(MB);
    say(&sink, Stdout, "more one\n");
    end(&sink);
    say(&sink, Stdout, "three\n");
    end(&sink);
    let logs = block_on(first.collect(true));
    assert_eq!(texts(&logs), ["stdout: one", "stdout: more one"]);
    assert_eq!(texts(&block_on(third.collect(true))), ["stdout: three"]);
    assert_eq!(sink.open_sections(), 0);
}
