//! A thousand gateways and one master, in a simulation of probing and replay with a clock of its
//! own (`benches/reconnect/`).

#[path = "../benches/reconnect/gateway.rs"]
mod gateway;
#[path = "../benches/reconnect/master.rs"]
mod master;
#[path = "../benches/reconnect/plot.rs"]
mod plot;
#[path = "../benches/reconnect/simulation.rs"]
mod simulation;

use std::time::Duration;

use simulation::{Manners, SEED, Scenario, simulate};

#[test]
fn the_master_is_not_overrun_by_those_who_come_back() {
    let scenario = Scenario::thousand();
    for seed in [SEED, 2, 3] {
        let seen = simulate(&scenario, Manners::Paced, seed);
        assert_eq!(seen.refused, 0, "seed {seed}");
        let most = seen.peak_away(&scenario);
        assert!(
            most < scenario.capacity / 2,
            "seed {seed}: {most} requests in a second to a master that is away"
        );
        let most = seen.peak_back(&scenario);
        assert!(
            most < scenario.capacity * 6 / 5,
            "seed {seed}: {most} requests in a second"
        );
        let longest = seen.longest_wait();
        assert!(
            longest < Duration::from_millis(1500),
            "seed {seed}: {longest:?}"
        );
        // Still all that was kept arrives, within two thirds of the time that the master was away.
        let settled = seen.settled.expect("all has arrived") - scenario.back;
        assert!(
            settled < (scenario.back - scenario.lost) * 2 / 3,
            "seed {seed}: {settled:?}"
        );
    }
}

#[test]
fn those_who_do_not_pace_themselves_make_everybody_wait() {
    // Else the simulation would show nothing.
    let scenario = Scenario::thousand();
    let [eager, paced] = [Manners::Eager, Manners::Paced]
        .map(|manners| simulate(&scenario, manners, SEED).longest_wait());
    assert!(eager > 2 * paced, "{eager:?} against {paced:?}");
}

#[test]
fn the_plot_is_of_this_code() {
    let scenario = Scenario::thousand();
    let [eager, paced] =
        [Manners::Eager, Manners::Paced].map(|manners| simulate(&scenario, manners, SEED));
    let drawn = plot::page(&scenario, &eager, &paced);
    let published = include_str!("../docs/reconnect.svg");
    assert!(
        drawn == published,
        "renew it: cargo bench --bench reconnect"
    );
}
