//! How entries have ended, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Journal;
use super::machine::Ending;
use crate::metrics::{Kind, Text};

/// How many entries have ended in which way since the start.
#[derive(Debug, Default)]
pub struct Counts {
    applied: AtomicU64,
    superseded: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    /// So many entries have ended together.
    pub(super) fn add(&self, ending: &Ending, number: usize) {
        let count = match ending {
            Ending::Applied(_) => &self.applied,
            Ending::Superseded(_) => &self.superseded,
            Ending::Failed(..) => &self.failed,
        };
        count.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// How many there were, by what is said of them.
    pub fn read(&self) -> [(&'static str, u64); 3] {
        [
            ("applied", &self.applied),
            ("superseded", &self.superseded),
            ("failed", &self.failed),
        ]
        .map(|(end, count)| (end, count.load(Ordering::Relaxed)))
    }
}

impl Journal {
    /// Writes what is counted of it.
    pub fn write_metrics(&self, text: &mut Text) {
        for (name, help, value) in [
            (
                "owl_journal_waiting",
                "Writes that wait for the master.",
                self.waiting(),
            ),
            (
                "owl_journal_came_to_nothing",
                "Writes that came to nothing at the master, and wait for a decision.",
                self.ended(),
            ),
        ] {
            text.single(name, Kind::Gauge, help, value);
        }
        let name = "owl_journal_ended_total";
        let help = "Writes of the journal that have ended, by how.";
        text.family(name, Kind::Counter, help);
        for (end, count) in self.counts().read() {
            text.sample(name, &[("end", end)], count);
        }
    }
}
