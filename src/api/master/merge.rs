//! Two lists of activations as one: those of this gateway and those of the master, the last
//! started first, each id once. Without I/O: whoever has the lists is told which part of which is
//! wanted next, so that no more of them is in memory than a page needs.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;

use crate::entity::{ActivationId, Annotations, Whereabouts, json};

/// Rows that are asked for at once, at most: as many as OpenWhisk gives.
const PAGE: usize = 200;

/// How far in time, in milliseconds, rows here are looked through for work that was done at the
/// master, before a row of the master is taken as one of its own. Between the record here and that
/// there lie the way and the wait at most.
const AHEAD: u64 = 60_000;

/// Rows here that are looked through ahead, at most.
const MOST_AHEAD: usize = 1000;

/// Rows of the master that are looked through for one page, at most: as far as a page may lie, and
/// as many again that are shown by their rows here.
const MOST_THERE: usize = 20_000;

/// Parts of the master's list in a row that bring nothing new, before it is taken to have ended: a
/// list that grows shows some rows again, and one that does not heed `skip` shows nothing else.
const MOST_IN_VAIN: usize = 3;

/// Where the record of an activation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the store.
    Here,
    /// The master has it.
    Master,
}

/// A row of the list.
#[derive(Debug)]
pub(super) struct Row {
    /// Its id.
    pub(super) id: ActivationId,
    /// Its start, in milliseconds since 1970.
    pub(super) start: u64,
    /// Where its record is.
    pub(super) place: Place,
    /// The summary as it stands there.
    pub(super) head: Vec<u8>,
}

/// What must be known before it goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// This part of the list here.
    Here { skip: usize, limit: usize },
    /// This part of the master's list.
    Master { skip: usize, limit: usize },
    /// Nothing: the rows are complete.
    Nothing,
}

/// A page of the merged list in the making.
pub(super) struct Merge {
    /// The master, as records of work that was done there name it.
    master_url: String,
    /// Rows that are still to be left out before the page.
    skip: usize,
    /// Rows that the page still has room for.
    limit: usize,
    here: Side,
    master: Side,
    /// Ids at the master of what has a row here.
    whereabouts: HashSet<ActivationId>,
    /// Rows so far: a list that grows while it is read shows some of them again.
    seen: HashSet<ActivationId>,
    /// Rows that the master has shown so far.
    shown: HashSet<ActivationId>,
    /// Parts of its list that have brought none, in a row.
    in_vain: usize,
    rows: Vec<Row>,
}

/// One of the lists.
#[derive(Default)]
struct Side {
    waiting: VecDeque<Row>,
    /// Rows that were asked for so far.
    asked: usize,
    /// Of those, the ones that were asked for last.
    last: usize,
    /// Whether there are no more.
    ended: bool,
}

impl Side {
    /// Asks for the next rows: how many lie before them.
    fn ask(&mut self, limit: usize) -> usize {
        self.last = limit;
        self.asked += limit;
        self.asked - limit
    }

    /// Takes what has come of as many as had been asked for.
    fn add(&mut self, came: usize, rows: Vec<Row>) {
        self.ended |= came < self.last;
        self.waiting.extend(rows);
    }
}

impl Merge {
    /// The page of `limit` rows behind the first `skip`. `master_url` is the master as the
    /// annotation `owl-tier` names it.
    pub(super) fn new(master_url: &str, skip: usize, limit: usize) -> Self {
        Merge {
            master_url: master_url.into(),
            skip,
            limit,
            here: Side::default(),
            master: Side::default(),
            whereabouts: HashSet::new(),
            seen: HashSet::new(),
            shown: HashSet::new(),
            in_vain: 0,
            rows: Vec::new(),
        }
    }

    /// Goes on as far as it can, and says what it wants then. What it wants is to be given before
    /// it is asked again.
    pub(super) fn wants(&mut self) -> Wants {
        loop {
            if self.limit == 0 {
                return Wants::Nothing;
            }
            if self.master.waiting.is_empty() && !self.master.ended {
                let limit = self.skip.saturating_add(self.limit).min(PAGE);
                let skip = self.master.ask(limit);
                return Wants::Master { skip, limit };
            }
            if self.wants_here() {
                let skip = self.here.ask(PAGE);
                return Wants::Here { skip, limit: PAGE };
            }
            let started = |side: &Side| side.waiting.front().map(|row| row.start);
            // What is here comes before what began at the same time there.
            let next = if started(&self.here) >= started(&self.master) {
                self.here.waiting.pop_front()
            } else {
                let next = self.master.waiting.pop_front();
                if next
                    .as_ref()
                    .is_some_and(|row| self.whereabouts.contains(&row.id))
                {
                    continue;
                }
                next
            };
            let Some(row) = next else {
                return Wants::Nothing;
            };
            if self.skip > 0 {
                self.skip -= 1;
            } else {
                self.limit -= 1;
                self.rows.push(row);
            }
        }
    }

    /// Whether more rows of this gateway must be known before the next row is.
    fn wants_here(&self) -> bool {
        let here = &self.here;
        if here.ended {
            return false;
        }
        let Some(last) = here.waiting.back() else {
            return true;
        };
        let master = self.master.waiting.front();
        master.is_some_and(|row| last.start.saturating_add(AHEAD) >= row.start)
            && here.waiting.len() < MOST_AHEAD
    }

    /// Takes the part of the list here that was wanted.
    pub(super) fn add_here(&mut self, heads: &[Vec<u8>]) {
        let rows = heads.iter().filter_map(|head| {
            let read: Head = json::stored(head)?;
            self.whereabouts.extend(read.id_at(&self.master_url));
            let is_new = self.seen.insert(read.id);
            is_new.then(|| read.row(Place::Here, head))
        });
        let rows = rows.collect();
        self.here.add(heads.len(), rows);
    }

    /// Takes the part of the master's list that was wanted: its answer. `is_here` says whether an
    /// id has a row here; that one is shown.
    ///
    /// # Errors
    /// It is not a list of activations, or has more of them than were asked for.
    pub(super) fn add_master(
        &mut self,
        answer: &[u8],
        is_here: impl Fn(ActivationId) -> bool,
    ) -> Result<(), NotAList> {
        let heads = array_of(answer, self.master.last).ok_or(NotAList)?;
        let mut rows = Vec::with_capacity(heads.len());
        let mut is_new = false;
        for head in &heads {
            let head = head.get().as_bytes();
            let read: Head = json::stored(head).ok_or(NotAList)?;
            is_new |= self.shown.insert(read.id);
            if !is_here(read.id) && self.seen.insert(read.id) {
                rows.push(read.row(Place::Master, head));
            }
        }
        self.master.add(heads.len(), rows);
        self.in_vain = if is_new { 0 } else { self.in_vain + 1 };
        self.master.ended |= self.in_vain >= MOST_IN_VAIN || self.master.asked >= MOST_THERE;
        Ok(())
    }

    /// The rows, when nothing is wanted any more.
    pub(super) fn rows(self) -> Vec<Row> {
        self.rows
    }
}

/// The id at the master of an activation that has this summary here; none if it was not there.
pub(super) fn id_at(master_url: &str, head: &[u8]) -> Option<ActivationId> {
    // Most were not: they need not be read.
    let may_be = str::from_utf8(head).is_ok_and(|text| text.contains(Whereabouts::ANNOTATION));
    may_be.then(|| json::stored::<Head>(head)?.id_at(master_url))?
}

/// The master's answer is not a list of activations.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAList;

/// The elements of a JSON array of at most so many; none if it is something else, or longer. A
/// hostile one has millions in the bytes that an answer may have.
fn array_of(answer: &[u8], most: usize) -> Option<Vec<&RawValue>> {
    struct Elements(usize);

    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {}", self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = list.next_element()? {
                if elements.len() == self.0 {
                    return Err(A::Error::custom("it has more"));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }

    let mut answer = serde_json::Deserializer::from_slice(answer);
    let elements = answer.deserialize_seq(Elements(most)).ok()?;
    answer.end().ok()?;
    Some(elements)
}

/// What matters of a summary.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "activationId")]
    id: ActivationId,
    start: u64,
    #[serde(borrow, default)]
    annotations: Annotations<'a>,
}

impl Head<'_> {
    fn id_at(&self, master_url: &str) -> Option<ActivationId> {
        let whereabouts = self.annotations.whereabouts()?;
        let is_there = whereabouts.url.as_deref() == Some(master_url);
        whereabouts.activation_id.filter(|_| is_there)
    }

    fn row(&self, place: Place, head: &[u8]) -> Row {
        Row {
            id: self.id,
            start: self.start,
            place,
            head: head.to_vec(),
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
