//! What people decide about fired triggers that wait, in the store itself, whether a daemon has it
//! or not. A running one goes by the store, and looks there whether something was decided.

use std::collections::HashMap;
use std::ops::ControlFlow;

use smol::block_on;

use super::book::{self, Book, Decided};
use super::fire::StoredFire;
use super::record::{Cause, Stage, row};
use crate::master::whose;
use crate::store::{Change, StoreError};

/// How many are decided about in one commit.
const STEP: usize = 64;

/// How often a step is made anew because the daemon has changed something of it.
const TRIES: usize = 8;

/// Gives up all of a trigger, `ns/name`, that waits, for whichever master. Gives how many.
///
/// # Errors
/// The store failed; what was given up before that is.
pub fn discard(book: &Book, trigger: &str) -> Result<u64, StoreError> {
    let master = whose::of(book.store())?.unwrap_or_default();
    each(book, trigger, &|_| true, &|number, fire, decided| {
        decided.dropped += 1;
        let url = fire.master_or(&master);
        let record = fire.recorded.then(|| Change::Activation {
            row: row(fire, &Stage::GivenUp(Cause::Dropped), url),
            new: false,
        });
        [Some(book::removal(number)), record]
            .into_iter()
            .flatten()
            .collect()
    })
}

/// What has become of those of a trigger that were for another master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// Those that are for the one that is set now.
    pub here: u64,
    /// Those that stay as they are, because no key is known that this one has accepted and they
    /// were fired with.
    pub without_key: u64,
}

/// Has those of a trigger, `ns/name`, that wait for another master be sent to the one that is set
/// now.
///
/// # Errors
/// The store failed; what was changed before that is.
pub fn retry(book: &Book, trigger: &str) -> Result<Retried, StoreError> {
    let master = whose::of(book.store())?.unwrap_or_default();
    let mut retried = Retried::default();
    let mut keys: HashMap<String, bool> = HashMap::new();
    book.visit(&mut |_, fire, _| {
        if fire.path() == trigger && !fire.is_for(&master) {
            retried.without_key += 1;
            keys.insert(fire.uuid, false);
        }
        ControlFlow::Continue(())
    })?;
    for (uuid, is_known) in &mut keys {
        *is_known = book.store().learned_key(uuid)?.is_some();
    }
    let can_be_sent =
        |fire: &StoredFire| !fire.is_for(&master) && keys.get(&fire.uuid) == Some(&true);
    retried.here = each(book, trigger, &can_be_sent, &|number, fire, _| {
        let fire = StoredFire {
            master: master.clone(),
            ..fire.clone()
        };
        vec![book::creation(number, fire.text())]
    })?;
    retried.without_key = retried.without_key.saturating_sub(retried.here);
    Ok(retried)
}

/// Changes those of a trigger that are concerned, as they are in the store, and notes that this was
/// decided. Gives how many.
fn each(
    book: &Book,
    trigger: &str,
    is_concerned: &dyn Fn(&StoredFire) -> bool,
    change: &dyn Fn(u64, &StoredFire, &mut Decided) -> Vec<Change>,
) -> Result<u64, StoreError> {
    let concerned = |fire: &StoredFire| fire.path() == trigger && is_concerned(fire);
    let mut numbers = Vec::new();
    book.visit(&mut |number, fire, _| {
        if concerned(&fire) {
            numbers.push(number);
        }
        ControlFlow::Continue(())
    })?;
    let mut done = 0;
    for step in numbers.chunks(STEP) {
        let mut tries = 1;
        done += loop {
            let (mut changes, mut some) = (Vec::new(), 0);
            let known = book.decided()?;
            let mut decided = known.next();
            for number in step {
                // It may have been delivered meanwhile.
                let Some(text) = book.text(*number)? else {
                    continue;
                };
                let Some(fire) = StoredFire::read(&text).filter(concerned) else {
                    continue;
                };
                some += 1;
                changes.push(book::unchanged(*number, text));
                changes.extend(change(*number, &fire, &mut decided));
            }
            changes.extend(book::decision(&known, &decided));
            match block_on(book.write(changes)) {
                Err(StoreError::Changed) if tries < TRIES => tries += 1,
                written => break written.map(|()| some)?,
            }
        };
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::super::fire::tests::fire;
    use super::*;
    use crate::entity::Secret;
    use crate::store::{Options, Store};

    /// A store with so many of one trigger, for the master of the others, and one of another.
    fn book(dir: &std::path::Path, number: u64) -> Book {
        let options = Options {
            keys_of_master: true,
            ..Options::with_map_size(4 << 20)
        };
        let book = Book::new(Store::open(dir, options).unwrap());
        let other = StoredFire {
            trigger: "other".into(),
            ..fire()
        };
        let mut changes: Vec<Change> = (1..=number)
            .map(|number| book::creation(number, fire().text()))
            .collect();
        changes.push(book::creation(number + 1, other.text()));
        block_on(book.store().write_all(changes)).unwrap();
        book
    }

    #[test]
    fn many_are_decided_about_in_steps() {
        let many = 2 * STEP as u64 + 7;
        let dir = tempfile::tempdir().unwrap();
        let book = book(dir.path(), many);
        // No other master is set: nothing is elsewhere.
        assert_eq!(retry(&book, "ns/my t").unwrap(), Retried::default());
        whose::settle(book.store(), "https://now").unwrap();
        let retried = |here, without_key| Retried { here, without_key };
        assert_eq!(retry(&book, "ns/my t").unwrap(), retried(0, many));
        assert_eq!(book.decided().unwrap(), Decided::default());
        let key = Secret::new("k".into());
        block_on(book.store().learn_key("ns", "u", &key, 7)).unwrap();
        assert_eq!(retry(&book, "ns/my t").unwrap(), retried(many, 0));
        assert_eq!(book.fire(many).unwrap().unwrap().master, "https://now");
        assert_eq!(book.fire(many + 1).unwrap().unwrap().master, "https://m");
        assert_eq!(discard(&book, "ns/my t").unwrap(), many);
        assert!(book.fire(1).unwrap().is_none());
        assert!(book.fire(many + 1).unwrap().is_some());
        let decided = book.decided().unwrap();
        assert_eq!((decided.times, decided.dropped), (6, many));
        assert_eq!(book.counts().unwrap().dropped, many);
    }

    #[test]
    fn in_a_full_store_they_can_be_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let book = book(dir.path(), 3);
        let filling = |n: u64| Change::Note {
            key: crate::store::NoteKey::numbered(crate::store::NoteKind::Journal, n),
            text: vec![7; 10_000].into(),
        };
        let full = (0..).find_map(|n| block_on(book.store().write_all(vec![filling(n)])).err());
        assert!(matches!(full, Some(StoreError::Full)));
        assert_eq!(discard(&book, "ns/my t").unwrap(), 3);
        assert!(book.fire(1).unwrap().is_none());
    }
}
