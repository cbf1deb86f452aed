//! The queue, by cases and against a plain list under random use.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn id(number: u64) -> ActivationId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    ActivationId::from_bytes(bytes)
}

fn entry(number: u64, trigger: &str, priority: i64, bytes: u64) -> Entry {
    Entry {
        number,
        id: id(number),
        trigger: trigger.into(),
        priority,
        at: number,
        bytes,
        elsewhere: false,
    }
}

fn queue(entries: &[(u64, &str, i64)]) -> Queue {
    let mut queue = Queue::new(100, SECOND);
    for (number, trigger, priority) in entries {
        queue.add(entry(*number, trigger, *priority, 10));
    }
    queue
}

#[test]
fn in_order_per_trigger_and_by_priority_among_them() {
    let mut queue = queue(&[(1, "n/a", 0), (2, "n/b", 5), (3, "n/a", 9), (4, "n/c", 5)]);
    let now = Instant::now();
    let mut order = Vec::new();
    while let Next::Fire(number) = queue.next(now) {
        order.push(number);
        queue.remove(number);
    }
    assert_eq!(order, [2, 4, 1, 3]);
    assert_eq!((queue.next(now), queue.bytes()), (Next::Nothing, 0));
    assert_eq!(queue.next_number(), 5);
}

#[test]
fn the_oldest_of_the_lowest_priority_go() {
    let mut queue = queue(&[(1, "n/a", 1), (2, "n/b", 0), (3, "n/b", 0), (4, "n/c", 2)]);
    let room = |queue: &Queue, bytes, priority| queue.room_for(bytes, priority);
    assert_eq!(room(&queue, 60, -9), Some(vec![]));
    assert_eq!(room(&queue, 61, 0), Some(vec![2]));
    assert_eq!(room(&queue, 71, 0), Some(vec![2, 3]));
    assert_eq!(room(&queue, 81, 0), None, "of a higher priority none go");
    assert_eq!(room(&queue, 81, 1), Some(vec![2, 3, 1]));
    assert_eq!(room(&queue, 61, -1), None);
    assert_eq!(room(&queue, 100, 2), Some(vec![2, 3, 1, 4]));
    assert_eq!(room(&queue, 101, 9), None);
    queue.begin(2);
    assert_eq!(room(&queue, 61, 0), Some(vec![3]), "2 is under way");
    queue.end();
    assert_eq!(room(&queue, 61, 0), Some(vec![2]));
}

#[test]
fn what_was_fired_before_the_clock_was_set_does_not_expire() {
    let mut queue = Queue::new(1000, Duration::from_secs(1));
    let mut early = entry(1, "a", 0, 10);
    early.at = 5000;
    queue.add(early);
    assert_eq!(queue.expired(7000), [1]);
    let now = crate::clock::EARLIEST + 1;
    assert_eq!(
        (queue.expired(now), queue.until_expiry(now)),
        (vec![], None)
    );
    let mut late = entry(2, "a", 0, 10);
    late.at = now;
    queue.add(late);
    let wait = Some(Duration::from_millis(1001));
    assert_eq!(queue.until_expiry(now), wait);
}

#[test]
fn they_wait_for_so_long() {
    let mut queue = queue(&[(1, "n/a", 0), (2, "n/b", 0)]);
    assert!(queue.expired(1001).is_empty());
    assert_eq!(queue.until_expiry(1), Some(Duration::from_millis(1001)));
    assert_eq!(queue.expired(1002), [1]);
    assert_eq!(queue.expired(9999), [1, 2]);
    queue.begin(1);
    assert_eq!(queue.expired(9999), [2]);
    // The clock was set back.
    assert!(queue.expired(0).is_empty());
}

#[test]
fn what_is_for_another_master_waits_and_holds_up_nothing() {
    let mut queue = Queue::new(100, SECOND);
    let elsewhere = |number, priority| Entry {
        elsewhere: true,
        ..entry(number, "n/a", priority, 40)
    };
    queue.add(elsewhere(1, 0));
    let now = Instant::now();
    assert_eq!((queue.len(), queue.elsewhere(), queue.bytes()), (0, 1, 40));
    assert!(!queue.is_empty() && !queue.has_of("n/a"));
    assert_eq!(queue.next(now), Next::Nothing);
    queue.add(entry(2, "n/a", 0, 40));
    assert!(queue.has_of("n/a") && queue.has("n/a", id(1)));
    assert_eq!(queue.next(now), Next::Fire(2));
    // It has no more right to its room than others.
    assert_eq!(queue.room_for(40, 0), Some(vec![1]));
    assert_eq!(queue.expired(1002), [1]);
    // Somebody decides that it is for this master, and gives the other up.
    let stored = BTreeMap::from([(1, entry(1, "n/a", 0, 40))]);
    queue.renew(&stored);
    assert_eq!((queue.len(), queue.elsewhere(), queue.bytes()), (1, 0, 40));
    assert_eq!(queue.next(now), Next::Fire(1));
    queue.renew(&BTreeMap::new());
    assert!(queue.is_empty() && queue.bytes() == 0 && !queue.has("n/a", id(1)));
}

#[test]
fn pauses_of_triggers_and_namespaces() {
    let mut queue = queue(&[(1, "n/a", 0), (2, "n/b", 0), (3, "m/a", 0)]);
    let now = Instant::now();
    queue.pause("n/a", now);
    assert_eq!(queue.next(now), Next::Fire(2));
    queue.pause("n", now);
    assert_eq!(queue.next(now), Next::Fire(3));
    queue.pause("m/a", now + SECOND / 2);
    assert_eq!(queue.next(now), Next::At(now + SECOND));
    assert_eq!(queue.next(now + SECOND), Next::Fire(1));
    queue.pause("n", now);
    assert_eq!(queue.next(now + SECOND * 3 / 2), Next::Fire(3));
    queue.resume("n/c");
    assert_eq!(queue.next(now + SECOND), Next::Fire(1));
    // What has gone does not hold up what comes.
    queue.pause("n/a", now + SECOND);
    queue.remove(1);
    queue.add(entry(4, "n/a", 9, 10));
    assert_eq!(queue.next(now + SECOND), Next::Fire(4));
}

#[test]
fn an_answer_ends_the_pauses_of_its_trigger() {
    let mut queue = queue(&[(1, "n/a", 0), (2, "n/a", 0)]);
    let now = Instant::now();
    for _ in 0..5 {
        queue.pause("n/a", now);
    }
    queue.remove(1);
    assert!(matches!(queue.next(now), Next::At(_)));
    queue.resume("n/a");
    assert_eq!(queue.next(now), Next::Fire(2));
    // The next trouble is a first one again.
    queue.pause("n/a", now);
    assert_eq!(queue.next(now), Next::At(now + FIRST_PAUSE));
}

#[test]
fn namespaces_are_held_for_as_long_as_they_have_to_be() {
    let mut queue = queue(&[(1, "n/a", 0), (2, "n/b", 0), (3, "m/a", 0), (4, "nn/a", 0)]);
    let now = Instant::now();
    queue.hold("n");
    assert_eq!(queue.next(now), Next::Fire(3));
    queue.hold("m");
    assert_eq!(queue.next(now), Next::Fire(4));
    queue.pause("nn", now);
    assert_eq!(queue.next(now), Next::At(now + SECOND));
    queue.remove(4);
    assert_eq!(queue.next(now), Next::Nothing);
    queue.release(|namespace| namespace == "n");
    assert_eq!(queue.next(now), Next::Fire(3));
    queue.release(|_| false);
    assert_eq!(queue.next(now), Next::Fire(1));
}

#[test]
fn pauses_grow_within_a_bound() {
    let mut queue = queue(&[(1, "n/a", 0)]);
    let now = Instant::now();
    let mut last = Duration::ZERO;
    for _ in 0..12 {
        queue.pause("n/a", now);
        let Next::At(until) = queue.next(now) else {
            panic!("it waits");
        };
        assert!(until - now > last || last == LONGEST_PAUSE);
        last = until - now;
    }
    assert_eq!(last, LONGEST_PAUSE);
}

#[test]
fn known_by_trigger_and_id() {
    let queue = queue(&[(1, "n/a", 0)]);
    assert!(queue.has_of("n/a") && !queue.has_of("n/b"));
    assert!(queue.has("n/a", id(1)) && !queue.has("n/a", id(2)) && !queue.has("n/b", id(1)));
}

/// Small and good enough to choose what happens.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A queue beside a plain list of the same.
struct Model {
    queue: Queue,
    list: Vec<Entry>,
    under_way: Option<u64>,
    /// Milliseconds since 1970.
    date: u64,
    now: Instant,
}

impl Model {
    fn admit(&mut self, random: &mut Random) {
        let number = self.queue.next_number();
        let trigger = ["n/a", "n/b", "m/a"][random.below(3) as usize];
        let priority = random.below(3) as i64 - 1;
        let entry = Entry {
            at: self.date,
            ..entry(number, trigger, priority, 1 + random.below(40))
        };
        // Taken away one by one, as the rule says it.
        let mut left = self.list.clone();
        let mut going = Vec::new();
        let sum = |left: &[Entry]| left.iter().map(|entry| entry.bytes).sum::<u64>();
        while sum(&left) + entry.bytes > 100 {
            let may_go =
                |other: &&Entry| other.priority <= priority && Some(other.number) != self.under_way;
            let goes = left.iter().filter(may_go);
            let goes = goes.min_by_key(|other| (other.priority, other.number));
            let Some(goes) = goes.map(|goes| goes.number) else {
                break;
            };
            left.retain(|other| other.number != goes);
            going.push(goes);
        }
        let fits = sum(&left) + entry.bytes <= 100;
        let told = self.queue.room_for(entry.bytes, priority);
        assert_eq!(told, fits.then_some(going));
        for number in told.iter().flatten() {
            self.queue.remove(*number);
        }
        if fits {
            left.push(entry.clone());
            self.list = left;
            self.queue.add(entry);
        }
    }

    fn deliver(&mut self, random: &mut Random) {
        let Next::Fire(number) = self.queue.next(self.now) else {
            return;
        };
        let entry = self.list.iter().find(|entry| entry.number == number);
        let trigger = entry.expect("it waits").trigger.clone();
        let first = self.list.iter().find(|entry| entry.trigger == trigger);
        assert_eq!(first.map(|first| first.number), Some(number), "in order");
        self.queue.begin(number);
        self.under_way = Some(number);
        // Others come while it is under way.
        for _ in 0..random.below(3) {
            self.admit(random);
        }
        match random.below(4) {
            0 => self.queue.pause(&trigger, self.now),
            1 => self
                .queue
                .pause(names::place_and_name(&trigger).0, self.now),
            _ => {
                self.queue.remove(number);
                self.list.retain(|entry| entry.number != number);
            }
        }
        self.queue.end();
        self.under_way = None;
    }

    fn expire(&mut self) {
        let date = self.date;
        let too_old = |entry: &&Entry| date.saturating_sub(entry.at) > 1000;
        let expected = self.list.iter().filter(too_old);
        let expected: Vec<u64> = expected.map(|entry| entry.number).collect();
        assert_eq!(self.queue.expired(date), expected);
        for number in &expected {
            self.queue.remove(*number);
        }
        self.list.retain(|entry| !expected.contains(&entry.number));
    }

    fn check(&self) {
        let bytes: u64 = self.list.iter().map(|entry| entry.bytes).sum();
        assert_eq!(self.queue.bytes(), bytes);
        assert!(bytes <= 100);
        assert_eq!(self.queue.len(), self.list.len() as u64);
        if !self.list.is_empty() {
            assert_ne!(self.queue.next(self.now), Next::Nothing);
        }
    }
}

#[test]
fn as_a_plain_list_whatever_happens() {
    for seed in 1..=300 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed) | 1);
        let mut model = Model {
            queue: Queue::new(100, SECOND),
            list: Vec::new(),
            under_way: None,
            date: 1_000_000,
            now: Instant::now(),
        };
        for _ in 0..100 {
            match random.below(8) {
                0..=2 => model.admit(&mut random),
                3..=5 => model.deliver(&mut random),
                6 => model.expire(),
                _ => {
                    let passed = random.below(500);
                    model.date += passed;
                    model.now += Duration::from_millis(passed);
                }
            }
            model.check();
        }
        // In the end everything is delivered: no pause is for ever.
        while !model.list.is_empty() {
            model.deliver(&mut random);
            model.now += LONGEST_PAUSE;
            model.check();
        }
    }
}
