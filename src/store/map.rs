//! Keeps the memory map small in memory.
//!
//! Every page of the file that is looked at stays in the page tables of the process, and the kernel
//! maps the pages around it too, so a daemon that only writes records would soon seem as large as
//! its store. The pages are those of the page cache, and giving them back costs little: the next
//! look finds them there.

use std::ffi::c_void;
use std::fs;
use std::path::Path;
use std::ptr::{NonNull, with_exposed_provenance_mut};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MmapAdvise, madvise};

/// What the kernel maps at one fault.
const FAULT_BYTES: u64 = 64 << 10;

/// Faults after which the map is given back: at most 8 MiB that is mapped, mostly far less.
const MAX_FAULTS: u64 = 128;

/// Where the file is mapped, and how many faults there have been at most.
pub(super) struct Map {
    start: usize,
    length: usize,
    faults: AtomicU64,
}

impl Map {
    /// The map of a file in this process.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let file = fs::canonicalize(file).ok()?;
        let maps = fs::read_to_string("/proc/self/maps").ok()?;
        let (start, end) = range_of(&maps, file.to_str()?)?;
        Some(Map {
            start,
            length: end - start,
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
    #[allow(unsafe_code)]
    pub(super) fn give_back(&self) {
        self.faults.store(0, Ordering::Relaxed);
        let Some(start) = NonNull::new(with_exposed_provenance_mut::<c_void>(self.start)) else {
            return;
        };
        // SAFETY: The range is LMDB's map of its data file: shared, read-only, and in place until
        // the environment that owns this is closed, since nothing resizes it. In such a map this
        // advice only removes page table entries; a look at the same address finds the same bytes
        // in the page cache or the file again, so references into the map stay valid.
        let advised = unsafe { madvise(start, self.length, MmapAdvise::MADV_DONTNEED) };
        if let Err(error) = advised {
            log::debug!("cannot give back the pages of the store: {error}");
        }
    }
}

/// First address of the map of a file, and the one behind it, in `/proc/self/maps`.
fn range_of(maps: &str, file: &str) -> Option<(usize, usize)> {
    maps.lines().find_map(|line| {
        // Only a path has a slash, and it is last.
        let (fields, _) = line.split_once('/')?;
        if &line[fields.len()..] != file {
            return None;
        }
        let mut fields = fields.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        // Anything but a map that is shared and only read is not LMDB's.
        if fields.next()? != "r--s" {
            return None;
        }
        let address = |text| usize::from_str_radix(text, 16).ok();
        Some((address(start)?, address(end)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
        00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/owl\n\
        10000000-10010000 rw-p 00000000 00:00 0\n\
        20000000-20040000 rw-s 00000000 08:02 1 /data/lock.mdb\n\
        30000000-34000000 r--s 00000000 08:02 2                    /data/my store/data.mdb\n";

    #[test]
    fn the_map_is_found_by_its_file() {
        let range = Some((0x3000_0000, 0x3400_0000));
        assert_eq!(range_of(MAPS, "/data/my store/data.mdb"), range);
        assert_eq!(range_of(MAPS, "/data.mdb"), None);
        assert_eq!(range_of(MAPS, "/data/lock.mdb"), None);
    }
}
