//! Several ways to the same sandboxes, which take turns.
//!
//! A machine that is shared takes its processors away for milliseconds at a time, and is slower in
//! some seconds than in others. Short turns meet all ways with the same weather, and those in
//! which it was best show what belongs to the ways themselves.

use std::io;
use std::thread;
use std::time::Duration;

use super::figures::Times;
use super::http::Client;
use super::{Extent, calls_of_all};

/// Calls of a turn over each connection: enough that to begin and to end it costs little.
const OF_A_TURN: usize = 40;

/// Of how many turns one counts as quiet.
const QUIET: usize = 4;

/// A way, with a connection for each call at a time.
pub struct Way<'a> {
    pub clients: &'a mut [Client],
    pub path: &'a str,
    pub body: &'a [u8],
}

/// What one way took in one turn.
type Turn = (Vec<Duration>, Duration);

/// The turns that were taken, each with all ways.
pub struct Turns(Vec<Vec<Turn>>);

impl Turns {
    /// Makes as many calls as a round has over each connection, in turns, and does so for each
    /// round of the extent. As many more as there are connections come first and count for nothing:
    /// they warm up, and start the sandboxes that are missing, of which the gateway starts few at a
    /// time while the others answer.
    pub fn take(ways: &mut [Way<'_>], calls: usize, extent: Extent) -> io::Result<Self> {
        let calls = calls.max(1);
        let turns = (calls / OF_A_TURN).max(1);
        let warm_up = ways.iter().map(|way| way.clients.len()).max();
        let warm_up = warm_up.unwrap_or_default();
        let mut taken = Vec::new();
        for round in 0..warm_up + extent.rounds {
            // For the disk: OWL keeps a record of each result, and refuses calls when their
            // writing falls behind.
            thread::sleep(extent.pause);
            for _ in 0..turns {
                let turn = ways
                    .iter_mut()
                    .map(|way| calls_of_all(way.clients, calls / turns, 200, way.path, way.body));
                let turn = turn.collect::<io::Result<_>>()?;
                if round >= warm_up {
                    taken.push(turn);
                }
            }
        }
        Ok(Turns(taken))
    }

    /// The times of one way in all turns.
    pub fn all(&self, way: usize) -> Times {
        Self::of(&self.0, way)
    }

    /// The times of one way in the quarter of the turns in which the machine was quickest: those
    /// with the smallest sum of the ways' medians. Nothing is left out of a turn, and all ways are
    /// judged by the same turns.
    pub fn quiet(&self, way: usize) -> Times {
        let mut turns = self.0.clone();
        turns.sort_by_cached_key(|ways| ways.iter().map(median).sum::<Duration>());
        turns.truncate(turns.len().div_ceil(QUIET));
        Self::of(&turns, way)
    }

    fn of(turns: &[Vec<Turn>], way: usize) -> Times {
        let mut all = Times::default();
        for (times, wall) in turns.iter().filter_map(|ways| ways.get(way)) {
            all.add(times.clone(), *wall);
        }
        all
    }
}

fn median((times, _): &Turn) -> Duration {
    let mut sorted = times.clone();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
