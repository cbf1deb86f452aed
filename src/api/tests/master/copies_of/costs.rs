//! What a warm call costs because there is a master.

use std::time::Instant;

use super::*;

const CALLS: u32 = 100_000;

/// To be run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "it measures, and expects nothing"]
fn of_a_warm_call() {
    let world = World::new();
    world.cloud.api.create("a");
    let measured = |gateway: &Gateway, what: &str| {
        let began = Instant::now();
        for _ in 0..CALLS {
            let ensured = gateway
                .copies
                .ensure_action(&world.guest, "guest", None, "a", Need::Run);
            smol::block_on(ensured).unwrap();
        }
        println!(
            "{what}: {} ns",
            began.elapsed().as_nanos() / u128::from(CALLS)
        );
    };
    let fresh = world.gateway(FRESH);
    fresh.to_run(&world.guest, "guest/a").unwrap();
    measured(&fresh, "the master answers, the copy is fresh");
    world.cloud.set(Way::Cut);
    fresh.to_run(&world.guest, "guest/none").unwrap_err();
    measured(&fresh, "the master is away, the copy is fresh");
    let old = world.gateway(NEVER_FRESH);
    old.to_run(&world.guest, "guest/a").unwrap();
    measured(&old, "the master is away, the copy is old");
    let path = String::from("guest/a");
    let began = Instant::now();
    for _ in 0..CALLS {
        std::hint::black_box(old.catalog.action(&path).unwrap());
    }
    let look = began.elapsed().as_nanos() / u128::from(CALLS);
    println!("beside it, one look into the catalogue: {look} ns");
}
