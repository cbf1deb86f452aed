//! Settings of the pool of sandboxes.

use std::time::Duration;

use super::{ConfigError, Reader};

/// How many sandboxes there may be, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Sandboxes at the same time.
    pub capacity: usize,
    /// MB that their memory limits may come to; none: three quarters of the machine's memory.
    pub memory: Option<u64>,
    /// Sandboxes that are started at the same time; none: as many as there are cores.
    pub starts: Option<usize>,
    /// Time after which an idle sandbox is frozen; none: never.
    pub freeze_after: Option<Duration>,
    /// Recycling of idle sandboxes.
    pub preemption: Preemption,
    /// MB that the memory limits of idle ones may come to; none: as much as all of them may.
    pub idle_memory: Option<u64>,
    /// MB that stay available on the machine; none: a small part of its memory.
    pub memory_floor: Option<u64>,
}

/// Recycling of idle sandboxes.
#[derive(Clone, Copy, Debug)]
pub struct Preemption {
    /// Whether the watermarks are in force.
    pub enabled: bool,
    /// Time between two checks.
    pub period: Duration,
    /// Fraction of the capacity above which recycling starts.
    pub high: f64,
    /// Fraction of the capacity below which it stops.
    pub low: f64,
    /// Time after which an idle sandbox goes in any case.
    pub idle: Duration,
}

impl Reader<'_> {
    pub(super) fn pool(&mut self) -> Result<Pool, ConfigError> {
        let capacity = self.number("OWL_HOST_CAPACITY", 0, 10_000)? as usize;
        let memory = self.optional_number("OWL_HOST_MEMORY", 1, 1 << 30)?;
        let starts = self.optional_number("OWL_PARALLEL_STARTS", 1, 10_000)?;
        let freeze_after = self.required(
            "OWL_FREEZE_AFTER",
            "a whole number of seconds, or off",
            |text| match text {
                "off" => Some(None),
                _ => text.parse::<u32>().ok().map(Some),
            },
        )?;
        let preemption = Preemption {
            enabled: self.boolean("OWL_PREEMPTION_ENABLED")?,
            period: self.seconds("OWL_PREEMPTION_PERIOD", 1)?,
            high: self.fraction("OWL_PREEMPTION_HIGH")?,
            low: self.fraction("OWL_PREEMPTION_LOW")?,
            idle: self.seconds("OWL_PREEMPTION_IDLE", 1)?,
        };
        if preemption.low > preemption.high {
            return Err(ConfigError(format!(
                "OWL_PREEMPTION_LOW: {} is above OWL_PREEMPTION_HIGH ({})",
                preemption.low, preemption.high
            )));
        }
        let idle_memory = self.optional_number("OWL_IDLE_MEMORY", 0, 1 << 30)?;
        let memory_floor = self.optional_number("OWL_MEMORY_FLOOR", 0, 1 << 30)?;
        Ok(Pool {
            capacity,
            memory,
            starts: starts.map(|starts| starts as usize),
            freeze_after: freeze_after.map(|seconds| Duration::from_secs(seconds.into())),
            preemption,
            idle_memory,
            memory_floor,
        })
    }

    fn optional_number(
        &mut self,
        name: &'static str,
        min: u64,
        max: u64,
    ) -> Result<Option<u64>, ConfigError> {
        let expected = format!("a whole number from {min} to {max}");
        self.optional(name, &expected, |text| {
            let number = text.parse().ok();
            number.filter(|number| (min..=max).contains(number))
        })
    }
}
