//! What a running daemon tells of itself.

use std::time::{Duration, Instant};

use super::document::{Document, Engine, Failed, Images, Line, Memory, Pool, Pull, Sandbox, Tally};
use crate::engine::docker::{FailedImage, ImagesStatus, PullStatus};
use crate::invoke::Figures;
use crate::pool::{Cause, Key, LineView, MemoryView, SandboxView, Snapshot, Statistics};

/// What is told of a daemon beside its pool.
pub struct Daemon {
    /// When it was started.
    pub started: Instant,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Whether a Docker Engine has answered since.
    pub has_docker: bool,
    /// How things stand with its invoker.
    pub figures: Figures,
}

/// A document of all of it.
pub fn document(
    daemon: Daemon,
    pool: (Snapshot, Statistics, Option<MemoryView>),
    images: Option<ImagesStatus>,
) -> Document {
    let (snapshot, statistics, memory) = pool;
    Document {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime: milliseconds(daemon.started.elapsed()),
        addresses: daemon.addresses,
        accepts: daemon.figures.accepts,
        running: daemon.figures.running,
        pool: figures(&statistics),
        tally: tally(&statistics),
        memory: memory.map(|memory| Memory {
            short: snapshot.held,
            available: memory.reading.available.map(|bytes| bytes >> 20),
            floor: memory.floor >> 20,
            stalled: memory.reading.stalled,
        }),
        engines: engines(&snapshot, daemon.has_docker),
        sandboxes: snapshot.sandboxes.into_iter().map(sandbox).collect(),
        queue: snapshot.lines.iter().map(line).collect(),
        queue_more: snapshot.more_lines,
        images: images.map(images_of),
    }
}

fn figures(statistics: &Statistics) -> Pool {
    let counts = statistics.counts;
    Pool {
        capacity: statistics.capacity,
        starting: counts.starting,
        busy: counts.busy,
        idle: counts.idle - counts.frozen,
        frozen: counts.frozen,
        stems: counts.stems,
        removing: counts.removing,
        waiting: counts.waiting,
        memory: statistics.memory,
        memory_budget: statistics.memory_budget,
    }
}

fn tally(statistics: &Statistics) -> Tally {
    let tally = &statistics.tally;
    let evictions = Cause::ALL.into_iter();
    Tally {
        hits: tally.hits,
        colds: tally.colds,
        stems: tally.stems,
        prepared: tally.prepared,
        waited: tally.waited,
        refused: tally.refused,
        stems_failed: tally.stems_failed,
        evictions: evictions
            .map(|cause| (cause.name().to_owned(), tally.removals(cause)))
            .collect(),
    }
}

fn engines(snapshot: &Snapshot, has_docker: bool) -> Vec<Engine> {
    let engine = |name: &str, is_there: bool| Engine {
        name: name.to_owned(),
        state: match (is_there, snapshot.down.contains(&name)) {
            (false, _) => "none",
            (true, true) => "down",
            (true, false) => "up",
        }
        .to_owned(),
    };
    vec![engine("process", true), engine("docker", has_docker)]
}

fn sandbox(view: SandboxView) -> Sandbox {
    Sandbox {
        slot: view.slot,
        phase: view.doing.name().to_owned(),
        lasts: milliseconds(view.lasts),
        action: view.key.as_ref().map(|key| key.action().to_owned()),
        namespace: view
            .key
            .as_ref()
            .map(|key: &Key| key.namespace().to_owned()),
        engine: view.engine.to_owned(),
        kind: view.kind,
        image: view.image,
        memory: view.memory,
        runs: view.runs,
        retired: view.retired.map(|cause| cause.name().to_owned()),
    }
}

fn line(view: &LineView) -> Line {
    Line {
        namespace: view.key.namespace().to_owned(),
        action: view.key.action().to_owned(),
        waiting: view.waiting,
        longest: milliseconds(view.longest),
    }
}

fn images_of(status: ImagesStatus) -> Images {
    let pull = |pull: PullStatus| Pull {
        image: pull.image,
        lasts: milliseconds(pull.since.elapsed()),
        layers: pull.progress.layers,
        done: pull.progress.done,
        bytes: pull.progress.bytes,
        size: pull.progress.size,
    };
    let failed = |failed: FailedImage| Failed {
        image: failed.image,
        reason: failed.reason,
        lasts: milliseconds(failed.since.elapsed()),
        tried_again: failed.is_tried_again,
    };
    Images {
        own: status.own,
        pulls: status.pulls.into_iter().map(pull).collect(),
        failed: status.failed.into_iter().map(failed).collect(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
