//! Calls as a gateway may get them, made from a seed: the same for everybody.

/// Milliseconds of a day.
const DAY: u64 = 24 * 3_600_000;

/// An action.
pub struct Action {
    pub name: String,
    /// MB.
    pub memory: u32,
    /// Milliseconds of a cold start, and of a run.
    pub cold: u64,
    pub run: u64,
}

/// Calls of some actions on a gateway of a certain size.
pub struct Trace {
    pub name: &'static str,
    pub actions: Vec<Action>,
    /// When, in milliseconds, and of which action; in the order of time.
    pub calls: Vec<(u64, usize)>,
    /// Milliseconds in all.
    pub length: u64,
    /// Sandboxes at the same time.
    pub capacity: usize,
    /// MB that they may have in all.
    pub memory: u32,
}

/// Every trace.
pub fn all(seed: u64) -> Vec<Trace> {
    let shifts = bursts("bursts, hours apart", seed + 2, |random| {
        3_600_000 + random.below(4 * 3_600_000)
    });
    let chance = bursts("bursts, at random", seed + 3, |random| {
        random.exponential(5_400_000.0)
    });
    let (zipf, cron, daily) = (zipf(seed), cron(seed), daily(seed));
    let together = together([&zipf, &cron, &shifts, &daily]);
    vec![zipf, cron, shifts, chance, daily, together]
}

/// Twenty actions, the n-th called 1/n as often as the first, at random, 1.5 calls a minute.
fn zipf(seed: u64) -> Trace {
    let mut random = Random(seed);
    let actions = actions("zipf", 20, &mut random);
    let all: f64 = (1..=20).map(|rank| 1.0 / f64::from(rank)).sum();
    let calls = (0..20).flat_map(|action| {
        let mean = 40_000.0 * all * (action as f64 + 1.0);
        random.poisson(2 * DAY, mean, action)
    });
    Trace::new("Zipf, 20 actions", calls.collect(), actions, 5)
}

/// Timers from each minute to each six hours, a second late at the most.
fn cron(seed: u64) -> Trace {
    let mut random = Random(seed + 1);
    let minutes = [1, 5, 5, 10, 15, 20, 30, 30, 60, 60, 120, 360];
    let actions = actions("cron", minutes.len(), &mut random);
    let mut calls = Vec::new();
    for (action, minutes) in minutes.into_iter().enumerate() {
        let period = minutes * 60_000;
        // Not all of them at the full hour.
        let first = random.below(period / 60_000) * 60_000 + 1;
        for time in (first..2 * DAY).step_by(period as usize) {
            calls.push((time + random.below(1_000), action));
        }
    }
    Trace::new("timers", calls, actions, 8)
}

/// Some minutes of calls each few seconds, sometimes two at once; then nothing for a while.
fn bursts(name: &'static str, seed: u64, pause: impl Fn(&mut Random) -> u64) -> Trace {
    let mut random = Random(seed);
    let actions = actions("burst", 10, &mut random);
    let mut calls = Vec::new();
    for action in 0..10 {
        let mut now = pause(&mut random);
        while now < 2 * DAY {
            let end = now + 60_000 + random.below(240_000);
            while now < end {
                now += random.exponential(3_000.0);
                calls.push((now, action));
            }
            now += pause(&mut random);
        }
    }
    Trace::new(name, calls, actions, 8)
}

/// Calls at random in the hours of the day, a fiftieth as many at night.
fn daily(seed: u64) -> Trace {
    let mut random = Random(seed + 4);
    let actions = actions("daily", 10, &mut random);
    let mut calls = Vec::new();
    for action in 0..10 {
        let mean = 60_000.0 * (1.0 + action as f64);
        let calls_of_it = random.poisson(4 * DAY, mean, action);
        for call in calls_of_it {
            let hour = call.0 % DAY / 3_600_000;
            if (7..19).contains(&hour) || random.below(50) == 0 {
                calls.push(call);
            }
        }
    }
    Trace::new("by day", calls, actions, 8)
}

/// All of that on one gateway.
fn together(traces: [&Trace; 4]) -> Trace {
    let (mut actions, mut calls) = (Vec::new(), Vec::new());
    for trace in traces {
        let first = actions.len();
        let mine = trace.calls.iter().filter(|(time, _)| *time < 2 * DAY);
        calls.extend(mine.map(|(time, action)| (*time, first + action)));
        actions.extend(trace.actions.iter().map(|action| Action {
            name: action.name.clone(),
            ..*action
        }));
    }
    Trace::new("all of them", calls, actions, 16)
}

/// Actions of usual sizes: a script, a larger one, a slow one.
fn actions(of: &str, count: usize, random: &mut Random) -> Vec<Action> {
    let action = |number| {
        let (memory, cold) =
            [(128, 300), (256, 500), (256, 700), (512, 2_000)][random.below(4) as usize];
        Action {
            name: format!("{of}-{number}"),
            memory,
            cold,
            run: 20 + random.below(400),
        }
    };
    (0..count).map(action).collect()
}

impl Trace {
    fn new(
        name: &'static str,
        mut calls: Vec<(u64, usize)>,
        actions: Vec<Action>,
        capacity: usize,
    ) -> Self {
        calls.sort_unstable();
        let last = calls.last().map_or(0, |(time, _)| *time);
        Trace {
            name,
            actions,
            calls,
            length: last.div_ceil(DAY) * DAY,
            capacity,
            memory: 256 * capacity as u32,
        }
    }
}

/// Numbers that look like chance (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        let uniform = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        (-uniform.ln() * mean) as u64
    }

    /// Calls of an action at random, so many milliseconds apart on average.
    fn poisson(&mut self, length: u64, mean: f64, action: usize) -> Vec<(u64, usize)> {
        let mut calls = Vec::new();
        let mut now = self.exponential(mean);
        while now < length {
            calls.push((now, action));
            now += self.exponential(mean) + 1;
        }
        calls
    }
}
