//! Whether another OpenWhisk is asked at all: decisions only, with the time and the chance handed
//! in.
//!
//! While the circuit is closed everything is sent. A failure that is sure opens it, or two in a
//! row that may each be an accident; after the first of them a probe is due at once, so that
//! nobody else has to find out. While it is open nothing is sent but a probe from time to time;
//! one that is answered closes it, on trial: who answers probes and nothing else is not asked more
//! often for it.

use std::time::{Duration, Instant};

/// Pause before the first probe of an outage, and by how much each further one is longer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Doublings that lead from the first pause over the longest.
const DOUBLINGS: u32 = 6;

/// Failures in a row that may each be an accident, and open the circuit together.
const IN_A_ROW: u32 = 2;

/// How a request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was not reached: no address, no connection, no TLS.
    Unreached,
    /// It has not answered, or with a status of its own trouble.
    Unwell,
}

/// What an event has made of the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is closed as it was, but a probe is due now.
    Doubted,
    /// It is open now.
    Opened,
    /// It is closed now, after having been open for so long.
    Closed(Duration),
}

/// One outage or time of health since the last; results of requests from an earlier one tell
/// nothing about this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

/// The circuit of one OpenWhisk.
#[derive(Clone, Debug)]
pub struct Circuit {
    phase: Phase,
    epoch: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed {
        failures: u32,
        trial: Option<Trial>,
        /// When a probe became due, after a first failure.
        doubted: Option<Instant>,
    },
    Open {
        since: Instant,
        /// Probes of this outage, and of those before it that ended on trial.
        probes: u32,
        probe_at: Instant,
    },
}

/// A probe was answered, and nothing else yet.
#[derive(Clone, Debug)]
struct Trial {
    probes: u32,
    until: Instant,
}

impl Default for Circuit {
    fn default() -> Self {
        Self::new()
    }
}

impl Circuit {
    /// A closed one.
    pub const fn new() -> Self {
        Circuit {
            phase: Phase::Closed {
                failures: 0,
                trial: None,
                doubted: None,
            },
            epoch: 0,
        }
    }

    /// Whether nothing is to be sent.
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// The epoch of a request that is sent now.
    pub const fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// When the next probe is due; none while the circuit is closed and nothing has failed.
    pub const fn probe_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open { probe_at, .. } => Some(probe_at),
            Phase::Closed { doubted, .. } => doubted,
        }
    }

    /// A request was answered as it should be. Whenever it was sent, the other side is there now.
    pub fn answered(&mut self, now: Instant) -> Option<Turn> {
        self.close(now, None)
    }

    /// A request of an epoch has failed. `chance` is from 0 to 1, evenly.
    pub fn failed(
        &mut self,
        failure: Failure,
        epoch: Epoch,
        now: Instant,
        chance: f64,
    ) -> Option<Turn> {
        let Phase::Closed {
            failures,
            trial,
            doubted,
        } = &mut self.phase
        else {
            return None;
        };
        if epoch != Epoch(self.epoch) {
            return None;
        }
        *failures += 1;
        let on_trial = trial.take().filter(|trial| now < trial.until);
        let is_sure = failure == Failure::Unreached || on_trial.is_some();
        if !is_sure && *failures < IN_A_ROW {
            *doubted = Some(now);
            return Some(Turn::Doubted);
        }
        let probes = on_trial.map_or(0, |trial| trial.probes);
        self.phase = Phase::Open {
            since: now,
            probes,
            probe_at: now + pause(probes, chance),
        };
        self.epoch += 1;
        Some(Turn::Opened)
    }

    /// A probe was answered.
    pub fn probe_answered(&mut self, now: Instant) -> Option<Turn> {
        let probes = match &mut self.phase {
            Phase::Open { probes, .. } => *probes,
            // What has failed may fail again, though probes do not.
            Phase::Closed { doubted, .. } => {
                *doubted = None;
                return None;
            }
        };
        let trial = Trial {
            probes: probes + 1,
            until: now + LONGEST_PAUSE,
        };
        self.close(now, Some(trial))
    }

    /// A probe of an epoch has failed: the next one comes later. One that was sent while the
    /// circuit was closed counts like any request.
    pub fn probe_failed(
        &mut self,
        failure: Failure,
        epoch: Epoch,
        now: Instant,
        chance: f64,
    ) -> Option<Turn> {
        let Phase::Open {
            probes, probe_at, ..
        } = &mut self.phase
        else {
            return self.failed(failure, epoch, now, chance);
        };
        if epoch == Epoch(self.epoch) {
            *probes = probes.saturating_add(1);
            *probe_at = now + pause(*probes, chance);
        }
        None
    }

    /// A probe could not be sent for reasons of this side.
    pub fn probe_unsent(&mut self, now: Instant, chance: f64) {
        match &mut self.phase {
            Phase::Open {
                probes, probe_at, ..
            } => *probe_at = now + pause(*probes, chance),
            Phase::Closed { doubted, .. } => *doubted = None,
        }
    }

    fn close(&mut self, now: Instant, trial: Option<Trial>) -> Option<Turn> {
        let closed = Phase::Closed {
            failures: 0,
            trial,
            doubted: None,
        };
        let before = std::mem::replace(&mut self.phase, closed);
        let Phase::Open { since, .. } = before else {
            return None;
        };
        self.epoch += 1;
        Some(Turn::Closed(now.saturating_duration_since(since)))
    }
}

/// The pause before the probe after `probes` others: exponential, from half of it to all of it.
/// At its longest it is anything up to that, so that gateways that lost the same OpenWhisk at the
/// same moment find it again spread over a minute.
fn pause(probes: u32, chance: f64) -> Duration {
    if probes >= DOUBLINGS {
        return FIRST_PAUSE.max(LONGEST_PAUSE.mul_f64(chance));
    }
    let whole = FIRST_PAUSE * (1 << probes);
    whole.mul_f64((1.0 + chance) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Failure::{Unreached, Unwell};

    const MINUTE: Duration = Duration::from_secs(60);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Fails a request that was sent just now.
    fn fail(circuit: &mut Circuit, failure: Failure, now: Instant) -> Option<Turn> {
        circuit.failed(failure, circuit.epoch(), now, 1.0)
    }

    fn fail_probe(circuit: &mut Circuit, now: Instant) {
        let turned = circuit.probe_failed(Unreached, circuit.epoch(), now, 1.0);
        assert_eq!(turned, None);
    }

    #[test]
    fn opened_at_once_by_what_cannot_be_reached() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        assert!(!circuit.is_open() && circuit.probe_at().is_none());
        assert_eq!(fail(&mut circuit, Unreached, now), Some(Turn::Opened));
        assert!(circuit.is_open());
        assert_eq!(fail(&mut circuit, Unreached, now), None);
        let later = now + seconds(3.0);
        let closed = Some(Turn::Closed(seconds(3.0)));
        assert_eq!(circuit.probe_answered(later), closed);
        assert_eq!(circuit.probe_at(), None);
    }

    #[test]
    fn opened_by_two_answers_in_a_row_that_are_no_answers() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        for _ in 0..5 {
            assert_eq!(fail(&mut circuit, Unwell, now), Some(Turn::Doubted));
            assert_eq!(circuit.probe_at(), Some(now));
            assert_eq!(circuit.answered(now), None);
            assert_eq!(circuit.probe_at(), None);
        }
        fail(&mut circuit, Unwell, now);
        // Probes are answered by who does not answer anything else, too.
        assert_eq!(circuit.probe_answered(now), None);
        assert_eq!(circuit.probe_at(), None);
        assert_eq!(fail(&mut circuit, Unwell, now), Some(Turn::Opened));
    }

    #[test]
    fn what_was_sent_before_tells_nothing_bad_about_now() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        let before = circuit.epoch();
        fail(&mut circuit, Unreached, now);
        let during = circuit.epoch();
        circuit.probe_answered(now);
        for epoch in [before, during] {
            assert_eq!(circuit.failed(Unreached, epoch, now, 0.0), None);
        }
        assert!(!circuit.is_open());
        // But an answer is an answer.
        fail(&mut circuit, Unreached, now);
        assert_eq!(circuit.answered(now), Some(Turn::Closed(Duration::ZERO)));
    }

    #[test]
    fn probes_come_ever_later() {
        let (mut circuit, mut now) = (Circuit::new(), Instant::now());
        fail(&mut circuit, Unreached, now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let due = circuit.probe_at().unwrap();
            pauses.push((due - now).as_secs());
            now = due;
            fail_probe(&mut circuit, now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        // A probe of another time changes nothing.
        let (due, before) = (circuit.probe_at(), Circuit::new().epoch());
        circuit.probe_failed(Unreached, before, now, 0.0);
        assert_eq!(circuit.probe_at(), due);
    }

    #[test]
    fn chance_spreads_probes_and_after_a_while_all_over_a_minute() {
        assert_eq!(pause(0, 0.0), seconds(0.5));
        assert_eq!(pause(3, 0.0), seconds(4.0));
        assert_eq!(pause(3, 0.5), seconds(6.0));
        assert_eq!(pause(3, 1.0), seconds(8.0));
        for probes in [6, 7, u32::MAX] {
            assert_eq!(pause(probes, 0.0), seconds(1.0));
            assert_eq!(pause(probes, 0.5), seconds(30.0));
            assert_eq!(pause(probes, 1.0), MINUTE);
        }
    }

    #[test]
    fn who_answers_probes_alone_is_asked_as_seldom_as_before() {
        let (mut circuit, mut now) = (Circuit::new(), Instant::now());
        fail(&mut circuit, Unreached, now);
        for pause in [1.0, 2.0, 4.0, 8.0] {
            assert_eq!(circuit.probe_at(), Some(now + seconds(pause)));
            now += seconds(pause);
            circuit.probe_answered(now);
            // On trial, one failure is enough.
            assert_eq!(fail(&mut circuit, Unwell, now), Some(Turn::Opened));
        }
        // What answers requests, or has been well for a while, begins anew.
        let mut answered = circuit.clone();
        answered.probe_answered(now);
        answered.answered(now);
        assert_eq!(fail(&mut answered, Unwell, now), Some(Turn::Doubted));
        fail(&mut answered, Unwell, now);
        assert_eq!(answered.probe_at(), Some(now + seconds(1.0)));
        circuit.probe_answered(now);
        now += MINUTE;
        assert_eq!(fail(&mut circuit, Unwell, now), Some(Turn::Doubted));
        fail(&mut circuit, Unwell, now);
        assert_eq!(circuit.probe_at(), Some(now + seconds(1.0)));
    }

    #[test]
    fn a_failed_probe_while_closed_counts_like_any_request() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        assert_eq!(circuit.probe_answered(now), None);
        let epoch = circuit.epoch();
        let failed = circuit.probe_failed(Unreached, epoch, now, 0.0);
        assert_eq!(failed, Some(Turn::Opened));

        let mut circuit = Circuit::new();
        fail(&mut circuit, Unwell, now);
        let failed = circuit.probe_failed(Unwell, circuit.epoch(), now, 0.0);
        assert_eq!(failed, Some(Turn::Opened));
    }

    #[test]
    fn a_probe_that_was_not_sent_tells_nothing() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        fail(&mut circuit, Unwell, now);
        circuit.probe_unsent(now, 1.0);
        assert_eq!(circuit.probe_at(), None);
        fail(&mut circuit, Unwell, now);
        for seconds_on in [1.0, 2.0] {
            circuit.probe_unsent(now + seconds(seconds_on), 1.0);
            assert_eq!(circuit.probe_at(), Some(now + seconds(seconds_on + 1.0)));
        }
    }
}
