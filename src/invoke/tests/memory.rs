//! What calls may hold of the daemon's memory.

use super::*;

/// A call with a payload of about so many bytes.
fn call_of(bench: &Bench, name: &str, bytes: usize) -> Call {
    let mut call = bench.call(name, None);
    let payload = format!(r#"{{"p":"{}"}}"#, "x".repeat(bytes));
    call.payload = RawValue::from_string(payload).ok();
    call
}

#[test]
fn large_payloads_are_bounded() {
    let slow: Script = |body| {
        let (status, answer, _) = echo(body);
        (status, answer, Duration::from_millis(20))
    };
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), slow, 1);
    bench.code("a");
    let others = bench.invoker.inner.payloads.take(MOST_PAYLOADS - (2 << 20));
    let mut accepted = Vec::new();
    let refused = loop {
        assert!(accepted.len() < 10, "nothing bounds what calls hold");
        match bench.run(bench.invoker.invoke(call_of(&bench, "a", 1 << 20))) {
            Ok(Outcome::Accepted(id)) => accepted.push(id),
            Ok(Outcome::Finished(_) | Outcome::Refused(..)) => panic!("nobody waits"),
            Err(error) => break error,
        }
    };
    let InvokeError::Overloaded(text) = refused else {
        panic!("{refused}");
    };
    assert_eq!(text, "System is overloaded, try again later.");
    // Small ones still go.
    let small = bench.run(bench.invoker.invoke(call_of(&bench, "a", 100)));
    let Ok(Outcome::Accepted(small)) = small else {
        panic!("a small one is refused");
    };
    accepted.push(small);
    for id in accepted {
        bench.record(id);
    }
    // Nothing is held for what has ended.
    drop(others);
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    bench.invoker.inner.payloads.take(1 << 30).expect("all");
}

#[test]
fn a_sequence_holds_its_payload_twice() {
    let bench = Bench::new(echo);
    bench.code("a");
    let inner = &bench.invoker.inner;
    let call = call_of(&bench, "a", MOST_PAYLOADS as usize / 4);
    let room = inner.room(Runner::Sequence, &call).unwrap();
    assert!(inner.room(Runner::Sequence, &call).is_err());
    inner.room(Runner::Sandbox, &call).unwrap();
    drop(room);
    assert!(inner.room(Runner::Conductor, &call).is_ok());
}
