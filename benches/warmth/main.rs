//! Which sandboxes stay warm: what is known of the calls against a fixed idle time, on made-up
//! traces.
//!
//! `cargo bench --bench warmth [SEED]` prints a table. Nothing is timed: the same seed gives the
//! same figures on every machine.

mod play;
mod trace;

use play::{Outcome, Policy, play};

fn main() {
    // Cargo adds arguments of its own, which begin with dashes.
    let seed = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let seed = seed.map_or(1, |seed| seed.parse().expect("the seed is a number"));
    println!(
        "| calls (seed {seed}) | policy | cold | wait for cold starts a call | starts | idle |"
    );
    println!("|---|---|---|---|---|---|");
    for trace in trace::all(seed) {
        for (name, policy) in [("fixed", Policy::Fixed), ("warmth", Policy::Warmth)] {
            row(trace.name, name, &play(&trace, &policy), trace.length);
        }
    }
}

fn row(trace: &str, policy: &str, outcome: &Outcome, length: u64) {
    let share = 100.0 * outcome.cold as f64 / outcome.calls as f64;
    let wait = outcome.waited as f64 / outcome.calls as f64;
    let mb = outcome.idle_mb_seconds / (length as f64 / 1000.0);
    println!(
        "| {trace}, {} | {policy} | {share:.2} % | {wait:.1} ms | {} | {:.1} M MB·s, {mb:.0} MB on average |",
        outcome.calls,
        outcome.starts,
        outcome.idle_mb_seconds / 1e6
    );
}
