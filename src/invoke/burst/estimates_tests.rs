//! Predictions on a clock of the test.

use super::*;

const NEAR: Stop = Stop::Tier(0);

fn of(action: &str) -> Subject<'_> {
    Subject { action, kind: "k" }
}

fn took(cold: Option<u64>, run: u64) -> Took {
    Took {
        cold: cold.map(Duration::from_millis),
        run: Duration::from_millis(run),
        failed: false,
    }
}

fn predicted(estimates: &Estimates, at: Stop, outlook: Outlook, now: Instant) -> u128 {
    let predicted = estimates.predict(at, of("a"), outlook, now);
    (predicted + Duration::from_micros(500)).as_millis()
}

#[test]
fn what_is_assumed_of_the_unknown() {
    let (nothing, now) = (Estimates::default(), Instant::now());
    for (at, outlook, expected) in [
        (Stop::Here, Outlook::Warm, 0),
        (NEAR, Outlook::Warm, 100),
        (Stop::Here, Outlook::Place, 500),
        (Stop::Here, Outlook::Wait(0), 1000),
        (Stop::Here, Outlook::Wait(2), 3000),
        (NEAR, Outlook::Refused, 100),
    ] {
        assert_eq!(
            predicted(&nothing, at, outlook, now),
            expected,
            "{outlook:?}"
        );
    }
    let never = nothing.predict(Stop::Here, of("a"), Outlook::Refused, now);
    assert_eq!(never, Duration::MAX);
}

#[test]
fn what_was_seen_counts() {
    let (mut seen, now) = (Estimates::default(), Instant::now());
    seen.took(Stop::Here, of("a"), took(Some(2000), 40), now);
    assert_eq!(predicted(&seen, Stop::Here, Outlook::Warm, now), 40);
    assert_eq!(predicted(&seen, Stop::Here, Outlook::Place, now), 2040);
    // What it takes there is not known yet, and may be less.
    assert_eq!(predicted(&seen, NEAR, Outlook::Place, now), 120);
    seen.travelled(0, Duration::from_millis(30), now);
    seen.took(NEAR, of("a"), took(None, 10), now);
    assert_eq!(predicted(&seen, NEAR, Outlook::Place, now), 40);
    // Another action of the kind is started as slowly.
    let other = seen.predict(Stop::Here, of("b"), Outlook::Place, now);
    assert_eq!(other, Duration::from_secs(2));
    seen.took(Stop::Here, of("a"), took(Some(1000), 40), now);
    assert_eq!(predicted(&seen, Stop::Here, Outlook::Place, now), 1740);
    seen.waited(3, Duration::from_millis(800), now);
    assert_eq!(predicted(&seen, Stop::Here, Outlook::Wait(1), now), 440);
}

#[test]
fn a_bad_hour_is_forgotten() {
    let (mut seen, now) = (Estimates::default(), Instant::now());
    seen.failed(0, now);
    assert_eq!(predicted(&seen, NEAR, Outlook::Warm, now), 10_000);
    let later = now + SHORT_HALF_LIFE;
    assert_eq!(predicted(&seen, NEAR, Outlook::Warm, later), 5050);
    let much_later = now + 20 * SHORT_HALF_LIFE;
    assert_eq!(predicted(&seen, NEAR, Outlook::Warm, much_later), 100);
    // What is added counts for its part of what it is worth by then.
    seen.travelled(0, Duration::from_millis(200), much_later);
    assert_eq!(predicted(&seen, NEAR, Outlook::Warm, much_later), 130);
}

#[test]
fn a_run_is_compared_with_what_it_takes_elsewhere() {
    let (mut seen, now) = (Estimates::default(), Instant::now());
    seen.took(Stop::Here, of("a"), took(None, 4000), now);
    // Known nowhere else: nothing to go back to.
    let later = now + HALF_LIFE;
    assert_eq!(predicted(&seen, Stop::Here, Outlook::Warm, later), 4000);
    // The tier may be twice as fast, until it is known.
    assert_eq!(predicted(&seen, NEAR, Outlook::Warm, now), 2100);
    seen.took(NEAR, of("a"), took(None, 60_000), now);
    assert_eq!(predicted(&seen, NEAR, Outlook::Warm, now), 60_100);
    assert_eq!(predicted(&seen, NEAR, Outlook::Warm, later), 31_100);
    // Nor is it held for ever against this gateway that it was slow.
    seen.took(NEAR, of("a"), took(None, 100), later);
    seen.took(Stop::Here, of("b"), took(None, 60_000), now);
    seen.took(NEAR, of("b"), took(None, 100), now);
    let much_later = now + 30 * HALF_LIFE;
    let here = seen.predict(Stop::Here, of("b"), Outlook::Warm, much_later);
    assert_eq!(here.as_millis(), 50);
}

#[test]
fn one_finds_out_for_all() {
    let (mut seen, now) = (Estimates::default(), Instant::now());
    let here = |seen: &Estimates| predicted(seen, Stop::Here, Outlook::Warm, now);
    let near = |seen: &Estimates| predicted(seen, NEAR, Outlook::Warm, now);
    seen.tried(NEAR, of("a"), now);
    assert_eq!(near(&seen), 100, "nothing is known anywhere");
    seen.took(Stop::Here, of("a"), took(None, 4000), now);
    assert!(near(&seen) < here(&seen));
    seen.tried(NEAR, of("a"), now);
    assert!(near(&seen) > here(&seen), "it is being found out");
    // What comes of it is no less worth for it.
    seen.took(NEAR, of("a"), took(None, 1000), now);
    assert_eq!(near(&seen), 1100);
    // The same for one that is tried again after a long time.
    seen.took(NEAR, of("a"), took(None, 100_000), now);
    let later = now + 10 * HALF_LIFE;
    let later_near = |seen: &Estimates| predicted(seen, NEAR, Outlook::Warm, later);
    assert!(later_near(&seen) < 4000);
    seen.tried(NEAR, of("a"), later);
    assert!(later_near(&seen) > 4000);
}

/// Runs an action every second for six hours wherever it is predicted to be done first, warm here.
/// Gives how often it went to the tier, in the first three hours and in the last three.
fn trips(here: u64, there: impl Fn(Duration) -> u64) -> (usize, usize) {
    let (mut seen, begin) = (Estimates::default(), Instant::now());
    let mut trips = (0, 0);
    for second in 0..6 * 3600 {
        let passed = Duration::from_secs(second);
        let now = begin + passed;
        let at = [Stop::Here, NEAR].into_iter();
        let at = at.min_by_key(|at| seen.predict(*at, of("a"), Outlook::Warm, now));
        let at = at.unwrap();
        seen.tried(at, of("a"), now);
        let run = match at {
            Stop::Here => here,
            Stop::Tier(_) => {
                let half = if second < 3 * 3600 {
                    &mut trips.0
                } else {
                    &mut trips.1
                };
                *half += 1;
                seen.travelled(0, Duration::from_millis(50), now);
                there(passed)
            }
        };
        seen.took(at, of("a"), took(None, run), now);
    }
    trips
}

#[test]
fn a_slow_tier_is_tried_again_but_seldom() {
    // A tier that is slow stays so: it is looked at once or twice an hour.
    let (first, last) = trips(2000, |_| 40_000);
    assert!(
        (1..=8).contains(&first) && (1..=8).contains(&last),
        "{first} {last}"
    );
    // One that was slow and is fast now gets it all before long, but for a look at this gateway.
    let hour = Duration::from_secs(3600);
    let (first, last) = trips(2000, |passed| if passed < hour { 40_000 } else { 100 });
    assert!(first > 3000 && last > 3 * 3600 - 20, "{first} {last}");
    // A faster machine that was never asked is found, although it is warm here.
    let (first, _) = trips(20_000, |_| 500);
    assert!(first > 10_000, "{first}");
    // What takes no longer here than the way would stays.
    assert_eq!(trips(20, |_| 5), (0, 0));
}

#[test]
fn a_place_where_everything_fails_at_once_is_not_the_fastest() {
    let (mut seen, now) = (Estimates::default(), Instant::now());
    seen.took(Stop::Here, of("a"), took(Some(800), 50), now);
    let broken = Took {
        failed: true,
        ..took(None, 1)
    };
    seen.took(NEAR, of("a"), broken, now);
    let here = predicted(&seen, Stop::Here, Outlook::Place, now);
    assert!(predicted(&seen, NEAR, Outlook::Warm, now) > here);
    // A time limit that was hit counts for all of its time.
    let late = Took {
        failed: true,
        ..took(None, 60_000)
    };
    seen.took(NEAR, of("b"), late, now);
    let near = seen.predict(NEAR, of("b"), Outlook::Warm, now);
    assert_eq!(near.as_millis(), 60_100);
}

#[test]
fn memory_is_bounded() {
    let (mut seen, now) = (Estimates::default(), Instant::now());
    for n in 0..MOST + 10 {
        let at = now + Duration::from_millis(n as u64);
        let subject = Subject {
            action: &format!("a{n}"),
            kind: &format!("k{n}"),
        };
        seen.took(Stop::Here, subject, took(Some(1), 7), at);
    }
    assert_eq!((seen.runs.0.len(), seen.colds.0.len()), (MOST, MOST));
    let known = |action: &str| seen.run(Stop::Here, action, now);
    assert_eq!((known("a0"), known(&format!("a{}", MOST + 9))), (0.0, 7.0));
    for n in 0..MOST {
        seen.tried(NEAR, of(&format!("a{n}")), now);
    }
    assert_eq!(seen.runs.0.len(), MOST);
}
