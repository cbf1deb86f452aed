//! How long an action rests between two calls, as a small histogram that forgets.

/// Bins: below [`FIRST`], then twice as long each, and a last one for all that is longer.
pub(super) const BINS: usize = 14;

/// Upper end of the first bin in milliseconds. What comes sooner finds its sandbox anyway.
const FIRST: i64 = 4_000;

/// What one gap weighs when it is counted.
const UNIT: u16 = 64;

/// Milliseconds after which a gap weighs half as much: what was this morning tells about this
/// afternoon, what was yesterday hardly does.
const HALF_LIFE: i64 = 8 * 3_600_000;

/// Steps in which weights sink, so that a histogram need not be touched all the time.
const STEPS: i64 = 8;

/// Gaps that a histogram must hold, as far as they have not been forgotten, to be believed.
const EVIDENCE: f32 = 6.0;

/// How many gaps the histogram is taken to hold beyond those that were seen, evenly over all bins:
/// what never happened is not impossible.
const DOUBT: f32 = 1.0;

/// Weights of gaps by their length. 28 bytes and a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    bins: [u16; BINS],
    /// Up to when weights have sunk.
    aged: i64,
}

impl Gaps {
    /// Counts a gap of so many milliseconds that ends `now`.
    pub(super) fn add(&mut self, now: i64, gap: i64) {
        self.age(now);
        let bin = bin_of(gap);
        if self.bins[bin] > u16::MAX - UNIT {
            self.bins.iter_mut().for_each(|weight| *weight /= 2);
        }
        self.bins[bin] += UNIT;
    }

    /// Lets weights sink to what they are `now`.
    pub(super) fn age(&mut self, now: i64) {
        let steps = (now - self.aged) / (HALF_LIFE / STEPS);
        if steps <= 0 {
            return;
        }
        self.aged += steps * (HALF_LIFE / STEPS);
        let factor = (-(steps as f32) / STEPS as f32).exp2();
        for weight in &mut self.bins {
            *weight = (f32::from(*weight) * factor) as u16;
        }
    }

    /// Gaps that it holds.
    pub(super) fn count(&self) -> f32 {
        let sum: u32 = self.bins.iter().map(|weight| u32::from(*weight)).sum();
        sum as f32 / f32::from(UNIT)
    }

    /// Whether it holds enough to be believed.
    pub(super) fn is_evidence(&self) -> bool {
        self.count() >= EVIDENCE
    }

    /// What there is to win by staying idle on, for a sandbox that has been idle for `idle`
    /// milliseconds and goes at `bound` at the latest: calls that find it, for each second that it
    /// then stays idle. The best moment to go in between is taken.
    pub(super) fn promise(&self, idle: i64, bound: i64) -> f32 {
        // The first seconds tell nothing.
        let idle = if idle < FIRST { 0 } else { idle };
        let mut best = 0.0_f32;
        let (mut found, mut seconds) = (0.0_f32, 0.0_f32);
        let mut left = self.beyond(idle);
        if left <= 0.0 {
            return 0.0;
        }
        let all = left;
        for bin in bin_of(idle)..BINS {
            let (from, to) = (start_of(bin).max(idle), start_of(bin + 1).min(bound));
            if from >= to {
                break;
            }
            let within = self.weight(bin) * share(bin, from, to);
            // While it passes, half of those that end in it have ended on average.
            seconds += (left - within / 2.0) / all * (to - from) as f32 / 1000.0;
            left -= within;
            found += within / all;
            best = best.max(found / seconds);
        }
        best
    }

    /// How many milliseconds a sandbox stays idle: to the first moment at which staying on promises
    /// less than `least`, and `bound` at the most.
    fn keep(&self, bound: i64, least: f32) -> i64 {
        (2..BINS)
            .map(start_of)
            .take_while(|idle| *idle < bound)
            .find(|idle| self.promise(*idle, bound) < least)
            .unwrap_or(bound)
    }

    /// [`Gaps::keep`], where there is enough to go by; else `bound`.
    pub(super) fn stay(&self, bound: i64, least: f32) -> i64 {
        match self.is_evidence() {
            true => self.keep(bound, least),
            false => bound,
        }
    }

    /// Weight of the gaps that are longer than `idle`.
    fn beyond(&self, idle: i64) -> f32 {
        let bin = bin_of(idle);
        let rest: f32 = (bin + 1..BINS).map(|bin| self.weight(bin)).sum();
        rest + self.weight(bin) * share(bin, idle, start_of(bin + 1))
    }

    fn weight(&self, bin: usize) -> f32 {
        f32::from(self.bins[bin]) / f32::from(UNIT) + DOUBT / BINS as f32
    }

    /// The weights, to be kept.
    pub(super) fn weights(&self) -> [u16; BINS] {
        self.bins
    }

    /// A histogram of weights that were kept, sunk up to `aged`.
    pub(super) fn of(weights: [u16; BINS], aged: i64) -> Self {
        Gaps {
            bins: weights,
            aged,
        }
    }
}

fn bin_of(gap: i64) -> usize {
    match (gap / FIRST).checked_ilog2() {
        Some(power) => (power as usize + 1).min(BINS - 1),
        None => 0,
    }
}

/// Where a bin begins, in milliseconds; the last one is given an end, too.
fn start_of(bin: usize) -> i64 {
    match bin {
        0 => 0,
        bin => FIRST << (bin - 1),
    }
}

/// Which part of a bin lies between two times within it.
fn share(bin: usize, from: i64, to: i64) -> f32 {
    let (start, end) = (start_of(bin), start_of(bin + 1));
    ((to - from.max(start)) as f32 / (end - start) as f32).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: i64 = 600_000;
    const LEAST: f32 = 1.0 / 6000.0;

    fn with(gaps: &[(i64, usize)]) -> Gaps {
        let mut histogram = Gaps::default();
        for (gap, times) in gaps {
            for _ in 0..*times {
                histogram.add(0, *gap);
            }
        }
        histogram
    }

    #[test]
    fn bins_are_twice_as_long_each() {
        let bins = [
            0,
            3_999,
            4_000,
            7_999,
            8_000,
            16_383_999,
            16_384_000,
            1 << 50,
        ]
        .map(bin_of);
        assert_eq!(bins, [0, 0, 1, 1, 2, 12, 13, 13]);
        for bin in 0..BINS {
            assert_eq!(bin_of(start_of(bin)), bin);
        }
    }

    #[test]
    fn what_is_promised_of_regular_gaps() {
        // All of them between 256 and 512 seconds: 384 on average.
        let gaps = with(&[(300_000, 400)]);
        let promise = gaps.promise(0, BOUND);
        assert!((1.0 / 420.0..1.0 / 350.0).contains(&promise), "{promise}");
        assert!(gaps.promise(250_000, BOUND) > promise * 2.0);
        // Beyond the bound nothing is found.
        assert!(gaps.promise(0, 200_000) < LEAST);
        assert_eq!(gaps.promise(BOUND, BOUND), 0.0);
        assert_eq!(gaps.keep(BOUND, LEAST), BOUND);
        assert_eq!(gaps.keep(200_000, LEAST), 8_000);
    }

    #[test]
    fn bursts_end_and_a_steady_trickle_does_not() {
        let bursts = with(&[(1_000, 200), (3_000_000, 50)]);
        assert!(bursts.keep(BOUND, LEAST) <= 16_000);
        // The same bursts, but some calls come minutes later.
        let trailing = with(&[(1_000, 200), (100_000, 20), (3_000_000, 50)]);
        assert!((128_000..BOUND).contains(&trailing.keep(BOUND, LEAST)));
        // Exponential gaps with a mean of 20 minutes: no time is better than another.
        let mut trickle = Gaps::default();
        for quantile in 1..200 {
            let gap = -1_200_000.0 * (1.0 - f64::from(quantile) / 200.0).ln();
            trickle.add(0, gap as i64);
        }
        assert_eq!(trickle.keep(BOUND, LEAST), BOUND);
    }

    #[test]
    fn an_empty_histogram_promises_less_the_longer_it_was_idle() {
        let gaps = Gaps::default();
        assert!(!gaps.is_evidence());
        let promises = [1_000, 10_000, 100_000, 500_000].map(|idle| gaps.promise(idle, BOUND));
        assert!(promises.is_sorted_by(|a, b| a > b), "{promises:?}");
    }

    #[test]
    fn gaps_are_forgotten_in_hours() {
        let mut gaps = with(&[(1_000, 16)]);
        assert!((15.9..=16.0).contains(&gaps.count()));
        gaps.age(HALF_LIFE);
        assert!((7.9..8.1).contains(&gaps.count()), "{}", gaps.count());
        gaps.age(HALF_LIFE + HALF_LIFE / STEPS - 1);
        assert!((7.9..8.1).contains(&gaps.count()));
        assert!(gaps.is_evidence());
        gaps.age(4 * HALF_LIFE);
        assert!(!gaps.is_evidence());
    }

    #[test]
    fn many_gaps_do_not_overflow_and_new_ones_still_count() {
        let mut gaps = with(&[(1_000, 5_000)]);
        let before = gaps.count();
        for _ in 0..2_000 {
            gaps.add(0, 60_000);
        }
        assert!(before > 400.0);
        assert!(gaps.weights()[bin_of(60_000)] > gaps.weights()[0]);
    }
}
