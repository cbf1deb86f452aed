//! When the answer comes, and when the record.

use super::play::play;
use super::*;
use crate::invoke::answer::UNRECORDED;

/// A store in which records wait for others for as long as no test does.
fn lingering(change: fn(&mut Settings)) -> Bench {
    let bench = Bench::lingering(Duration::from_secs(3600), play, change);
    bench.action("increment");
    bench
}

fn is_stored(bench: &Bench, activation: &Activation) -> bool {
    let record = bench.store.activation("guest", activation.id);
    record.unwrap().is_some()
}

#[test]
fn by_default_the_record_follows_the_answer() {
    let bench = lingering(|_| ());
    let answer = bench.finished(bench.call("increment", WAIT));
    assert!(!is_stored(&bench, &answer));
}

#[test]
fn an_answer_waits_for_its_record_where_that_is_wanted() {
    let bench = lingering(|settings| settings.durable_answers = true);
    let answer = bench.finished(bench.call("increment", WAIT));
    assert!(is_stored(&bench, &answer));
    assert!(!answer.annotations.iter().any(|(key, _)| *key == UNRECORDED));
}

#[test]
fn the_answer_of_a_sequence_waits_for_all_its_records() {
    let bench = Bench::with(play, |settings| settings.durable_answers = true);
    bench.action("increment");
    bench.sequence("s", &["guest/increment", "guest/increment"]);
    let call = bench.call_of("s", &serde_json::json!({"n": 0}), WAIT);
    let answer = bench.finished(call);
    assert!(is_stored(&bench, &answer));
    assert_eq!(bench.store.usage().unwrap().activations, 3);
}

#[test]
fn an_answer_without_a_record_says_so() {
    let bench = lingering(|settings| settings.durable_answers = true);
    let call = bench.call("increment", WAIT);
    bench.store.close();
    let answer = bench.finished(call);
    assert_eq!(answer.response.status, Status::Success);
    let said = answer
        .annotations
        .iter()
        .find(|(key, _)| *key == UNRECORDED);
    assert_eq!(said.unwrap().1.get(), "true");
}

#[test]
fn the_answer_has_left_before_the_record_is_made() {
    let bench = lingering(|_| ());
    // One that leaves nothing to wait for.
    let payload = serde_json::json!({"n": 1});
    let call = bench.call_path("whisk.system/utils/echo", &payload, WAIT);
    let invoker = bench.invoker.clone();
    // In a task of its own, as connections are.
    let unstored = bench.run(bench.executor.spawn(async move {
        let answered = invoker.invoke(call).await;
        assert!(matches!(answered, Ok(Outcome::Finished(_))));
        invoker.inner.unstored.load(Ordering::Relaxed)
    }));
    assert_eq!(unstored, 0);
    while bench.invoker.inner.unstored.load(Ordering::Relaxed) == 0 {
        bench.run(smol::future::yield_now());
    }
}
