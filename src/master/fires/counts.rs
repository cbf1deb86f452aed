//! What has become of the fired triggers that were the master's. The numbers are kept in the store,
//! so that a restart does not forget what was given up.

use serde::{Deserialize, Serialize};

use super::record::Cause;
use crate::entity::json;
use crate::metrics::{Kind, Text};

/// Fired triggers since the store was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Those that were stored to be delivered.
    pub stored: u64,
    /// Those that the master has got.
    pub delivered: u64,
    /// Those that it has refused.
    pub refused: u64,
    /// Those that were given up because they had waited too long.
    pub expired: u64,
    /// Those that were given up to make room for others.
    pub displaced: u64,
    /// Those that somebody has given up. Not kept with the others: see
    /// [`Decided`](super::book::Decided).
    #[serde(skip)]
    pub dropped: u64,
}

impl Counts {
    /// One was given up.
    pub(super) fn add_given_up(&mut self, cause: Cause) {
        match cause {
            Cause::Expired => self.expired += 1,
            Cause::Displaced => self.displaced += 1,
            Cause::Dropped => self.dropped += 1,
        }
    }

    /// Reads what is stored; nothing was counted if it is not that.
    pub(super) fn read(text: &[u8]) -> Self {
        json::stored(text).unwrap_or_default()
    }

    /// What is stored of them.
    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers are always valid JSON")
    }
}

/// How things stand with fired triggers.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Those that wait for the master.
    pub waiting: u64,
    /// Bytes that those count for that wait, for this master or another.
    pub bytes: u64,
    /// What has become of others.
    pub counts: Counts,
}

impl Figures {
    /// Writes them as metrics.
    pub fn write(&self, text: &mut Text) {
        text.single(
            "owl_fires_waiting",
            Kind::Gauge,
            "Fired triggers that wait for the master.",
            self.waiting,
        );
        text.single(
            "owl_fires_bytes",
            Kind::Gauge,
            "Bytes of the fired triggers that wait, for this master or another.",
            self.bytes,
        );
        let name = "owl_fires_total";
        let help = "Fired triggers that could not be sent to the master at once, since the store \
                    was made: stored, and what has become of them.";
        text.family(name, Kind::Counter, help);
        let counts = &self.counts;
        for (end, number) in [
            ("stored", counts.stored),
            ("delivered", counts.delivered),
            ("refused", counts.refused),
            ("expired", counts.expired),
            ("displaced", counts.displaced),
            ("dropped", counts.dropped),
        ] {
            text.sample(name, &[("end", end)], number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_read() {
        let mut counts = Counts {
            stored: 3,
            ..Counts::default()
        };
        counts.add_given_up(Cause::Expired);
        counts.add_given_up(Cause::Displaced);
        assert_eq!((counts.expired, counts.displaced), (1, 1));
        assert_eq!(Counts::read(&counts.text()), counts);
        assert_eq!(Counts::read(b"?"), Counts::default());
    }
}
