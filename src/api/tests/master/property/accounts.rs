//! Everything that was answered is accounted for.

use super::link::Effect;
use super::world::{Asked, Decided, World};
use super::writes::{Change, Write, is_inside};
use super::*;
use crate::master::journal::{Entry, Operation};

impl World {
    /// Nothing was done twice, unless somebody had undone it or wanted it again.
    pub(super) fn check_once(&self) {
        let effects = self.cloud.effects();
        let decided = lock(&self.decided);
        for Asked { write, at, .. } in lock(&self.asked).iter().filter(|it| it.write.is_put()) {
            let opened = |it: &Decided| !it.dropped && write.is_in(&it.body);
            if decided.iter().any(opened) {
                continue;
            }
            let done = effects.iter().enumerate();
            let done: Vec<usize> = done
                .filter(|(_, effect)| effect.by == Some(*at) && effect.is_put_of(write))
                .map(|(at, _)| at)
                .collect();
            for pair in done.windows(2) {
                let between = &effects[pair[0]..pair[1]];
                let undone = between.iter().any(|effect| effect.is_removal_of(write));
                assert!(undone, "{write:?} was done {} times", done.len());
            }
        }
    }

    /// What was refused has not been done.
    pub(super) fn check_refused(&self) {
        let effects = self.cloud.effects();
        for asked in lock(&self.asked).iter().filter(|it| it.write.is_put()) {
            // Who is answered anything else knows that nobody knows.
            let refused = |status| matches!(status, 400..=499 | 503);
            if asked.answer.is_some_and(|answer| refused(answer.status)) {
                let done = effects.iter().find(|it| it.is_put_of(&asked.write));
                assert!(done.is_none(), "{asked:?} was done: {done:?}");
            }
        }
    }

    /// What waited has not taken the place of what others have written meanwhile.
    pub(super) fn check_overwritten(&self) {
        let (effects, asked) = (self.cloud.effects(), lock(&self.asked));
        let decided = lock(&self.decided);
        for (nth, effect) in effects.iter().enumerate() {
            let Some(at) = effect.by else { continue };
            let is_opened =
                |it: &Decided| it.at == at && !it.dropped && it.entry.path == effect.path;
            // Who enables or disables a rule leaves what others have made of it.
            if effect.method == Method::Post {
                continue;
            }
            // A binding whose package is gone is deleted unseen.
            let unseen = effect.method == Method::Delete && effect.path == "guest/q";
            if unseen || decided.iter().any(is_opened) {
                continue;
            }
            let before = effects[..nth]
                .iter()
                .rposition(|it| is_written_at(it, effect));
            let Some(before) = before else { continue };
            let other = &effects[before];
            // One may come between the last look and the write.
            if other.by == Some(at) || other.method != Method::Put || other.step == effect.step {
                continue;
            }
            let causes = asked.iter().filter(|it| it.at == at && it.began <= nth);
            let mut causes = causes.filter(|it| is_cause(&it.write, effect)).peekable();
            let unknown = causes.peek().is_none();
            let waited = |it: &Asked| {
                let answer = it.answer;
                answer.is_some_and(|answer| answer.offline && answer.at <= before)
            };
            assert!(
                unknown || !causes.all(waited),
                "{effect:?} has taken the place of {other:?}"
            );
        }
    }

    /// What was answered with success is at the master, or says why not.
    pub(super) fn check_accounts(&self) {
        let effects = self.cloud.effects();
        let asked = lock(&self.asked).clone();
        let entries: Vec<Vec<Entry>> = self.sites.iter().map(|site| site.entries()).collect();
        for (nth, one) in asked.iter().enumerate().filter(|(_, it)| it.is_accepted()) {
            let (write, entries) = (&one.write, &entries[one.at]);
            let later = &effects[one.began..];
            let is_done = self.is_done(one, later);
            let entry = entries.iter().find(|it| self.is_of(one.at, it, write));
            let dropped = lock(&self.decided)
                .iter()
                .any(|it| it.dropped && it.at == one.at && is_entry_of(&it.entry, &it.body, write));
            assert!(
                is_done || entry.is_some() || dropped,
                "{one:?} is lost; since then the master has got {later:?}"
            );
            let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
                continue;
            };
            // What it has made, or what was kept of it in its package, was deleted here afterwards,
            // perhaps by somebody who has not been told so.
            let mut after = asked[nth + 1..].iter().filter(|it| it.at == one.at);
            let gone = after.any(|other| other.is_accepted() && other.write.removes(write))
                || later
                    .iter()
                    .any(|effect| effect.by == Some(one.at) && effect.is_removal_of(write))
                || entries.iter().any(|later| is_removed_by(entry, later))
                || self.is_given_up(one.at, &entry.path);
            match &entry.kept {
                Some(kept) if !gone => self.check_kept(one.at, kept, entries),
                Some(_) => {}
                None => assert!(is_done || gone, "nothing is kept of {entry:?}"),
            }
        }
    }

    /// Whether the master has done a write, as its effects since show.
    fn is_done(&self, asked: &Asked, later: &[Effect]) -> bool {
        let write = &asked.write;
        let mut later = later.iter();
        match write.change {
            Change::Delete { .. } => {
                later.any(|effect| effect.is_removal_of(write)) || self.was("", asked)
            }
            Change::Enable(active) => {
                let status = if active { "active" } else { "inactive" };
                later.any(|effect| effect.is_status_of(write, status)) || self.was(status, asked)
            }
            _ => later.any(|effect| effect.is_put_of(write)),
        }
    }

    /// Whether the master has had something in a state since that was asked for, of which it needs
    /// not have heard then.
    fn was(&self, state: &str, asked: &Asked) -> bool {
        // As it was before the step.
        let mut seen = self.states[asked.step.saturating_sub(2)..].iter();
        seen.any(|seen| seen[asked.write.path] == state)
    }

    /// Whether somebody has decided about an entry of a path, or of the package around it.
    fn is_given_up(&self, at: usize, path: &str) -> bool {
        let decided = lock(&self.decided);
        let mut here = decided.iter().filter(|it| it.at == at);
        here.any(|it| it.entry.path == path || is_inside(path, &it.entry.path))
    }

    /// Whether an entry of a journal is of a write.
    fn is_of(&self, at: usize, entry: &Entry, write: &Write) -> bool {
        let body = self.sites[at].book().body(entry.number).unwrap();
        is_entry_of(entry, &String::from_utf8(body).unwrap(), write)
    }

    /// What is kept of several writes is what the last of them has made.
    fn check_kept(&self, at: usize, kept: &str, entries: &[Entry]) {
        let stored = self.sites[at].stored(kept);
        let stored = stored.unwrap_or_else(|| panic!("{kept} is not there"));
        let of = entries.iter().rev();
        let mut of = of.filter(|entry| entry.kept.as_deref() == Some(kept));
        let last = of.find(|entry| entry.operation == Operation::Put).unwrap();
        let body = self.sites[at].book().body(last.number).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let set = ["parameters", "annotations"].map(|list| &body[list][0]["value"]);
        let token = set.into_iter().find_map(Value::as_str).unwrap();
        let document = stored.to_string();
        assert!(
            document.contains(&format!("\"{token}\"")),
            "{kept}: {document}"
        );
    }
}

/// Whether two effects are on the same entity, whose being there or content the first changes.
fn is_written_at(one: &Effect, other: &Effect) -> bool {
    let is_same = one.path == other.path && one.collection == other.collection;
    one.method != Method::Post && is_same
}

/// Whether a write is what has an effect.
fn is_cause(write: &Write, effect: &Effect) -> bool {
    let is_its = match write.is_put() {
        true => effect.is_put_of(write),
        false => write.collection.name() == effect.collection && write.path == effect.path,
    };
    write.method() == effect.method && is_its
}

fn is_entry_of(entry: &Entry, body: &str, write: &Write) -> bool {
    let operation = match write.change {
        Change::Delete { .. } => Operation::Delete,
        Change::Enable(_) => Operation::Status,
        _ => Operation::Put,
    };
    let is_its = !write.is_put() || write.is_in(body);
    entry.path == write.path && entry.operation == operation && is_its
}

/// Whether a later entry deletes what an earlier one has made, whoever was told of that.
fn is_removed_by(entry: &Entry, later: &Entry) -> bool {
    let is_around = entry.path == later.path || is_inside(&entry.path, &later.path);
    later.number > entry.number && later.operation == Operation::Delete && is_around
}
