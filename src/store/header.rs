//! What the first bytes of the store's file tell: the word size of the owl that made it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::error::StoreError;

/// Bits of a pointer: the file format of LMDB depends on it.
pub(super) const WORD_BITS: u32 = usize::BITS;

/// The first bytes of a file; none of one that is not there.
pub(super) fn read_header(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut header = Vec::new();
    match File::open(file) {
        Ok(file) => file.take(32).read_to_end(&mut header)?,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(header)
}

/// Bits of a word of the machine that made an LMDB file, by its first bytes. The first page begins
/// with a header that holds one word, and LMDB's magic number comes after it.
pub(super) fn word_size(header: &[u8]) -> Option<u32> {
    const MAGIC: u32 = 0xBEEF_C0DE;
    [(12, 32), (16, 64)].into_iter().find_map(|(at, bits)| {
        let number = header.get(at..)?.first_chunk()?;
        let magic = [u32::from_le_bytes(*number), u32::from_be_bytes(*number)].contains(&MAGIC);
        magic.then_some(bits)
    })
}

/// What is told of a store of another word size.
pub(super) fn wrong_word_size(dir: &Path, bits: u32) -> StoreError {
    StoreError::Failed(format!(
        "the store in {} was made by a {bits}-bit owl, and this one is {WORD_BITS}-bit: use a \
         {bits}-bit owl, or another data directory",
        dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_sizes_by_the_header() {
        let header = |at: usize| {
            let mut header = [0; 32];
            header[at..at + 4].copy_from_slice(&0xBEEF_C0DE_u32.to_ne_bytes());
            header
        };
        assert_eq!(word_size(&header(12)), Some(32));
        assert_eq!(word_size(&header(16)), Some(64));
        assert_eq!(word_size(&header(20)), None);
        assert_eq!(word_size(b""), None);
    }
}
