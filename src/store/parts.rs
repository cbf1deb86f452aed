//! Large values in parts.
//!
//! LMDB keeps a value in pages that follow each other. In a store that has been full for a while
//! the free pages are everywhere, and no hundred of them in a row: what is large would be refused
//! though there is room for it. So a value is cut, and each part of it has a key of its own behind
//! the value's.

use heed::RwTxn;

use super::environment::{AnyTxn, Table};

/// Bytes of a part: with what LMDB puts before it, as many as 16 pages of 4 KiB hold.
const PART: usize = (64 << 10) - 16;

/// Key of a part: behind that of the first, and of no other value, whose keys are names.
fn part_key(key: &[u8], number: u32) -> Vec<u8> {
    [key, &[0], &number.to_be_bytes()].concat()
}

/// Writes a value in the place of what there was.
pub(super) fn put(
    table: Table,
    txn: &mut RwTxn<'_>,
    key: &[u8],
    value: &[u8],
) -> Result<(), heed::Error> {
    delete(table, txn, key)?;
    let (first, rest) = value.split_at(value.len().min(PART));
    table.put(txn, key, first)?;
    for (part, number) in rest.chunks(PART).zip(1..) {
        table.put(txn, &part_key(key, number), part)?;
    }
    Ok(())
}

/// Removes a value, if there is one.
pub(super) fn delete(table: Table, txn: &mut RwTxn<'_>, key: &[u8]) -> Result<(), heed::Error> {
    if table.delete(txn, key)? {
        let mut number = 1;
        while table.delete(txn, &part_key(key, number))? {
            number += 1;
        }
    }
    Ok(())
}

/// A value, if there is one. It may be from a time when all were kept whole.
pub(super) fn get(table: Table, txn: &AnyTxn, key: &[u8]) -> Result<Option<Vec<u8>>, heed::Error> {
    let Some(first) = table.get(txn, key)? else {
        return Ok(None);
    };
    let mut value = first.to_vec();
    if first.len() == PART {
        let mut number = 1;
        while let Some(part) = table.get(txn, &part_key(key, number))? {
            value.extend_from_slice(part);
            number += 1;
        }
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::super::environment::Environment;
    use super::*;

    fn value(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn values_of_every_length_replace_each_other_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::open(dir.path(), Some(16 << 20)).unwrap();
        let table = environment.code;
        let lengths = [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7];
        for old in lengths {
            for new in lengths {
                let mut txn = environment.write().unwrap();
                put(table, &mut txn, b"ns/a", &value(old)).unwrap();
                put(table, &mut txn, b"ns/a", &value(new)).unwrap();
                put(table, &mut txn, b"ns/ab", b"other").unwrap();
                assert_eq!(get(table, &txn, b"ns/a").unwrap(), Some(value(new)));
                assert_eq!(get(table, &txn, b"ns/ab").unwrap().unwrap(), b"other");
                let parts = new.div_ceil(PART).max(1) as u64;
                assert_eq!(table.len(&txn).unwrap(), parts + 1, "{old}, then {new}");
                delete(table, &mut txn, b"ns/a").unwrap();
                assert_eq!(get(table, &txn, b"ns/a").unwrap(), None);
                assert_eq!(table.len(&txn).unwrap(), 1);
            }
        }
    }

    #[test]
    fn what_was_kept_whole_is_read_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::open(dir.path(), Some(16 << 20)).unwrap();
        let table = environment.code;
        let mut txn = environment.write().unwrap();
        for length in [PART, 3 * PART + 7] {
            table.put(&mut txn, b"ns/a", &value(length)).unwrap();
            assert_eq!(get(table, &txn, b"ns/a").unwrap(), Some(value(length)));
            put(table, &mut txn, b"ns/a", &value(2 * PART)).unwrap();
            assert_eq!(get(table, &txn, b"ns/a").unwrap(), Some(value(2 * PART)));
            delete(table, &mut txn, b"ns/a").unwrap();
            assert_eq!(table.len(&txn).unwrap(), 0);
        }
    }
}
