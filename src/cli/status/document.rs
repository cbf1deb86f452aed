//! What `owl status --json` prints: how a daemon stands, as one JSON object.
//!
//! What is not in a document is taken for nothing there, so that a daemon and a command of
//! different versions understand each other.

use serde::{Deserialize, Serialize};

/// How a daemon stands. Times are in milliseconds, memory is in MB.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Document {
    /// Version of the daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// For how long it has run.
    pub uptime: u64,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Whether it takes calls.
    pub accepts: bool,
    /// Activations that run, or wait for a sandbox.
    pub running: usize,
    /// How many sandboxes there are and may be.
    pub pool: Pool,
    /// What the pool has done.
    pub tally: Tally,
    /// The machine's memory; none where it is not watched.
    pub memory: Option<Memory>,
    /// Where sandboxes come from.
    pub engines: Vec<Engine>,
    /// Each sandbox, the oldest first.
    pub sandboxes: Vec<Sandbox>,
    /// Who waits, the longest wait first; no more than 100.
    pub queue: Vec<Line>,
    /// How many more there are.
    pub queue_more: usize,
    /// Images; none without a Docker Engine.
    pub images: Option<Images>,
}

/// How many sandboxes there are and may be.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pool {
    /// Sandboxes that there may be.
    pub capacity: usize,
    /// Being started, but for stem cells.
    pub starting: usize,
    /// Being initialised, or running.
    pub busy: usize,
    /// Warm and free, and not frozen.
    pub idle: usize,
    /// Warm, free and frozen.
    pub frozen: usize,
    /// Stem cells, those among them that are being started.
    pub stems: usize,
    /// Going.
    pub removing: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// What the memory limits of all sandboxes come to.
    pub memory: u64,
    /// What they may come to.
    pub memory_budget: u64,
}

/// What the pool has done since the daemon was started.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tally {
    /// Requests that got a warm sandbox.
    pub hits: u64,
    /// Requests that had to start one.
    pub colds: u64,
    /// Requests that got a stem cell.
    pub stems: u64,
    /// Sandboxes that were started ahead of a call.
    pub prepared: u64,
    /// Requests that had to wait.
    pub waited: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Stem cells that could not be started, or have ended by themselves.
    pub stems_failed: u64,
    /// Sandboxes that had to go, by the cause.
    pub evictions: std::collections::BTreeMap<String, u64>,
}

/// The machine's memory.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    /// Whether it is so short that no sandbox is started.
    pub short: bool,
    /// What can be had; none: the kernel does not tell.
    pub available: Option<u64>,
    /// What is to stay available.
    pub floor: u64,
    /// Per cent of the last ten seconds in which tasks stalled for memory; none: the kernel does
    /// not tell.
    pub stalled: Option<f32>,
}

/// A source of sandboxes.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Engine {
    /// `process` or `docker`.
    pub name: String,
    /// `up`, `down` (it does not answer) or `none` (it has not answered since the start).
    pub state: String,
}

/// One sandbox.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Sandbox {
    /// Its number.
    pub slot: u64,
    /// `starting`, `busy`, `idle`, `frozen`, `stem` or `removing`.
    pub phase: String,
    /// For how long; frozen ones count from when they became idle.
    pub lasts: u64,
    /// `ns/[package/]name` of its action; none for a stem cell.
    pub action: Option<String>,
    /// The namespace that it runs for.
    pub namespace: Option<String>,
    /// Its engine.
    pub engine: String,
    /// Its kind.
    pub kind: String,
    /// Its image; none for the process engine.
    pub image: Option<String>,
    /// Its memory limit.
    pub memory: u32,
    /// Runs that it has had.
    pub runs: u64,
    /// Why it goes as soon as it is not busy.
    pub retired: Option<String>,
}

/// The requests for one action of one namespace.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Line {
    /// The namespace that asks.
    pub namespace: String,
    /// `ns/[package/]name`.
    pub action: String,
    /// How many wait.
    pub waiting: usize,
    /// How long the first of them has waited.
    pub longest: u64,
}

/// Images on the Docker Engine.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Images {
    /// Those that OWL has pulled.
    pub own: usize,
    /// Those that are on their way.
    pub pulls: Vec<Pull>,
    /// Those that could not be got in advance.
    pub failed: Vec<Failed>,
}

/// An image on its way.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pull {
    /// Its name.
    pub image: String,
    /// For how long it has been wanted.
    pub lasts: u64,
    /// Layers that are known of.
    pub layers: usize,
    /// Layers that are here.
    pub done: usize,
    /// Bytes that have come.
    pub bytes: u64,
    /// Bytes that come in all, as far as is known.
    pub size: u64,
}

/// An image that could not be got.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Failed {
    /// Its name.
    pub image: String,
    /// Why.
    pub reason: String,
    /// For how long.
    pub lasts: u64,
    /// Whether it is tried again by itself.
    pub tried_again: bool,
}
