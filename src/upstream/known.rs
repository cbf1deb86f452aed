//! What is known of another OpenWhisk: decisions only, with the time and the chance handed in.

use std::time::{Duration, Instant};

use super::circuit::{Circuit, Epoch, Failure, Turn};
use super::pacing::{Load, Pacing};
use super::status::{Counted, State, Status};
use super::verdict::Verdict;

/// What is known.
#[derive(Debug)]
pub(super) struct Known {
    circuit: Circuit,
    pacing: Pacing,
    made: Instant,
    /// When the circuit was opened or closed.
    turned: Instant,
    /// When it was first or last known to be there.
    last_answer: Option<Instant>,
    /// Why it is out of reach, while it is.
    reason: Option<String>,
    /// How long it has been out of reach, but for the outage that lasts.
    outages: Duration,
}

impl Known {
    /// Of one that nobody has asked anything.
    pub(super) const fn new(now: Instant) -> Self {
        Known {
            circuit: Circuit::new(),
            pacing: Pacing::new(),
            made: now,
            turned: now,
            last_answer: None,
            reason: None,
            outages: Duration::ZERO,
        }
    }

    pub(super) const fn is_down(&self) -> bool {
        self.circuit.is_open()
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.circuit.epoch()
    }

    pub(super) const fn probe_at(&self) -> Option<Instant> {
        self.circuit.probe_at()
    }

    pub(super) const fn last_answer(&self) -> Option<Instant> {
        self.last_answer
    }

    /// Since when nobody knows whether it is there: it has never answered, or failed once and not
    /// answered since. None while it is known, be it that it is out of reach.
    pub(super) fn in_doubt_since(&self) -> Option<Instant> {
        match self.last_answer {
            _ if self.is_down() => None,
            None => Some(self.made),
            Some(_) => self.probe_at(),
        }
    }

    /// Why it is out of reach; nothing if it is not.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Time since the last answer; if there was none, since the beginning.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_answer.unwrap_or(self.made))
    }

    /// When one more request may be sent that nobody waits for; none while it is out of reach.
    pub(super) fn turn(&mut self, now: Instant, chance: f64) -> Option<Instant> {
        (!self.is_down()).then(|| self.pacing.turn(now, chance))
    }

    /// Takes note of how a request of an epoch has ended.
    pub(super) fn learn(
        &mut self,
        verdict: &Verdict,
        load: Load,
        epoch: Epoch,
        now: Instant,
        chance: f64,
    ) -> Option<Turn> {
        // What may go on failing is tried less often, whatever it was.
        let load = match (verdict, load) {
            (Verdict::Failed(..), Load::Borne(_) | Load::Unknown) => Load::TooMuch(None),
            (_, load) => load,
        };
        self.pacing.heard(load, now);
        let turn = match verdict {
            Verdict::Well => {
                self.last_answer = Some(now);
                self.circuit.answered(now)
            }
            Verdict::Failed(failure, _) => self.circuit.failed(*failure, epoch, now, chance),
            Verdict::Unknown => None,
        };
        self.turned(turn, verdict, now, chance)
    }

    /// Takes note of how a probe of an epoch has ended.
    pub(super) fn learn_of_probe(
        &mut self,
        verdict: &Verdict,
        epoch: Epoch,
        now: Instant,
        chance: f64,
    ) -> Option<Turn> {
        let turn = match verdict {
            Verdict::Well => {
                self.last_answer = Some(now);
                self.circuit.probe_answered(now)
            }
            Verdict::Failed(failure, _) => {
                let failure = match self.last_answer {
                    Some(_) => *failure,
                    // Nothing speaks for it.
                    None => Failure::Unreached,
                };
                self.circuit.probe_failed(failure, epoch, now, chance)
            }
            Verdict::Unknown => {
                self.circuit.probe_unsent(now, chance);
                None
            }
        };
        self.turned(turn, verdict, now, chance)
    }

    fn turned(
        &mut self,
        turn: Option<Turn>,
        verdict: &Verdict,
        now: Instant,
        chance: f64,
    ) -> Option<Turn> {
        match turn? {
            Turn::Doubted => {}
            Turn::Opened => {
                self.turned = now;
                if let Verdict::Failed(_, reason) = verdict {
                    self.reason = Some(reason.clone());
                }
            }
            Turn::Closed(outage) => {
                self.turned = now;
                self.reason = None;
                self.outages += outage;
                self.pacing.reconnected(now, outage, chance);
            }
        }
        turn
    }

    /// How it is, for people.
    pub(super) fn status(&self, now: Instant, counted: Counted) -> Status {
        let state = match self.last_answer {
            _ if self.is_down() => State::Down,
            Some(_) => State::Up,
            None => State::Unknown,
        };
        let lasting = match state {
            State::Down => now.saturating_duration_since(self.turned),
            State::Up | State::Unknown => Duration::ZERO,
        };
        Status {
            state,
            since: self.turned,
            last_answer: self.last_answer,
            reason: self.reason.clone(),
            out_of_reach: self.outages + lasting,
            counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn unreached() -> Verdict {
        Verdict::Failed(Failure::Unreached, "no route".into())
    }

    fn learn(known: &mut Known, verdict: &Verdict, now: Instant) -> Option<Turn> {
        known.learn(verdict, Load::Unknown, known.epoch(), now, 1.0)
    }

    fn probe(known: &mut Known, verdict: &Verdict, now: Instant) -> Option<Turn> {
        known.learn_of_probe(verdict, known.epoch(), now, 1.0)
    }

    #[test]
    fn an_outage_from_end_to_end() {
        let begun = Instant::now();
        let mut known = Known::new(begun);
        let status = |known: &Known, now| known.status(now, Counted::default());
        assert_eq!(status(&known, begun).state, State::Unknown);
        assert_eq!(known.silent_for(begun + SECOND), SECOND);
        probe(&mut known, &Verdict::Well, begun + SECOND);
        let well = status(&known, begun + SECOND);
        assert_eq!((well.state, well.since), (State::Up, begun));
        assert_eq!(well.last_answer, Some(begun + SECOND));

        let lost = begun + 5 * SECOND;
        assert_eq!(learn(&mut known, &unreached(), lost), Some(Turn::Opened));
        assert_eq!(known.turn(lost, 0.0), None);
        assert_eq!(known.reason(), Some("no route"));
        assert_eq!(known.probe_at(), Some(lost + SECOND));
        let now = lost + 2 * SECOND;
        let down = status(&known, now);
        assert_eq!((down.state, down.since), (State::Down, lost));
        assert_eq!(down.out_of_reach, 2 * SECOND);
        assert_eq!(known.silent_for(now), 6 * SECOND);

        let found = lost + 8 * SECOND;
        let closed = Some(Turn::Closed(8 * SECOND));
        assert_eq!(probe(&mut known, &Verdict::Well, found), closed);
        let again = status(&known, found + SECOND);
        assert_eq!((again.state, again.reason), (State::Up, None));
        assert_eq!(again.out_of_reach, 8 * SECOND);
        assert_eq!(known.silent_for(found), Duration::ZERO);
        // A quarter of the outage, as the chance would have it.
        assert_eq!(known.turn(found, 0.5), Some(found + 2 * SECOND));
    }

    #[test]
    fn what_tells_nothing_changes_nothing() {
        let now = Instant::now();
        let mut known = Known::new(now);
        assert_eq!(learn(&mut known, &Verdict::Unknown, now), None);
        assert_eq!(known.last_answer(), None);
        learn(&mut known, &unreached(), now);
        assert_eq!(probe(&mut known, &Verdict::Unknown, now + SECOND), None);
        // The probe is only put off.
        assert_eq!(known.probe_at(), Some(now + 2 * SECOND));
        assert_eq!(known.last_answer(), None);
    }

    #[test]
    fn doubt() {
        let now = Instant::now();
        let failed = Verdict::Failed(Failure::Unwell, "timed out".into());
        let mut known = Known::new(now);
        assert_eq!(known.in_doubt_since(), Some(now));
        // Who has never answered, and does not answer so little, is not there.
        let later = now + SECOND;
        assert_eq!(probe(&mut known, &failed, later), Some(Turn::Opened));
        assert_eq!(known.in_doubt_since(), None);
        probe(&mut known, &Verdict::Well, later);
        assert_eq!(known.in_doubt_since(), None);

        let mut known = Known::new(now);
        learn(&mut known, &Verdict::Well, now);
        assert_eq!(known.in_doubt_since(), None);
        assert_eq!(learn(&mut known, &failed, later), Some(Turn::Doubted));
        assert_eq!(known.in_doubt_since(), Some(later));
        probe(&mut known, &Verdict::Well, later);
        assert_eq!(known.in_doubt_since(), None);
        // One that has answered is asked once more.
        learn(&mut known, &Verdict::Well, later);
        assert_eq!(probe(&mut known, &failed, later), Some(Turn::Doubted));
    }

    #[test]
    fn failures_and_loads_that_are_too_much_slow_down() {
        let now = Instant::now();
        let mut known = Known::new(now);
        let failed = Verdict::Failed(Failure::Unwell, "timed out".into());
        assert_eq!(learn(&mut known, &failed, now), Some(Turn::Doubted));
        assert!(known.turn(now, 0.5) > Some(now));
        let mut known = Known::new(now);
        let load = Load::TooMuch(Some(9 * SECOND));
        known.learn(&Verdict::Well, load, known.epoch(), now, 0.5);
        assert_eq!(known.turn(now, 0.5), Some(now + 9 * SECOND));
    }
}
