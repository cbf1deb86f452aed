//! Just enough of ELF to tell a static binary from one that needs a loader.

use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Program header type of the path of the loader.
const PT_INTERP: u32 = 3;

/// The loader that a binary of this machine asks for; none for a static one.
pub(super) fn interpreter<F: Read + Seek>(file: &mut F) -> io::Result<Option<PathBuf>> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let mut head = [0; 64];
    file.read_exact(&mut head)?;
    let wide = match head[..5] {
        [0x7f, b'E', b'L', b'F', 1] => false,
        [0x7f, b'E', b'L', b'F', 2] => true,
        _ => return Err(invalid("it is not an ELF file")),
    };
    let at = |wide_at, narrow_at| if wide { wide_at } else { narrow_at };
    let table = word(&head, at(0x20, 0x1c), wide);
    let entry_size = usize::from(half(&head, at(0x36, 0x2a)));
    let count = half(&head, at(0x38, 0x2c));
    if entry_size < at(56, 32) || entry_size > 64 {
        return Err(invalid("its program headers have an unknown size"));
    }
    for index in 0..u64::from(count) {
        let mut entry = [0; 64];
        file.seek(SeekFrom::Start(table + index * entry_size as u64))?;
        file.read_exact(&mut entry[..entry_size])?;
        if u32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]]) != PT_INTERP {
            continue;
        }
        let offset = word(&entry, at(0x08, 0x04), wide);
        let size = word(&entry, at(0x20, 0x10), wide);
        if size > 4096 {
            return Err(invalid("the path of its loader is too long"));
        }
        let mut path = vec![0; size as usize];
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut path)?;
        let end = path
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(path.len());
        return Ok(Some(OsStr::from_bytes(&path[..end]).into()));
    }
    Ok(None)
}

/// A 16-bit field, in the byte order of this machine: the binary is its own.
fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// A field as wide as an address.
fn word(bytes: &[u8], at: usize, wide: bool) -> u64 {
    let mut word = [0; 8];
    if wide {
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(word)
    } else {
        let mut narrow = [0; 4];
        narrow.copy_from_slice(&bytes[at..at + 4]);
        u32::from_ne_bytes(narrow).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A file with one program header of a type, and the path of a loader at 0xa0.
    fn elf(wide: bool, kind: u32) -> Vec<u8> {
        let mut file = vec![0; 0xa0];
        file[..4].copy_from_slice(b"\x7fELF");
        file[4] = if wide { 2 } else { 1 };
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        if wide {
            put(0x20, &0x40u64.to_ne_bytes());
            put(0x36, &56u16.to_ne_bytes());
            put(0x38, &1u16.to_ne_bytes());
            put(0x40, &kind.to_ne_bytes());
            put(0x48, &0xa0u64.to_ne_bytes());
            put(0x60, &9u64.to_ne_bytes());
        } else {
            put(0x1c, &0x40u32.to_ne_bytes());
            put(0x2a, &32u16.to_ne_bytes());
            put(0x2c, &1u16.to_ne_bytes());
            put(0x40, &kind.to_ne_bytes());
            put(0x44, &0xa0u32.to_ne_bytes());
            put(0x50, &9u32.to_ne_bytes());
        }
        file.extend(b"/lib/ld1\0rest");
        file
    }

    #[test]
    fn loaders_of_wide_and_narrow_binaries() {
        for wide in [true, false] {
            let loader = interpreter(&mut Cursor::new(elf(wide, PT_INTERP))).expect("is ELF");
            assert_eq!(loader, Some("/lib/ld1".into()));
            let loader = interpreter(&mut Cursor::new(elf(wide, 1))).expect("is ELF");
            assert_eq!(loader, None);
        }
    }

    #[test]
    fn what_is_not_a_binary() {
        let script = Cursor::new(b"#!/bin/sh\n".repeat(10));
        assert!(interpreter(&mut { script }).is_err());
        assert!(interpreter(&mut Cursor::new(b"\x7fELF\x02")).is_err());
        let mut cut = elf(true, PT_INTERP);
        cut.truncate(0x50);
        assert!(interpreter(&mut Cursor::new(cut)).is_err());
    }

    #[test]
    fn this_very_binary_can_be_read() {
        let mut file = std::fs::File::open("/proc/self/exe").expect("is there");
        let loader = interpreter(&mut file).expect("is ELF");
        assert!(loader.is_none_or(|path| path.is_absolute()));
    }
}
