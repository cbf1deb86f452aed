//! Whose turn it is, and how long anybody can be kept waiting.

use super::*;

/// Runs everything that waits, one after another, and tells in which order.
fn served(bench: &mut Bench, mut slot: Slot, count: usize) -> Vec<Ticket> {
    let mut order = Vec::new();
    for _ in 0..count {
        bench.done(slot, false);
        let started = bench.removed(slot);
        let [Decision::Start { ticket, slot: new }] = started[..] else {
            panic!("{started:?}")
        };
        order.push(ticket);
        slot = new;
    }
    order
}

#[test]
fn namespaces_take_turns_and_within_each_its_actions_do() {
    let mut bench = Bench::new(settings(1));
    let slot = bench.cold("ns/x");
    let requests = [
        ("one", "a"),
        ("one", "a"),
        ("one", "b"),
        ("two", "c"),
        ("one", "c"),
        ("two", "c"),
        ("three", "d"),
    ];
    let tickets = requests.map(|(namespace, action)| {
        let key = Key::new(namespace, action, "0.0.1", 1);
        bench.request_of(key, plain()).0
    });
    let order = served(&mut bench, slot, tickets.len());
    let expected = [0, 3, 6, 2, 5, 4, 1].map(|index| tickets[index]);
    assert_eq!(order, expected);
}

#[test]
fn a_large_request_does_not_block_the_others() {
    let mut bench = Bench::new(Settings {
        memory: 1024,
        ..settings(10)
    });
    let busy: Vec<Slot> = (0..3).map(|n| bench.cold(&format!("ns/{n}"))).collect();
    let (large, decisions) = bench.request_of(key("ns/large"), needs("nodejs:20", 512));
    assert_eq!(decisions.unwrap(), []);
    bench.cold("ns/small");
    let (waits, _) = bench.request("ns/0");
    let decided = bench.done(busy[0], true);
    let (ticket, slot) = (waits, busy[0]);
    assert_eq!(decided, [run(ticket, slot, false)]);
    // Where enough is idle, the large one gets it.
    assert_eq!(bench.done(busy[0], true), []);
    let decided = bench.done(busy[1], true);
    let both = busy[..2]
        .iter()
        .map(|slot| Decision::Remove { slot: *slot });
    assert_eq!(decided, both.collect::<Vec<_>>());
    bench.removed(busy[0]);
    let started = bench.removed(busy[1]);
    assert!(matches!(started[..], [Decision::Start { ticket, .. }] if ticket == large));
}

/// Small requests come without end, so that there is never room for a large one unless it is kept.
#[test]
fn a_large_request_waits_for_the_aging_and_for_the_runs_under_way() {
    const RUN: u64 = 700;
    let settings = Settings {
        memory: 1024,
        ..settings(10)
    };
    let aging = settings.aging;
    let mut bench = Bench::new(settings);
    let mut busy: Vec<(Instant, Slot, String)> = Vec::new();
    for n in 0..4 {
        let action = format!("ns/{n}");
        let slot = bench.cold(&action);
        let end = bench.now + Duration::from_millis(RUN * (n + 1) / 4);
        busy.push((end, slot, action));
    }
    for (_, _, action) in &busy.clone() {
        bench.request(action).1.unwrap();
    }
    let (large, _) = bench.request_of(key("ns/large"), needs("nodejs:20", 512));
    let asked = bench.now;
    let bound = aging + Duration::from_millis(2 * RUN);
    loop {
        busy.sort();
        let (end, slot, action) = busy.remove(0);
        bench.now = end;
        assert!(bench.now <= asked + bound, "starved");
        let mut decided = bench.done(slot, true);
        if let Some(removed) = decided.iter().find_map(|decision| match decision {
            Decision::Remove { slot } => Some(*slot),
            _ => None,
        }) {
            let both: Vec<Decision> = std::mem::take(&mut decided);
            assert_eq!(both.len(), 2, "{both:?}");
            bench.removed(removed);
            let Decision::Remove { slot: other } = both[1] else {
                panic!("{both:?}")
            };
            let started = bench.removed(other);
            assert!(
                matches!(started[0], Decision::Start { ticket, .. } if ticket == large),
                "{started:?}"
            );
            assert!(bench.now >= asked + aging, "it was not passed over");
            return;
        }
        for decision in decided {
            let Decision::Run { slot: same, .. } = decision else {
                panic!("{decision:?}")
            };
            assert_eq!(same, slot);
            busy.push((end + Duration::from_millis(RUN), slot, action.clone()));
        }
        // There is always one more.
        bench.request(&action).1.unwrap();
    }
}

/// Many actions of many namespaces that never stop asking share one place: each gets its turn
/// within one round.
#[test]
fn nobody_waits_longer_than_a_round() {
    const RUN: u64 = 50;
    let settings = settings(1);
    let patience = settings.patience.as_millis() as u64;
    let mut bench = Bench::new(settings);
    let keys: Vec<Key> = (0..12)
        .map(|n| {
            let namespace = format!("n{}", n % 3);
            Key::new(&namespace, &format!("ns/{n}"), "0.0.1", 1)
        })
        .collect();
    let mut slot = bench.cold("ns/first");
    let mut asked = vec![bench.now; keys.len()];
    let mut tickets: Vec<Ticket> = keys
        .iter()
        .map(|key| bench.request_of(key.clone(), plain()).0)
        .collect();
    // In each turn: what is under way, the patience, and the run that ends after it.
    let turn = patience + 2 * RUN;
    let bound = Duration::from_millis(turn * (keys.len() as u64 + 1));
    let mut served = vec![0; keys.len()];
    let mut starts = 0;
    for _ in 0..5_000 {
        bench.pass(RUN);
        let mut decided = bench.done(slot, true);
        if let [Decision::Remove { slot }] = decided[..] {
            decided = bench.removed(slot);
            starts += 1;
        }
        let ticket = match decided[..] {
            [Decision::Start { ticket, slot: new }] => {
                slot = new;
                ticket
            }
            [Decision::Run { ticket, .. }] => ticket,
            ref other => panic!("{other:?}"),
        };
        let who = tickets.iter().position(|other| *other == ticket).unwrap();
        assert!(
            bench.now - asked[who] <= bound,
            "{:?}",
            bench.now - asked[who]
        );
        served[who] += 1;
        asked[who] = bench.now;
        tickets[who] = bench.request_of(keys[who].clone(), plain()).0;
    }
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(least * 2 >= *most, "{served:?}");
    assert!(starts < 600, "{starts} cold starts in 250 s");
}

#[test]
fn places_that_come_at_once_go_to_the_actions_of_a_namespace_in_turns() {
    let mut bench = Bench::new(settings(1));
    bench.cold("ns/x");
    let waiting = ["ns/a", "ns/a", "ns/b"].map(|action| bench.request(action).0);
    let larger = settings(3);
    let decided = bench.tell(|pool, now, out| drop(pool.reconfigure(now, larger, out)));
    let started = decided.iter().map(|decision| match decision {
        Decision::Start { ticket, .. } => *ticket,
        other => panic!("{other:?}"),
    });
    assert_eq!(started.collect::<Vec<_>>(), [waiting[0], waiting[2]]);
}

/// An action of a namespace.
fn of(namespace: &str, action: &str) -> Key {
    Key::new(namespace, action, "0.0.1", 1)
}

/// What needs half of the memory of [`crowded`].
fn large() -> Needs {
    needs("nodejs:20", 512)
}

/// A pool whose memory is taken by four busy sandboxes, of the actions 0 to 3 of a namespace.
fn crowded(namespace: &str) -> (Bench, Vec<Slot>) {
    let mut bench = Bench::new(Settings {
        memory: 1024,
        ..settings(10)
    });
    let keys = (0..4).map(|n| of(namespace, &format!("ns/{n}")));
    let busy = keys.map(|key| bench.cold_of(key, plain())).collect();
    (bench, busy)
}

/// A sandbox goes on with its own action, whoever else waits.
fn goes_on(bench: &mut Bench, key: Key, slot: Slot) {
    let (ticket, none) = bench.request_of(key, plain());
    assert_eq!(none.unwrap(), []);
    assert_eq!(bench.done(slot, true), [run(ticket, slot, false)]);
}

/// The memory of two sandboxes that come free goes to a large request.
fn give_way(bench: &mut Bench, slots: [Slot; 2]) -> (Ticket, Slot) {
    assert_eq!(bench.done(slots[0], true), []);
    let removals = slots.map(|slot| Decision::Remove { slot });
    assert_eq!(bench.done(slots[1], true), removals);
    assert_eq!(bench.removed(slots[0]), []);
    match bench.removed(slots[1])[..] {
        [Decision::Start { ticket, slot }] => (ticket, slot),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn of_those_that_were_passed_over_for_too_long_the_first_comes_first() {
    let (mut bench, busy) = crowded("one");
    let (first, _) = bench.request_of(of("one", "ns/large"), large());
    goes_on(&mut bench, of("one", "ns/0"), busy[0]);
    bench.pass(100);
    bench.request_of(of("two", "ns/large"), large()).1.unwrap();
    // From here on it is the other namespace's turn.
    for _ in 0..2 {
        goes_on(&mut bench, of("one", "ns/0"), busy[0]);
    }
    bench.now += bench.pool.settings().aging;
    assert_eq!(give_way(&mut bench, [busy[1], busy[2]]).0, first);
}

#[test]
fn who_was_passed_over_for_too_long_is_passed_over_anew_after_its_turn() {
    let (mut bench, busy) = crowded("one");
    let both = [(); 2].map(|()| bench.request_of(of("one", "ns/large"), large()).0);
    goes_on(&mut bench, of("one", "ns/0"), busy[0]);
    bench.now += bench.pool.settings().aging;
    assert_eq!(give_way(&mut bench, [busy[0], busy[1]]).0, both[0]);
    // The second of them holds nobody up.
    goes_on(&mut bench, of("one", "ns/2"), busy[2]);
}

/// For as long as the patience a sandbox goes on with its own action while another waits, and not
/// for some milliseconds `beyond`.
fn is_patient(bench: &mut Bench, slot: Slot, beyond: u64) {
    let patience = bench.pool.settings().patience.as_millis() as u64;
    let (own, _) = bench.request("ns/a");
    bench.pass(patience + beyond);
    let expected = match beyond {
        0 => run(own, slot, false),
        _ => Decision::Remove { slot },
    };
    assert_eq!(bench.done(slot, true), [expected], "{beyond} ms beyond it");
}

#[test]
fn a_sandbox_goes_on_with_its_own_until_others_have_waited_longer_than_the_patience() {
    for beyond in [0, 1] {
        let mut bench = Bench::new(settings(1));
        let slot = bench.cold("ns/a");
        bench.pass(100);
        bench.request("ns/b").1.unwrap();
        is_patient(&mut bench, slot, beyond);
    }
}

#[test]
fn a_sandbox_goes_on_with_its_own_for_no_longer_than_the_patience() {
    for beyond in [0, 1] {
        let mut bench = Bench::new(settings(1));
        let before = bench.cold("ns/x");
        bench.request("ns/a").1.unwrap();
        bench.request("ns/b").1.unwrap();
        bench.pass(100);
        bench.done(before, false);
        let [Decision::Start { slot, .. }] = bench.removed(before)[..] else {
            panic!("it is the turn of the first")
        };
        bench.tell(|pool, now, out| pool.started(now, slot, out));
        is_patient(&mut bench, slot, beyond);
    }
}
