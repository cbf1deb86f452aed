//! How often a namespace may invoke and fire (reference section 1.13).

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use crate::clock::now;
use crate::entity::{Identity, NamespaceLimits};
use crate::sync::{Current, lock};

/// Why a request has to come again later.
#[derive(Debug, PartialEq, Eq)]
pub enum Throttled {
    /// Too many in this minute.
    Rate {
        /// Requests in this minute, this one included.
        count: u32,
        /// How many there may be.
        allowed: u32,
    },
    /// Too many at once.
    Concurrent {
        /// Activations in flight.
        count: usize,
        /// How many there may be.
        allowed: u32,
    },
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { count, allowed } => write!(
                f,
                "Too many requests in the last minute (count: {count}, allowed: {allowed})."
            ),
            Self::Concurrent { count, allowed } => write!(
                f,
                "Too many concurrent requests in flight (count: {count}, allowed: {allowed})."
            ),
        }
    }
}

/// What a namespace may do that has no limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Invocations in a minute.
    pub invocations_per_minute: u32,
    /// Invocations in flight.
    pub concurrent_invocations: u32,
    /// Trigger fires in a minute.
    pub fires_per_minute: u32,
}

impl Default for Rates {
    /// Those of OpenWhisk's standalone server (reference section 10).
    fn default() -> Self {
        Rates {
            invocations_per_minute: 60,
            concurrent_invocations: 30,
            fires_per_minute: 60,
        }
    }
}

impl Rates {
    /// Those of a namespace that has limits of its own.
    pub fn of(&self, limits: &NamespaceLimits) -> Rates {
        let set = limits.invocations_per_minute;
        let invocations_per_minute = set.unwrap_or(self.invocations_per_minute);
        let set = limits.concurrent_invocations;
        let concurrent_invocations = set.unwrap_or(self.concurrent_invocations);
        Rates {
            invocations_per_minute,
            concurrent_invocations,
            fires_per_minute: limits.fires_per_minute.unwrap_or(self.fires_per_minute),
        }
    }
}

/// Counts what each namespace does, for everything that lets something in.
#[derive(Debug, Default)]
pub struct Throttles {
    rates: Current<Rates>,
    invocations: Mutex<RateThrottle>,
    fires: Mutex<RateThrottle>,
}

impl Throttles {
    /// Throttles with these rates, which may be changed.
    pub fn new(rates: Current<Rates>) -> Self {
        Throttles {
            rates,
            ..Throttles::default()
        }
    }

    /// The rates that hold now.
    pub fn rates(&self) -> Rates {
        self.rates.get()
    }

    /// Counts an invocation of a caller that has `in_flight` activations queued or running.
    ///
    /// # Errors
    /// It has to come later; refused ones count, too.
    pub fn invocation(&self, identity: &Identity, in_flight: usize) -> Result<(), Throttled> {
        let rates = self.rates().of(&identity.limits);
        count(&self.invocations, identity, rates.invocations_per_minute)?;
        concurrent(in_flight, rates.concurrent_invocations)
    }

    /// Counts a trigger that a caller fires.
    ///
    /// # Errors
    /// As [`Throttles::invocation`].
    pub fn fire(&self, identity: &Identity) -> Result<(), Throttled> {
        let rates = self.rates().of(&identity.limits);
        count(&self.fires, identity, rates.fires_per_minute)
    }
}

fn count(
    throttle: &Mutex<RateThrottle>,
    identity: &Identity,
    allowed: u32,
) -> Result<(), Throttled> {
    let mut throttle = lock(throttle);
    throttle.count(&identity.uuid, allowed, now())
}

/// Counts requests of each namespace in each minute of the clock. Memory is bounded by the number
/// of namespaces that are known.
#[derive(Debug, Default)]
struct RateThrottle {
    minute: u64,
    counts: HashMap<String, u32>,
}

impl RateThrottle {
    /// Counts a request; refused ones count, too. `now` is in milliseconds since 1970.
    fn count(&mut self, uuid: &str, allowed: u32, now: u64) -> Result<(), Throttled> {
        let minute = now / 60_000;
        if minute != self.minute {
            self.minute = minute;
            self.counts.clear();
        }
        let count = match self.counts.get_mut(uuid) {
            Some(count) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                self.counts.insert(uuid.into(), 1);
                1
            }
        };
        if count > allowed {
            return Err(Throttled::Rate { count, allowed });
        }
        Ok(())
    }
}

/// Checks how many are in flight before one more.
fn concurrent(count: usize, allowed: u32) -> Result<(), Throttled> {
    if count >= allowed as usize {
        return Err(Throttled::Concurrent { count, allowed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_by_minute_and_namespace() {
        // 11.7-200
        let mut throttle = RateThrottle::default();
        let start = 60_000 * 1000;
        for _ in 0..2 {
            assert_eq!(throttle.count("a", 2, start + 1), Ok(()));
        }
        let refused = throttle.count("a", 2, start + 59_999).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Too many requests in the last minute (count: 3, allowed: 2)."
        );
        assert_eq!(throttle.count("b", 2, start + 59_999), Ok(()));
        assert_eq!(throttle.count("a", 2, start + 60_000), Ok(()));
        assert!(throttle.count("c", 0, start).is_err());
    }

    #[test]
    fn concurrency() {
        assert_eq!(concurrent(29, 30), Ok(()));
        assert_eq!(
            concurrent(30, 30).unwrap_err().to_string(),
            "Too many concurrent requests in flight (count: 30, allowed: 30)."
        );
        assert!(concurrent(0, 0).is_err());
    }
}
