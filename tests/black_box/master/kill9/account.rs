//! Holds what clients were answered against what the master was asked to do.

use super::load::{Change, Op, Outcome};
use super::wire::Sent;

/// How many changes and requests are told of a failure.
const SHOWN: usize = 12;

/// What of the changes of an entity came to nothing at the master, by the gateway's journal.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Entries that came to nothing: puts, deletions.
    pub puts: usize,
    pub deletions: usize,
    /// The numbers of the changes that made what is kept beside.
    pub tokens: Vec<u64>,
}

/// What is wrong with an entity: `ops` are its changes in order, `sent` what went to the master.
pub fn problems(ops: &[Op], sent: &[Sent], kept: &Kept) -> Vec<String> {
    let mut problems = twice(sent);
    let done: Vec<&Sent> = sent.iter().filter(|sent| sent.done()).collect();
    let tokens: Vec<u64> = done.iter().filter_map(|sent| sent.token).collect();
    if !tokens.is_sorted() {
        problems.push(format!("the master got changes out of order: {tokens:?}"));
    }
    let mut missing = Vec::new();
    let mut missing_deletions = 0;
    for op in ops {
        let there = match op.change {
            Change::Put => tokens.contains(&op.token),
            Change::Delete => is_deleted(&done, op.token),
            Change::Status => continue,
        };
        match (op.outcome, op.change) {
            (Outcome::Made, Change::Put) if !there => missing.push(op.token),
            (Outcome::Made, Change::Delete) if !there => missing_deletions += 1,
            (Outcome::Refused, Change::Put) if there => {
                problems.push(format!("{} was refused, and made", op.token));
            }
            _ => (),
        }
    }
    if missing.len() > kept.puts || missing_deletions > kept.deletions {
        problems.push(format!(
            "lost: {missing:?} and {missing_deletions} deletions; came to nothing: {kept:?}"
        ));
    }
    // The last of a chain of conflicts is what is kept of it.
    let last = ops
        .iter()
        .rfind(|op| op.outcome == Outcome::Made && op.change != Change::Status);
    if let Some(last) = last
        && missing.contains(&last.token)
        && !kept.tokens.iter().any(|kept| *kept >= last.token)
    {
        problems.push(format!("{} is not kept: {kept:?}", last.token));
    }
    problems
}

/// The last changes of an entity, and the last requests for it, for people.
pub fn course(ops: &[Op], sent: &[Sent]) -> String {
    let last = |from: usize| from.saturating_sub(SHOWN);
    let ops = ops[last(ops.len())..]
        .iter()
        .map(|op| format!("{:?} {} {:?}", op.change, op.token, op.outcome));
    let sent = sent[last(sent.len())..].iter().map(|sent| {
        let token = sent.token.map_or("".into(), |token| format!(" {token}"));
        format!("{}{token}: {}", sent.method, sent.status)
    });
    let [ops, sent] = [ops.collect::<Vec<_>>(), sent.collect()].map(|all| all.join(", "));
    format!("  its last changes: {ops}\n  sent to the master: {sent}")
}

/// Whether the master has deleted something between the changes before and those after a number.
fn is_deleted(done: &[&Sent], token: u64) -> bool {
    let before = done
        .iter()
        .rposition(|sent| sent.token.is_some_and(|other| other < token));
    let from = before.map_or(0, |at| at + 1);
    let between = done[from..].iter().take_while(|sent| sent.token.is_none());
    between.into_iter().any(|sent| sent.method == "DELETE")
}

/// What was sent again although the master had said yes to it.
fn twice(sent: &[Sent]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut done = Vec::new();
    let mut deleted = false;
    for sent in sent {
        match sent.token {
            Some(token) => {
                if done.contains(&token) {
                    problems.push(format!("{token} was sent again after it was done"));
                }
                if sent.done() {
                    done.push(token);
                    deleted = false;
                }
            }
            None if sent.method == "DELETE" => {
                if deleted {
                    problems.push(format!("deleted again after {:?}", done.last()));
                }
                deleted |= sent.done();
            }
            None => (),
        }
    }
    problems
}
