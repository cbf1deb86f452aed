//! The bounds of the pool on this machine.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::config::Config;
use crate::pool::driver::Watch;
use crate::pool::pressure::Gauge;
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
    let gauge = Gauge::of_this_machine();
    let floor = config.pool.memory_floor.map(|megabytes| megabytes << 20);
    Watch::new(floor.unwrap_or_else(|| gauge.usual_floor()), gauge)
}

/// MB that are three quarters of the machine's memory. A limit of the daemon's own control group
/// says nothing about containers, which are not in it.
fn three_quarters() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    memory(&text).map_or(UNKNOWN_MEMORY, |machine| machine * 3 / 4)
}

/// MB of memory that `/proc/meminfo` tells of.
fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells() {
        let text = "MemTotal:         506004 kB\nMemFree:           86000 kB\n";
        assert_eq!(memory(text), Some(494));
        assert_eq!(memory("MemFree: 1 kB\n"), None);
        assert_eq!(memory("MemTotal: many kB\n"), None);
        assert!(three_quarters() > 0);
    }
}
