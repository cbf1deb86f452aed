//! Transactions of more pages than LMDB keeps in its list of dirty ones: it writes some of them
//! before the commit then.

use super::*;

/// Values that take a page of their own each: more than the 32,767 of the list.
const VALUES: u32 = 40_000;

/// Changes all values in one transaction.
fn change(environment: &Environment, value: Option<&[u8]>) {
    let mut txn = environment.write().unwrap();
    for n in 0..VALUES {
        let key = n.to_be_bytes();
        match value {
            Some(value) => environment.tails.put(&mut txn, &key, value).unwrap(),
            None => assert!(environment.tails.delete(&mut txn, &key).unwrap()),
        }
    }
    txn.commit().unwrap();
}

#[test]
fn a_transaction_that_changes_more_than_is_remembered_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Environment::open(dir.path(), Some(512 << 20)).unwrap();
    let size = || dir.path().join("data.mdb").metadata().unwrap().len();
    change(&open(), Some(&[b'a'; 3_000]));
    let once = size();
    change(&open(), None);
    // What was there is used again some commits later.
    for n in 0..3_u8 {
        let environment = open();
        let mut txn = environment.write().unwrap();
        environment.notes.put(&mut txn, b"turn", &[n]).unwrap();
        txn.commit().unwrap();
    }
    change(&open(), Some(&[b'b'; 3_000]));
    assert!(size() < once + once / 10, "{} after {once} bytes", size());
    let environment = open();
    let txn = environment.read().unwrap();
    let values = environment.tails.iter(&txn).unwrap();
    let mut count = 0;
    for (n, entry) in values.enumerate() {
        let (key, value) = entry.unwrap();
        assert_eq!(key, (n as u32).to_be_bytes());
        assert!(value.len() == 3_000 && value.iter().all(|byte| *byte == b'b'));
        count += 1;
    }
    assert_eq!(count, VALUES);
}
