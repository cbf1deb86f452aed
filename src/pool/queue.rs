//! Requests that wait: first in, first out for each action. Namespaces take turns, and within
//! each its actions do.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::decision::Ticket;
use super::key::{Key, Needs};

/// The requests for one action of one namespace.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) key: Key,
    pub(super) needs: Needs,
    /// The oldest first; never empty.
    pub(super) waiters: VecDeque<Waiter>,
    /// Since when others get room though it is its turn, because it needs more than there is.
    pub(super) passed_over: Option<Instant>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) ticket: Ticket,
    pub(super) since: Instant,
}

/// The lines of one namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    /// In the order of their turns; never empty.
    pub(super) lines: VecDeque<Line>,
}

impl Namespace {
    fn name(&self) -> &str {
        self.lines.front().map_or("", |line| line.key.namespace())
    }
}

/// All requests that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// In the order of their turns.
    namespaces: VecDeque<Namespace>,
    /// How many requests wait for each action.
    counts: HashMap<Key, usize>,
    waiting: usize,
}

impl Queue {
    /// A new request, behind all others of its action. A new action comes last.
    pub(super) fn push(&mut self, now: Instant, ticket: Ticket, key: Key, needs: Needs) {
        let waiter = Waiter { ticket, since: now };
        self.waiting += 1;
        *self.counts.entry(key.clone()).or_default() += 1;
        let mut namespaces = self.namespaces.iter_mut();
        let namespace = namespaces.find(|namespace| namespace.name() == key.namespace());
        if let Some(namespace) = namespace {
            match namespace.lines.iter_mut().find(|line| line.key == key) {
                Some(line) => line.waiters.push_back(waiter),
                None => namespace.lines.push_back(Line::new(key, needs, waiter)),
            }
            return;
        }
        let lines = VecDeque::from([Line::new(key, needs, waiter)]);
        self.namespaces.push_back(Namespace { lines });
    }

    /// The oldest request of an action has got its sandbox: its turn, and that of its namespace,
    /// is over.
    pub(super) fn served(&mut self, key: &Key) {
        let Some((n, l)) = self.find(|line| line.key == *key) else {
            return;
        };
        self.counted_out(key);
        let namespace = self.namespaces.remove(n);
        let mut namespace = namespace.expect("it was just found");
        let line = namespace.lines.remove(l);
        let mut line = line.expect("it was just found");
        line.waiters.pop_front();
        line.passed_over = None;
        if !line.waiters.is_empty() {
            namespace.lines.push_back(line);
        }
        if !namespace.lines.is_empty() {
            self.namespaces.push_back(namespace);
        }
    }

    /// A request is withdrawn. Tells whether it was here.
    pub(super) fn cancel(&mut self, ticket: Ticket) -> bool {
        let has = |line: &Line| line.waiters.iter().any(|waiter| waiter.ticket == ticket);
        let Some((n, l)) = self.find(has) else {
            return false;
        };
        let lines = &mut self.namespaces[n].lines;
        let line = &mut lines[l];
        line.waiters.retain(|waiter| waiter.ticket != ticket);
        let key = line.key.clone();
        if line.waiters.is_empty() {
            lines.remove(l);
        }
        if lines.is_empty() {
            self.namespaces.remove(n);
        }
        self.counted_out(&key);
        true
    }

    /// Removes all requests, and tells which they were.
    pub(super) fn clear(&mut self) -> Vec<Ticket> {
        let all = std::mem::take(self).namespaces.into_iter();
        let lines = all.flat_map(|namespace| namespace.lines);
        let waiters = lines.flat_map(|line| line.waiters);
        waiters.map(|waiter| waiter.ticket).collect()
    }

    /// Shows what the requests of each line need, for it to be changed.
    pub(super) fn each_needs(&mut self, mut change: impl FnMut(&mut Needs)) {
        let namespaces = self.namespaces.iter_mut();
        let lines = namespaces.flat_map(|namespace| &mut namespace.lines);
        lines.for_each(|line| change(&mut line.needs));
    }

    /// The namespaces, in the order of their turns.
    pub(super) fn namespaces(&self) -> &VecDeque<Namespace> {
        &self.namespaces
    }

    /// These lines are passed over from now on, if they are not already.
    pub(super) fn pass_over(&mut self, now: Instant, lines: &[(usize, usize)]) {
        for (n, l) in lines {
            self.namespaces[*n].lines[*l].passed_over.get_or_insert(now);
        }
    }

    /// How many requests wait for an action.
    pub(super) fn waiting_for(&self, key: &Key) -> usize {
        self.counts.get(key).copied().unwrap_or(0)
    }

    /// How many requests wait.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    fn find(&self, which: impl Fn(&Line) -> bool) -> Option<(usize, usize)> {
        let mut namespaces = self.namespaces.iter().enumerate();
        namespaces.find_map(|(n, namespace)| Some((n, namespace.lines.iter().position(&which)?)))
    }

    fn counted_out(&mut self, key: &Key) {
        self.waiting -= 1;
        if let Some(count) = self.counts.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(key);
            }
        }
    }
}

impl Line {
    fn new(key: Key, needs: Needs, waiter: Waiter) -> Self {
        Line {
            key,
            needs,
            waiters: VecDeque::from([waiter]),
            passed_over: None,
        }
    }
}
