//! What a process was told to be durable is there after it was killed at any moment.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use owl::entity::ActivationId;
use owl::store::{ActivationFilter, Progress};
use smol::block_on;

use super::{open, row, second_part, second_process};

const ROUNDS: usize = 30;

/// Writes for ever; prints what is durable: a letter and an id a line.
fn write_and_tell(folder: &Path) {
    let store = open(folder);
    let tell = |kind: char, id: ActivationId| {
        // Straight to the descriptor: a line that was printed must not wait in a buffer.
        let line = format!("{kind} {id}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    };
    for group in (1..40).cycle() {
        let ids: Vec<_> = (0..group).map(|_| ActivationId::random()).collect();
        let accepted: Vec<_> = ids
            .iter()
            .map(|id| store.accept(*id, id.to_string().into_bytes()))
            .collect();
        for (id, accepted) in ids.iter().zip(accepted) {
            block_on(accepted).unwrap();
            tell('a', *id);
        }
        // Of each group one stays accepted and one started.
        let (first, rest) = ids.split_first().unwrap();
        let started = rest.first().copied();
        if let Some(id) = started {
            block_on(store.mark_started(id)).unwrap();
            tell('s', id);
        }
        let ended: Vec<_> = rest.iter().skip(1).collect();
        let written: Vec<_> = ended
            .iter()
            .map(|id| store.put_activation(row(**id, 2000)))
            .collect();
        for (id, written) in ended.into_iter().zip(written) {
            block_on(written).unwrap();
            tell('e', *id);
        }
        assert_ne!(Some(*first), started);
    }
}

/// What was told, over all rounds.
#[derive(Default)]
struct Told {
    accepted: Vec<ActivationId>,
    started: Vec<ActivationId>,
    ended: Vec<ActivationId>,
}

impl Told {
    fn add(&mut self, printed: &str) -> usize {
        // Only whole lines: the last one may have been cut by the kill. The lines of the test
        // harness have other forms.
        let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut told = 0;
        for line in whole.lines() {
            let list = match line.get(..2) {
                Some("a ") => &mut self.accepted,
                Some("s ") => &mut self.started,
                Some("e ") => &mut self.ended,
                _ => continue,
            };
            list.push(line[2..].parse().unwrap());
            told += 1;
        }
        told
    }

    fn check(&self, folder: &Path) {
        let store = open(folder);
        let pending = store.pending().unwrap();
        let progress = |id: &ActivationId| {
            let entry = pending.iter().find(|(pending, ..)| pending == id);
            entry.map(|(_, progress, document)| {
                assert_eq!(*document, id.to_string().into_bytes());
                *progress
            })
        };
        let ended = |id: &ActivationId| match store.activation("guest", *id).unwrap() {
            Some((head, tail)) => head == id.to_string().into_bytes() && tail.len() == 2000,
            None => false,
        };
        for id in &self.accepted {
            assert!(
                progress(id).is_some() != ended(id),
                "{id} is lost, or there twice"
            );
        }
        for id in &self.started {
            assert_eq!(progress(id), Some(Progress::Started), "{id}");
        }
        for id in &self.ended {
            assert!(ended(id), "the record of {id} is lost");
        }
        let all = ActivationFilter::default();
        let count = store.count_activations("guest", &all).unwrap();
        let list = store.activations("guest", &all, 0, usize::MAX, true);
        assert_eq!(list.unwrap().len() as u64, count);
        assert_eq!(store.usage().unwrap().activations, count);
    }
}

#[test]
fn what_was_told_is_there() {
    if let Some(folder) = second_part() {
        return write_and_tell(&folder);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    let mut moment = u64::from(std::process::id());
    for round in 0..ROUNDS {
        let mut child = second_process("kill::what_was_told_is_there", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        // A pseudo-random moment in the first 150 ms of writing.
        moment = moment
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(round as u64 + 1);
        let mut printed = Vec::new();
        let mut chunk = [0; 4096];
        let mut deadline = None;
        while deadline.is_none_or(|deadline| Instant::now() < deadline) {
            let read = output.read(&mut chunk).unwrap();
            assert!(read > 0, "the writer has ended by itself");
            printed.extend_from_slice(&chunk[..read]);
            if printed.windows(3).any(|part| part == b"\na ") {
                deadline
                    .get_or_insert(Instant::now() + Duration::from_millis((moment >> 33) % 150));
            }
        }
        child.kill().unwrap();
        output.read_to_end(&mut printed).unwrap();
        child.wait().unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert!(
            told.add(&printed) > 0,
            "nothing was written in round {round}"
        );
        told.check(dir.path());
    }
    assert!(told.ended.len() > ROUNDS && told.started.len() > ROUNDS);
}
