//! A thousand gateways that lose their master for ten minutes and find it again: prints how it
//! goes, and draws it.
//!
//! `cargo bench --bench reconnect` renews `docs/reconnect.svg`. Nothing is measured: the clock is
//! the simulation's own, and each run gives the same.

mod gateway;
mod master;
mod plot;
mod simulation;

use simulation::{Manners, Scenario, Seen, simulate};

fn main() {
    let scenario = Scenario::thousand();
    let [eager, paced] = [Manners::Eager, Manners::Paced].map(|manners| {
        let seen = simulate(&scenario, manners, simulation::SEED);
        tell(manners, &scenario, &seen);
        seen
    });
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reconnect.svg");
    std::fs::write(file, plot::page(&scenario, &eager, &paced)).expect("the plot is written");
    println!("drawn in {file}");
}

fn tell(manners: Manners, scenario: &Scenario, seen: &Seen) {
    let settled = seen
        .settled
        .map(|settled| settled.saturating_sub(scenario.back));
    println!("{manners:?}");
    println!(
        "{:>10} requests/s at most while the master is away",
        seen.peak_away(scenario)
    );
    println!(
        "{:>10} requests/s at most when it is back",
        seen.peak_back(scenario)
    );
    println!("{:>10.1?} longest wait for an answer", seen.longest_wait());
    println!("{:>10} requests refused", seen.refused);
    println!("{settled:>10.0?} until all that was kept had arrived");
}
