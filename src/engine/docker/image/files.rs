//! Which files a container needs to run this binary.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::elf;

/// Where the running binary can be read, even after it was replaced on disk.
pub(super) const SELF: &str = "/proc/self/exe";

/// What goes into the image besides the binary itself. All empty for a static one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Regular files, by their real paths.
    pub(super) files: BTreeSet<PathBuf>,
    /// Symbolic links, and the real paths that they lead to.
    pub(super) links: BTreeSet<(PathBuf, PathBuf)>,
}

impl Needs {
    /// What this process has mapped: its libraries and its loader.
    pub(super) fn of_this_process() -> io::Result<Needs> {
        let mut needs = Needs::default();
        let Some(loader) = elf::interpreter(&mut File::open(SELF)?)? else {
            return Ok(needs);
        };
        let own = fs::read_link(SELF)?;
        needs.files = mapped_code(&fs::read_to_string("/proc/self/maps")?);
        needs.files.remove(&own);
        // The loader is asked for by a name that usually is a link.
        let real = fs::canonicalize(&loader)?;
        if real != loader {
            needs.links.insert((loader, real.clone()));
        }
        needs.files.insert(real);
        for file in &needs.files {
            needs.links.extend(links_beside(file)?);
        }
        // Where libraries are that are not at the usual places. What it lists in vain is passed
        // over.
        let cache = Path::new("/etc/ld.so.cache");
        if cache.is_file() {
            needs.files.insert(cache.into());
        }
        Ok(needs)
    }
}

/// The files in a `/proc/<pid>/maps` that code is mapped from.
fn mapped_code(maps: &str) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for line in maps.lines() {
        // Address, permissions, offset, device, inode, path.
        let mut rest = line;
        let mut fields = [""; 5];
        for field in &mut fields {
            let (first, others) = rest.split_once(' ').unwrap_or((rest, ""));
            *field = first;
            rest = others.trim_start();
        }
        if fields[1].contains('x') && rest.starts_with('/') && !rest.ends_with(" (deleted)") {
            files.insert(PathBuf::from(rest));
        }
    }
    files
}

/// Links in the directory of a file that lead to it: `libx.so.1` to `libx.so.1.2.3`. The loader
/// looks for the former.
fn links_beside(file: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let Some(directory) = file.parent() else {
        return Ok(Vec::new());
    };
    let mut links = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink()
            && entry.file_name().to_string_lossy().contains(".so")
            && fs::canonicalize(entry.path()).is_ok_and(|real| real == file)
        {
            links.push((entry.path(), file.to_owned()));
        }
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_is_mapped() {
        let maps = "\
55d0-55d1 r--p 00000000 fe:00 123                        /usr/bin/owl
55d1-55d2 r-xp 00001000 fe:00 123                        /usr/bin/owl
7f00-7f01 r-xp 00001000 fe:00 456                        /usr/lib/my libs/libc.so.6
7f02-7f03 r--p 00001000 fe:00 457                        /usr/lib/locale/C.utf8
7f04-7f05 r-xp 00000000 fe:00 458                        /tmp/old.so (deleted)
7f06-7f07 rw-p 00000000 00:00 0
7ffc-7ffd r-xp 00000000 00:00 0                          [vdso]
";
        let files: Vec<_> = mapped_code(maps).into_iter().collect();
        let expected = ["/usr/bin/owl", "/usr/lib/my libs/libc.so.6"];
        assert_eq!(files, expected.map(PathBuf::from));
    }

    #[test]
    fn links_lead_to_their_file_only() {
        let dir = tempfile::tempdir().expect("is made");
        let path = |name: &str| dir.path().canonicalize().expect("is there").join(name);
        for name in ["libx.so.1.2", "liby.so.1"] {
            fs::write(path(name), "").expect("is written");
        }
        let links = [
            ("libx.so.1", "libx.so.1.2"),
            ("libx.so", "libx.so.1"),
            ("libz.so", "liby.so.1"),
            ("x", "libx.so.1.2"),
        ];
        for (link, target) in links {
            std::os::unix::fs::symlink(target, path(link)).expect("is made");
        }
        let mut found = links_beside(&path("libx.so.1.2")).expect("is read");
        found.sort();
        let names: Vec<_> = found.iter().map(|(link, _)| link.clone()).collect();
        assert_eq!(names, [path("libx.so"), path("libx.so.1")]);
        assert!(found.iter().all(|(_, real)| *real == path("libx.so.1.2")));
    }

    #[test]
    fn the_needs_of_this_process_exist() {
        let needs = Needs::of_this_process().expect("are found");
        assert!(needs.files.iter().all(|file| file.is_file()));
        // A dynamic binary needs its loader and its C library at least.
        assert!(needs.files.is_empty() || needs.files.len() > 1);
    }
}
