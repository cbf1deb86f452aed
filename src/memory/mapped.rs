//! Files that are mapped into this process, and taking their pages out of its page tables.

use std::ffi::c_void;
use std::fs;
use std::path::Path;
use std::ptr::{NonNull, with_exposed_provenance_mut};

use nix::sys::mman::{MmapAdvise, madvise};

/// What a file is mapped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Shared, and only read: the store's data file.
    SharedData,
    /// Private, read and executed: the program's own code.
    Code,
}

impl Use {
    /// How `/proc/self/maps` shows it.
    const fn permissions(self) -> &'static str {
        match self {
            Use::SharedData => "r--s",
            Use::Code => "r-xp",
        }
    }
}

/// A map of a file that is never written through.
pub(crate) struct Mapped {
    start: usize,
    length: usize,
}

impl Mapped {
    /// The map of a file in this process; none if it is not mapped for this use.
    pub(crate) fn of(file: &Path, mapped_for: Use) -> Option<Self> {
        let file = fs::canonicalize(file).ok()?;
        let maps = fs::read_to_string("/proc/self/maps").ok()?;
        let (start, end) = range_of(&maps, file.to_str()?, mapped_for)?;
        Some(Mapped {
            start,
            length: end - start,
        })
    }

    /// Takes all pages of the map out of the page tables.
    #[allow(unsafe_code)]
    pub(crate) fn give_back(&self) {
        let Some(start) = NonNull::new(with_exposed_provenance_mut::<c_void>(self.start)) else {
            return;
        };
        // SAFETY: The range is a map that cannot be written through, of a file that stays mapped:
        // the program's code always, LMDB's data file until the environment that owns the map is
        // closed, since nothing resizes it. No page of it differs from the file. So this advice
        // only removes page table entries: a look at the same address finds the same bytes in the
        // page cache or the file again, and references into the map stay valid.
        let advised = unsafe { madvise(start, self.length, MmapAdvise::MADV_DONTNEED) };
        if let Err(error) = advised {
            log::debug!("cannot give back the pages of a mapped file: {error}");
        }
    }
}

/// First address of the map of a file, and the one behind it, in `/proc/self/maps`.
fn range_of(maps: &str, file: &str, mapped_for: Use) -> Option<(usize, usize)> {
    maps.lines().find_map(|line| {
        // Only a path has a slash, and it is last.
        let (fields, _) = line.split_once('/')?;
        if &line[fields.len()..] != file {
            return None;
        }
        let mut fields = fields.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        if fields.next()? != mapped_for.permissions() {
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
        003ff000-00400000 r--p 00000000 08:02 173521 /usr/bin/owl\n\
        00400000-00452000 r-xp 00001000 08:02 173521 /usr/bin/owl\n\
        00452000-00453000 rw-p 00053000 08:02 173521 /usr/bin/owl\n\
        10000000-10010000 rw-p 00000000 00:00 0\n\
        20000000-20040000 rw-s 00000000 08:02 1 /data/lock.mdb\n\
        30000000-34000000 r--s 00000000 08:02 2                    /data/my store/data.mdb\n";

    #[test]
    fn a_map_is_found_by_its_file_and_use() {
        let range = |file, mapped_for| range_of(MAPS, file, mapped_for);
        assert_eq!(
            range("/data/my store/data.mdb", Use::SharedData),
            Some((0x3000_0000, 0x3400_0000))
        );
        assert_eq!(range("/data.mdb", Use::SharedData), None);
        assert_eq!(range("/data/lock.mdb", Use::SharedData), None);
        assert_eq!(
            range("/usr/bin/owl", Use::Code),
            Some((0x0040_0000, 0x0045_2000))
        );
        assert_eq!(range("/usr/bin/owl", Use::SharedData), None);
        assert_eq!(range("/data/my store/data.mdb", Use::Code), None);
    }

    #[test]
    fn code_runs_on_without_its_pages() {
        let program = std::env::current_exe().unwrap();
        let code = Mapped::of(&program, Use::Code).expect("a program has code");
        code.give_back();
        assert!(Mapped::of(&program, Use::Code).is_some());
    }
}
