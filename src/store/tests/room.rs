//! What has room in a store that is nearly full, and what can be done in one that is.

use super::*;

/// Ids that are the same each time: where LMDB puts what depends on them.
fn ids(seed: u64) -> impl Iterator<Item = ActivationId> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed) | 1;
    std::iter::repeat_with(move || {
        let half = &mut || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&half());
        bytes[8..].copy_from_slice(&half());
        ActivationId::from_bytes(bytes)
    })
}

/// How much code, in pieces of 200 KB, a store takes in the place of the activations that it is
/// full of.
fn pieces_that_fit(seed: u64) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (id, start) in ids(seed).zip(0..600) {
        block_on(store.put_activation(row(id, "guest", "a", 1 << 60 | start, 20_000))).unwrap();
    }
    let piece = |n: usize| EntityWrite {
        code: CodeChange::Set(vec![7; 200_000]),
        ..write(&format!("guest/{n}"), "{}", Expect::Absent)
    };
    let fits = |n: &usize| match block_on(store.put_entity(piece(*n))) {
        Ok(_) => true,
        Err(StoreError::Full) => false,
        Err(error) => panic!("{error}"),
    };
    (0..).take_while(fits).count()
}

#[test]
fn large_code_fits_wherever_the_free_pages_are() {
    // 18 have room, if no page is lost between them.
    for seed in 1..=6 {
        let pieces = pieces_that_fit(seed);
        assert!(pieces >= 17, "seed {seed}: only {pieces} fit");
    }
}

#[test]
fn a_store_that_is_full_of_notes_can_be_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let note = |n: u64| Change::Note {
        key: NoteKey::numbered(NoteKind::Journal, n),
        text: vec![7; 10_000].into(),
    };
    let fits = |n: &u64| match block_on(store.write_all(vec![note(*n)])) {
        Ok(_) => true,
        Err(StoreError::Full) => false,
        Err(error) => panic!("{error}"),
    };
    let notes = (0..).take_while(fits).count() as u64;
    assert!(notes > 200, "only {notes} fit");
    let usage = store.usage().unwrap();
    assert!(usage.bytes > 3 << 20, "{usage:?}");
    for _ in 0..50 {
        let id = ActivationId::random();
        block_on(store.accept(id, vec![b'x'; 1000])).unwrap();
        block_on(store.put_activation(row(id, "guest", "a", now(), 20_000))).unwrap();
    }
    for n in 0..notes {
        let key = NoteKey::numbered(NoteKind::Journal, n);
        block_on(store.write_all(vec![Change::Unnote { key }])).unwrap();
    }
    assert!(store.usage().unwrap().bytes < 1 << 20);
}

/// Reads for a while, as a thread does that gets no time, and so keeps old pages.
fn reads_for(store: &Store, time: Duration) -> std::thread::JoinHandle<()> {
    let (begun, reads) = std::sync::mpsc::channel();
    let store = store.clone();
    let reader = std::thread::spawn(move || {
        let visit = &mut |_: NoteKey, _: &[u8]| {
            begun.send(()).unwrap();
            std::thread::sleep(time);
            ControlFlow::Break(())
        };
        store
            .visit_notes(NoteKind::Journal, b"", None, visit)
            .unwrap();
    });
    reads.recv().unwrap();
    reader
}

#[test]
fn a_reader_makes_no_store_full() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let note = Change::Note {
        key: NoteKey::numbered(NoteKind::Journal, 1),
        text: vec![7; 10].into(),
    };
    block_on(store.write_all(vec![note])).unwrap();
    for (id, start) in ids(7).zip(0..400) {
        block_on(store.put_activation(row(id, "guest", "a", 1 << 60 | start, 20_000))).unwrap();
    }
    let reader = reads_for(&store, Duration::from_millis(100));
    for id in ids(8).take(10) {
        block_on(store.accept(id, vec![b'x'; 100_000])).unwrap();
    }
    reader.join().unwrap();
}
