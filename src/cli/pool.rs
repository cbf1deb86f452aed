//! The bounds of the pool on this machine.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::config::Config;
use crate::pool::driver::Watch;
use crate::pool::pressure::{Gauge, machine_memory};
use crate::pool::{Settings, Watermarks};

/// How long a warm sandbox goes on with requests of its own action while others wait.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long requests may be passed over that need more room than is left.
const AGING: Duration = Duration::from_secs(5);

/// MB for sandboxes on a machine that does not tell how much memory it has.
const UNKNOWN_MEMORY: u64 = 384;

/// What the settings of the daemon mean on this machine.
pub(super) fn settings(config: &Config) -> Settings {
    let pool = &config.pool;
    let preemption = &pool.preemption;
    let memory = pool.memory.unwrap_or_else(three_quarters);
    Settings {
        capacity: pool.capacity,
        memory,
        queue_length: config.queue_length,
        patience: PATIENCE,
        aging: AGING,
        idle: preemption.idle,
        idle_memory: pool.idle_memory.unwrap_or(memory),
        freeze_after: pool.freeze_after,
        watermarks: preemption
            .enabled
            .then(|| Watermarks::new(preemption.period, preemption.high, preemption.low)),
        starts: pool.starts.unwrap_or_else(|| {
            let cores = available_parallelism();
            cores.map_or(1, NonZero::get)
        }),
    }
}

/// What watches the memory of this machine.
pub(super) fn watch(config: &Config) -> Watch {
    Watch::new(floor(config), Gauge::of_this_machine())
}

/// Bytes that are to stay available on this machine.
pub(super) fn floor(config: &Config) -> u64 {
    let floor = config.pool.memory_floor.map(|megabytes| megabytes << 20);
    floor.unwrap_or_else(|| Gauge::of_this_machine().usual_floor())
}

/// MB that are three quarters of the machine's memory. A limit of the daemon's own control group
/// says nothing about containers, which are not in it.
fn three_quarters() -> u64 {
    machine_memory().map_or(UNKNOWN_MEMORY, |bytes| (bytes >> 20) * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells() {
        assert!(three_quarters() > 0);
    }
}
