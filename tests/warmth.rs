//! What is known of calls against a fixed idle time, on the traces of `cargo bench --bench warmth`.

#[path = "../benches/warmth/play.rs"]
mod play;
#[path = "../benches/warmth/trace.rs"]
mod trace;

use play::{Outcome, Policy, play};

fn cold_share(outcome: &Outcome) -> f64 {
    outcome.cold as f64 / outcome.calls as f64
}

/// How often calls are cold, and what memory idles: each as a part of what a fixed time gives.
fn compared(name: &str) -> (f64, f64) {
    let traces = trace::all(1);
    let trace = traces.iter().find(|trace| trace.name == name);
    let trace = trace.expect("there is such a trace");
    let (fixed, warmth) = (play(trace, &Policy::Fixed), play(trace, &Policy::Warmth));
    assert_eq!(fixed.calls, trace.calls.len() as u64);
    assert_eq!(warmth.calls, fixed.calls);
    let cold = cold_share(&warmth) / cold_share(&fixed);
    let idle = warmth.idle_mb_seconds / fixed.idle_mb_seconds;
    println!("{name}: {cold:.3} of the cold starts, {idle:.3} of the idle memory");
    (cold, idle)
}

#[test]
fn popular_actions_are_kept_where_not_all_can_be() {
    let (cold, idle) = compared("Zipf, 20 actions");
    assert!(cold < 0.9 && idle < 1.0);
    // As much memory is in use, but by those that are called again.
    let (cold, idle) = compared("by day");
    assert!(cold < 0.95 && idle < 1.01);
}

#[test]
fn timers_find_their_sandboxes() {
    let (cold, idle) = compared("timers");
    assert!(cold < 0.2 && idle < 0.95);
}

#[test]
fn bursts_leave_less_behind() {
    let (cold, idle) = compared("bursts, hours apart");
    assert!(cold < 1.02 && idle < 0.6);
    // Some come back within the time that a fixed policy would have waited.
    let (cold, idle) = compared("bursts, at random");
    assert!(cold < 1.1 && idle < 0.7);
}

#[test]
fn all_of_them_together() {
    let (cold, idle) = compared("all of them");
    assert!(cold < 0.75 && idle < 1.0);
}
