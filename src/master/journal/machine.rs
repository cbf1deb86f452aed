//! The replay of one entry, as a state machine: what has come goes in, what is to be done comes
//! out. It knows of no clock, no network and no store.
//!
//! The master cannot be asked to do a write only once, and an answer may be lost. So it is looked
//! at before anything is sent: what it has tells whether the write is done already, can still be
//! done, or comes too late. Before a write is sent it is noted durably that it may be; whoever
//! finds that note after a crash looks again.

use bytes::Bytes;

use super::entry::{Base, Entry, Operation, State};
use super::stamp::Stamp;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Look at what the master has; with code if `fully`.
    Look {
        /// With code.
        fully: bool,
    },
    /// Note durably that the write may be sent from now on.
    Mark,
    /// Send the write.
    Send,
    /// Settle the entry durably, and with it what is here.
    End(Ending),
    /// Begin anew later.
    Later(Delay),
}

/// Why a replay does not go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Delay {
    /// The master cannot be reached, or is not well.
    Unreachable(String),
    /// It wants this namespace to wait.
    Throttled(String),
    /// It answered to the write that it has failed.
    Error(String),
    /// It does not take the key: it may be that of something on the way.
    Key(String),
}

/// How an entry ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// The master has done it.
    Applied(Theirs),
    /// The master has moved on.
    Superseded(Theirs),
    /// The master does not do it: why.
    Failed(String, Theirs),
}

/// What the master has in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Theirs {
    /// Nothing.
    Absent,
    /// This document, with code, as it is shown to those who ask: with what it inherits.
    Shown(Bytes),
    /// This document, with code, as the answer to the write has it.
    Written(Bytes),
    /// What it had, with the change asked for: no document came with the answer.
    Changed(Stamp),
    /// Nobody may see it.
    Unknown,
}

/// What a look at the master has shown.
#[derive(Debug)]
pub enum Sight {
    /// There is nothing.
    Absent,
    /// There is this.
    Present {
        /// Its state.
        stamp: Stamp,
        /// Whether it is what the write makes of it, as far as code was looked at.
        same: bool,
        /// The document, with code if that was asked for.
        document: Bytes,
    },
    /// It is not shown: why.
    Refused(String),
    /// There was no answer that tells.
    Trouble(Delay),
}

/// What came of sending.
#[derive(Debug)]
pub enum Answer {
    /// It is done, with this document.
    Done(Bytes),
    /// It is done, and no document came with it.
    DoneSilently,
    /// There is nothing to do it to: why.
    Absent(String),
    /// It will not be done: why.
    Refused(String),
    /// Nobody knows.
    Trouble(Delay),
}

/// The replay of an entry.
#[derive(Debug)]
pub struct Replay {
    operation: Operation,
    base: Base,
    /// Whether it has code, so that looking fully is more than looking.
    has_code: bool,
    /// Whether it may be there though it is not shown.
    may_hide: bool,
    /// Whether it is noted that the write may have been sent.
    marked: bool,
    /// Why the master does not do it.
    refused: Option<String>,
    /// What the last look has shown.
    seen: Option<Stamp>,
    /// Whether the last look showed the code.
    fully: bool,
}

impl Replay {
    /// Begins; gives the first step.
    pub fn new(entry: &Entry) -> (Self, Step) {
        let marked = entry.state == State::Sending;
        let mut replay = Replay {
            operation: entry.operation,
            base: entry.base.clone(),
            has_code: entry.has_code(),
            may_hide: entry.may_hide(),
            marked,
            refused: None,
            seen: None,
            fully: false,
        };
        // What may have been done already must be compared as a whole.
        let step = replay.look(marked);
        (replay, step)
    }

    /// Takes what a look has shown.
    pub fn seen(&mut self, sight: Sight) -> Step {
        let (stamp, same, document) = match sight {
            Sight::Trouble(delay) => return Step::Later(delay),
            Sight::Refused(_) if self.is_to_be_deleted_unseen() => return self.go(),
            Sight::Refused(reason) => {
                let reason = self.refused.take().unwrap_or(reason);
                return Step::End(Ending::Failed(reason, Theirs::Unknown));
            }
            Sight::Absent => return self.seen_absent(),
            Sight::Present {
                stamp,
                same,
                document,
            } => (stamp, same, document),
        };
        let at_base = match &self.base {
            Base::At(base) => base.is(&stamp),
            Base::Any => true,
            Base::Absent | Base::Before => false,
        };
        self.seen = Some(stamp);
        // Who replaces anything must compare; what is still in its old state has not been done. But
        // a rule's document does not change with its status.
        let compare = match self.base {
            Base::Any => self.marked,
            _ => !at_base || self.operation == Operation::Status,
        };
        if at_base && self.refused.is_none() && !(compare && (same || !self.fully)) {
            return self.go();
        }
        if !self.fully {
            return self.look(true);
        }
        let theirs = Theirs::Shown(document);
        Step::End(match self.refused.take() {
            _ if compare && same => Ending::Applied(theirs),
            Some(reason) if at_base => Ending::Failed(reason, theirs),
            _ => Ending::Superseded(theirs),
        })
    }

    fn seen_absent(&mut self) -> Step {
        self.seen = None;
        match (self.operation, &self.base) {
            (Operation::Delete, _) if self.is_to_be_deleted_unseen() => self.go(),
            (Operation::Delete, _) => Step::End(match self.refused.take() {
                Some(reason) if self.may_hide => Ending::Failed(reason, Theirs::Unknown),
                _ => Ending::Applied(Theirs::Absent),
            }),
            (Operation::Put, Base::Absent | Base::Any) => match self.refused.take() {
                None => self.go(),
                Some(reason) => Step::End(Ending::Failed(reason, Theirs::Absent)),
            },
            _ => Step::End(Ending::Superseded(Theirs::Absent)),
        }
    }

    /// Whether it is deleted without having been seen: only the answer to that tells whether it was
    /// there.
    fn is_to_be_deleted_unseen(&self) -> bool {
        self.may_hide && self.operation == Operation::Delete && self.refused.is_none()
    }

    /// It has been noted that the write may be sent.
    pub fn marked(&mut self) -> Step {
        self.marked = true;
        Step::Send
    }

    /// Takes the answer to the write.
    pub fn answered(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Done(_) if self.operation == Operation::Delete => {
                Step::End(Ending::Applied(Theirs::Absent))
            }
            Answer::Done(document) => Step::End(Ending::Applied(Theirs::Written(document))),
            Answer::DoneSilently => {
                let theirs = match (self.operation, self.seen.take()) {
                    (Operation::Delete, _) => Theirs::Absent,
                    (_, Some(stamp)) => Theirs::Changed(stamp),
                    (_, None) => Theirs::Unknown,
                };
                Step::End(Ending::Applied(theirs))
            }
            Answer::Absent(_) if self.operation == Operation::Delete => {
                Step::End(Ending::Applied(Theirs::Absent))
            }
            // Why may have to do with what the master has now; and that is what counts here, too.
            Answer::Absent(reason) | Answer::Refused(reason) => {
                self.refused = Some(reason);
                self.look(true)
            }
            Answer::Trouble(delay) => Step::Later(delay),
        }
    }

    fn look(&mut self, fully: bool) -> Step {
        self.fully = fully || !self.has_code;
        Step::Look { fully: self.fully }
    }

    fn go(&self) -> Step {
        if self.marked { Step::Send } else { Step::Mark }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
