//! Entries end: in one commit with the copy of what the master has then.

use super::Journal;
use super::book;
use super::entry::{Base, End, Entry, Operation, State};
use super::error::JournalError;
use super::kept;
use super::machine::{Ending, Theirs};
use super::stamp::Stamp;
use crate::clock::now;
use crate::entity::Package;
use crate::entity::names::place_and_name;
use crate::master::copies::Shown;
use crate::store::{Change, Collection, StoreError, Stored};
use crate::sync::lock;

/// How often a settlement is made anew because what it goes by has changed.
const TRIES: usize = 4;

/// What a commit is to hold, and what is to follow it.
#[derive(Default)]
struct Settlement {
    changes: Vec<Change>,
    /// Entries that are not open any more, and whether they stay in the journal.
    closed: Vec<(u64, bool)>,
    /// The entity that is kept from now on, or no more.
    kept: Option<String>,
    /// Neither the master nor the store has the entity then.
    is_gone: bool,
    /// Triggers that have changed at the master, too, and packages.
    stale: Vec<String>,
}

impl Journal {
    /// Ends an entry. One that somebody else has changed in the meantime is left as it is.
    ///
    /// # Errors
    /// The store failed; the master's document is none: nothing has changed then.
    pub(super) async fn settle(&self, entry: &Entry, ending: Ending) -> Result<(), JournalError> {
        let _turn = self.turn().await;
        let mut tries = 1;
        loop {
            let Some(open) = self.book.entry(entry.number)?.filter(Entry::is_open) else {
                return Ok(());
            };
            let settlement = self.settlement(&open, &ending)?;
            let closed = settlement.closed.len();
            match self.carry_out(&open, settlement).await {
                Ok(()) => {
                    self.counts.add(&ending, closed);
                    return Ok(());
                }
                // Something that goes along was changed by somebody without the turn.
                Err(StoreError::Changed | StoreError::Exists) if tries < TRIES => tries += 1,
                outcome => return Ok(outcome?),
            }
        }
    }

    fn settlement(&self, entry: &Entry, ending: &Ending) -> Result<Settlement, JournalError> {
        match ending {
            Ending::Applied(theirs) => self.applied(entry, theirs),
            Ending::Superseded(theirs) => {
                let reason = match theirs {
                    Theirs::Absent => "it has been deleted at the master meanwhile",
                    _ => "it has been changed at the master meanwhile",
                };
                self.in_vain(entry, reason, State::Superseded, theirs)
            }
            Ending::Failed(reason, theirs) => self.in_vain(entry, reason, State::Failed, theirs),
        }
    }

    /// Notes that an entry may have been sent from now on.
    pub(super) async fn mark_sending(&self, entry: &Entry) -> Result<Entry, JournalError> {
        let _turn = self.turn().await;
        let sending = Entry {
            state: State::Sending,
            ..entry.clone()
        };
        let changes = book::change(entry, &sending).into();
        self.book.store().write_all(changes).await?;
        Ok(sending)
    }

    async fn carry_out(&self, entry: &Entry, settlement: Settlement) -> Result<(), StoreError> {
        self.book.store().write_all(settlement.changes).await?;
        self.mirror.settled(&entry.path);
        if settlement.is_gone {
            self.mirror.absent(&entry.path);
        }
        if let Some(kept) = &settlement.kept {
            self.mirror.settled(kept);
        }
        for path in &settlement.stale {
            self.mirror.stale(path);
        }
        let mut known = lock(&self.known);
        for (number, stays) in settlement.closed {
            for place in known.open.remove(&number).unwrap_or_default() {
                self.mirror.release(&place);
            }
            known.ended += u64::from(stays);
        }
        drop(known);
        self.settled.notify(usize::MAX);
        Ok(())
    }

    /// The master has done it: what it has now is what the next write to the entity was made on,
    /// or, if there is none, what is here.
    fn applied(&self, entry: &Entry, theirs: &Theirs) -> Result<Settlement, JournalError> {
        let mut settlement = Settlement {
            changes: book::removal(entry).into(),
            closed: vec![(entry.number, false)],
            stale: entry.triggers.clone(),
            ..Settlement::default()
        };
        let base = match theirs {
            Theirs::Absent => Base::Absent,
            Theirs::Shown(document) | Theirs::Written(document) => {
                let stamp = Stamp::of(entry.collection, document);
                Base::At(stamp.ok_or_else(|| not_an_entity(entry))?)
            }
            Theirs::Changed(stamp) => Base::At(stamp.clone()),
            Theirs::Unknown => Base::Any,
        };
        // What was in a package may have gone with it.
        if entry.collection == Collection::Packages {
            settlement.stale.push(entry.path.clone());
        }
        let next = self.open_after(entry)?.into_iter().next();
        let mut copy = self.copied(entry, theirs)?;
        if next.is_some() || self.is_held(&entry.path, &[entry.number]) {
            // What is here is still ours, and only what is known of it the master's.
            copy.retain(|change| match entry.collection {
                // What was in it is the master's, and has gone there.
                Collection::Packages => change.path() != Some(entry.path.as_str()),
                _ => change.path().is_none(),
            });
        } else {
            settlement.is_gone = matches!(theirs, Theirs::Absent);
        }
        settlement.changes.extend(copy);
        if let Some(next) = next {
            let based = Entry {
                base,
                ..next.clone()
            };
            settlement.changes.extend(book::change(&next, &based));
        }
        if let Some(kept) = &entry.kept
            && !self.book.keeps(kept, &[entry.number])?
        {
            settlement.changes.push(Change::Drop { path: kept.clone() });
            settlement.changes.push(self.mirror.forget(kept));
            settlement.kept = Some(kept.clone());
        }
        Ok(settlement)
    }

    /// The master has not done it: what it has comes here, what was here is kept beside it, and
    /// later writes to the entity, which were made on this one, share its fate.
    fn in_vain(
        &self,
        entry: &Entry,
        reason: &str,
        state: fn(End) -> State,
        theirs: &Theirs,
    ) -> Result<Settlement, JournalError> {
        let at = now();
        let mut settlement = Settlement::default();
        let mut ended = vec![entry.clone()];
        ended.extend(self.open_after(entry)?);
        let kept = self.kept_of(&ended, at)?;
        for (nth, known) in ended.iter().enumerate() {
            let reason = match nth {
                0 => reason.to_owned(),
                _ => format!(
                    "it was made on entry {}, which came to nothing",
                    entry.number
                ),
            };
            let changed = Entry {
                state: state(End { reason, at }),
                kept: known.kept.clone().or(kept.as_ref().map(|it| it.0.clone())),
                ..known.clone()
            };
            settlement.changes.extend(book::change(known, &changed));
            settlement.closed.push((known.number, true));
            settlement.stale.extend(known.triggers.iter().cloned());
        }
        if let Some((path, write)) = kept {
            settlement.changes.push(write);
            settlement.changes.push(self.mirror.keep(&path));
            settlement.kept = Some(path);
        }
        let copy = match theirs {
            // It is asked for again by whoever may see it.
            Theirs::Unknown | Theirs::Changed(_) => {
                let mut changes = self.copied(entry, &Theirs::Absent)?;
                changes.push(self.mirror.forget(&entry.path));
                changes
            }
            theirs => self.copied(entry, theirs)?,
        };
        settlement.changes.extend(copy);
        Ok(settlement)
    }

    /// Open entries for the same entity that came after one, and were made on it: not those after
    /// the deletion of its package, which begin anew.
    fn open_after(&self, entry: &Entry) -> Result<Vec<Entry>, JournalError> {
        let package = self.package_goes(&entry.path, entry.number, false)?;
        let end = package.map_or(u64::MAX, |package| package.number);
        let mut later = self.open_behind(entry.number, &entry.path)?;
        later.retain(|later| later.number < end);
        Ok(later)
    }

    /// The open entry behind a number that deletes the package that an action is in, and the action
    /// with it: the first, or the last.
    pub(super) fn package_goes(
        &self,
        path: &str,
        number: u64,
        last: bool,
    ) -> Result<Option<Entry>, JournalError> {
        let (package, _) = place_and_name(path);
        let later = self.open_behind(number, package)?.into_iter();
        let mut later = later.filter(|other| other.operation == Operation::Delete);
        Ok(if last {
            later.next_back()
        } else {
            later.next()
        })
    }

    /// Whether an entry's action is deleted here afterwards with its package.
    fn goes_with_package(&self, entry: &Entry) -> Result<bool, JournalError> {
        let package = self.package_goes(&entry.path, entry.number, false)?;
        Ok(package.is_some())
    }

    /// Open entries for a path behind a number.
    fn open_behind(&self, number: u64, path: &str) -> Result<Vec<Entry>, JournalError> {
        let later = self.open_at(path).into_iter();
        let later = later.filter(|later| *later > number);
        let read = later.map(|number| self.book.entry(number));
        let open = read.filter_map(Result::transpose);
        let open = open.filter(|entry| !entry.as_ref().is_ok_and(|entry| !entry.is_open()));
        open.collect()
    }

    /// What makes what the master has the copy of an entry's entity.
    fn copied(&self, entry: &Entry, theirs: &Theirs) -> Result<Vec<Change>, JournalError> {
        let (collection, path) = (entry.collection, &entry.path);
        if self.goes_with_package(entry)? {
            // Nothing is here that would go with the package once more.
            return Ok(vec![self.mirror.forget(path)]);
        }
        let changes = match theirs {
            Theirs::Absent => self.mirror.removal(path),
            Theirs::Shown(document) => {
                self.mirror
                    .adoption(Shown::Merged, collection, path, document)
            }
            Theirs::Written(document) => {
                self.mirror.adoption(Shown::Own, collection, path, document)
            }
            // What is here is what the master has made of it, too.
            Theirs::Changed(_) | Theirs::Unknown => Ok(Vec::new()),
        };
        changes.or_else(|why| {
            // It must not keep everything behind it from the master: whoever wants it asks again.
            log::warn!("no copy was made of what the master has at {path}: {why}");
            let mut changes = self.mirror.removal(path).map_err(JournalError::Copy)?;
            changes.push(self.mirror.forget(path));
            Ok(changes)
        })
    }

    /// The path and the write of what is kept of an entity, of which these writes came to nothing.
    /// None if nothing of theirs is here, or it is kept already.
    fn kept_of(&self, ended: &[Entry], at: u64) -> Result<Option<(String, Change)>, JournalError> {
        let Some(first) = ended.first().filter(|first| first.kept.is_none()) else {
            return Ok(None);
        };
        // What is here is of a later package then.
        let puts = !self.goes_with_package(first)?
            && ended.iter().any(|entry| entry.operation == Operation::Put);
        let store = self.book.store();
        let stored = match puts {
            true => store.entity(&first.path)?,
            false => None,
        };
        let Some(stored) = stored else {
            return Ok(None);
        };
        let (place, name) = place_and_name(&first.path);
        // The package may have gone, or be a binding now, in which nothing is.
        let place = match place.split_once('/') {
            Some((namespace, _)) if !is_package(store.entity(place)?) => namespace,
            _ => place,
        };
        // Where that cannot be read, the commit finds it out.
        let is_taken = |name: &str| matches!(store.entity(&format!("{place}/{name}")), Ok(Some(_)));
        let code = store.code(&first.path)?;
        let path = format!("{place}/{}", kept::name(name, at, is_taken));
        let copy = kept::copy(&stored, code, &path);
        Ok(copy.map(|write| (path, Change::Put(write))))
    }
}

fn is_package(stored: Option<Stored>) -> bool {
    let stored = stored.filter(|stored| stored.collection == Collection::Packages);
    let package =
        stored.and_then(|stored| Package::from_document(&stored.document, stored.revision));
    package.is_some_and(|package| package.binding.is_none())
}

fn not_an_entity(entry: &Entry) -> JournalError {
    JournalError::Copy(format!(
        "the master's answer about {} is not a document of its {}",
        entry.path,
        entry.collection.name()
    ))
}
