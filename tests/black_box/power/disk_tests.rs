use std::collections::BTreeSet;

use super::*;

const KINDS: [Loss; 5] = [
    Loss::All,
    Loss::Nothing,
    Loss::Later,
    Loss::Pages,
    Loss::Sectors,
];

fn named(path: &str, file: File) -> Event {
    Event::Named(Naming::File(path.into(), file))
}

fn write(file: File, offset: u64, data: Vec<u8>) -> Event {
    Event::Write {
        file,
        offset,
        data,
        durable: false,
    }
}

fn durable(file: File, offset: u64, data: Vec<u8>) -> Event {
    Event::Write {
        file,
        offset,
        data,
        durable: true,
    }
}

fn folder() -> Event {
    Event::FolderSynced(String::new())
}

/// A file of zeros that is on the disk.
fn there(size: usize) -> Vec<Event> {
    let events = [named("a", 0), write(0, 0, vec![0; size])];
    let mut events = events.to_vec();
    events.extend([Event::Synced(0), folder()]);
    events
}

/// What may come of the file `a`, by the first byte of each sector; none: it is not there.
fn outcomes(events: &[Event], loss: Loss, lies: bool) -> BTreeSet<Option<Vec<u8>>> {
    (0..300)
        .map(|seed| {
            let tree = after(events, loss, lies, &mut Dice::new(seed));
            let content = tree.get("a")?.as_ref()?;
            Some(content.iter().step_by(SECTOR).copied().collect())
        })
        .collect()
}

fn all<const N: usize>(some: [&[u8]; N]) -> BTreeSet<Option<Vec<u8>>> {
    some.iter().map(|bytes| Some(bytes.to_vec())).collect()
}

#[test]
fn what_is_synced_is_there() {
    let mut events = there(2 * SECTOR);
    events.extend([write(0, 0, vec![1; 2 * SECTOR]), Event::Synced(0)]);
    for loss in KINDS {
        assert_eq!(outcomes(&events, loss, false), all([&[1, 1]]), "{loss:?}");
    }
}

#[test]
fn of_what_is_not_synced_there_may_be_any_part() {
    let mut events = there(2 * SECTOR);
    events.push(write(0, 0, vec![1; 2 * SECTOR]));
    let of = |loss| outcomes(&events, loss, false);
    assert_eq!(of(Loss::All), all([&[0, 0]]));
    assert_eq!(of(Loss::Nothing), all([&[1, 1]]));
    assert_eq!(of(Loss::Pages), all([&[0, 0], &[1, 1]]));
    let torn = all([&[0, 0], &[0, 1], &[1, 0], &[1, 1]]);
    assert_eq!(of(Loss::Sectors), torn);
    assert_eq!(of(Loss::Later), torn, "the last write may be torn");
}

#[test]
fn a_page_may_be_as_it_was_in_between() {
    let mut events = there(SECTOR);
    events.extend([write(0, 0, vec![1; SECTOR]), write(0, 0, vec![2; SECTOR])]);
    for loss in [Loss::Later, Loss::Pages, Loss::Sectors] {
        assert_eq!(outcomes(&events, loss, false), all([&[0], &[1], &[2]]));
    }
    // Where nothing came later than something that is lost.
    let mut events = there(2 * SECTOR);
    for value in [1, 2] {
        events.push(write(0, 0, vec![value; SECTOR]));
        events.push(write(0, SECTOR as u64, vec![value; SECTOR]));
    }
    let later = outcomes(&events, Loss::Later, false);
    assert!(!later.contains(&Some(vec![0, 2])), "{later:?}");
    assert!(outcomes(&events, Loss::Sectors, false).contains(&Some(vec![0, 2])));
}

#[test]
fn a_synchronous_write_takes_nothing_else_along() {
    let mut events = there(2 * SECTOR);
    events.push(write(0, SECTOR as u64, vec![1; SECTOR]));
    events.push(durable(0, 0, vec![2; SECTOR]));
    assert_eq!(outcomes(&events, Loss::All, false), all([&[2, 0]]));
    assert_eq!(outcomes(&events, Loss::Nothing, false), all([&[2, 1]]));
    // Unless the disk lies about it; a sync of the file is one all the same.
    assert_eq!(outcomes(&events, Loss::All, true), all([&[0, 0]]));
    events.push(Event::Synced(0));
    assert_eq!(outcomes(&events, Loss::All, true), all([&[2, 1]]));
}

#[test]
fn a_file_may_be_shorter_than_its_writer_thinks() {
    let mut events = there(SECTOR);
    events.push(write(0, SECTOR as u64, vec![1; SECTOR]));
    let found = outcomes(&events, Loss::Sectors, false);
    assert_eq!(found, all([&[0], &[0, 0], &[0, 1]]));
    events.push(Event::Size(0, SECTOR as u64));
    assert_eq!(outcomes(&events, Loss::Nothing, false), all([&[0]]));
}

#[test]
fn names_last_when_their_folder_is_synced() {
    let mut events = there(SECTOR);
    events.extend([named("b", 1), write(1, 0, vec![7; SECTOR])]);
    events.push(Event::Synced(1));
    events.push(Event::Named(Naming::Renamed("b".into(), "a".into(), 1)));
    for loss in [Loss::Later, Loss::Sectors] {
        assert_eq!(outcomes(&events, loss, false), all([&[0], &[7]]));
    }
    events.push(folder());
    for loss in KINDS {
        assert_eq!(outcomes(&events, loss, false), all([&[7]]));
    }
    let mut gone = there(SECTOR);
    gone.push(Event::Named(Naming::Gone("a".into())));
    let found = outcomes(&gone, Loss::Pages, false);
    assert_eq!(found, [None, Some(vec![0])].into());
}

#[test]
fn without_its_folder_a_file_is_not_there() {
    let events = [
        Event::Named(Naming::Folder("in".into())),
        named("in/a", 0),
        Event::Synced(0),
        Event::FolderSynced("in".into()),
    ];
    let tree = |events: &[Event]| after(events, Loss::All, false, &mut Dice::new(0));
    assert_eq!(tree(&events), Tree::new());
    let mut events = events.to_vec();
    events.push(folder());
    let whole = tree(&events);
    assert_eq!(whole.keys().collect::<Vec<_>>(), ["in", "in/a"]);
}
