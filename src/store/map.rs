//! Keeps the memory map small in memory.
//!
//! Every page of the file that is looked at stays in the page tables of the process, and the kernel
//! maps the pages around it too, so a daemon that only writes records would soon seem as large as
//! its store. The pages are those of the page cache, and giving them back costs little: the next
//! look finds them there.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::memory::{Mapped, Use};

/// What the kernel maps at one fault.
const FAULT_BYTES: u64 = 64 << 10;

/// Faults after which the map is given back: at most 8 MiB that is mapped, mostly far less.
const MAX_FAULTS: u64 = 128;

/// Where the file is mapped, and how many faults there have been at most.
pub(super) struct Map {
    mapped: Mapped,
    faults: AtomicU64,
}

impl Map {
    /// The map of a file in this process.
    pub(super) fn of(file: &Path) -> Option<Self> {
        Some(Map {
            mapped: Mapped::of(file, Use::SharedData)?,
            faults: AtomicU64::new(0),
        })
    }

    /// To be told how many records were looked at, and their bytes.
    pub(super) fn looked_at(&self, records: usize, bytes: usize) {
        let faults = records as u64 + bytes as u64 / FAULT_BYTES;
        if self.faults.fetch_add(faults, Ordering::Relaxed) + faults >= MAX_FAULTS {
            self.give_back();
        }
    }

    /// Takes all pages of the map out of the page tables.
    pub(super) fn give_back(&self) {
        self.faults.store(0, Ordering::Relaxed);
        self.mapped.give_back();
    }
}
