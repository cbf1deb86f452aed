//! What is looked at, sent and settled, and when.

use super::super::entry::tests::entry;
use super::*;
use crate::store::Collection;

fn stamp(updated: u64) -> Stamp {
    let document = format!(r#"{{"version":"0.0.1","updated":{updated}}}"#);
    Stamp::of(Collection::Actions, document.as_bytes()).unwrap()
}

fn present(updated: u64, same: bool) -> Sight {
    Sight::Present {
        stamp: stamp(updated),
        same,
        document: Bytes::from_static(b"theirs"),
    }
}

fn theirs() -> Theirs {
    Theirs::Shown(Bytes::from_static(b"theirs"))
}

const LIGHTLY: Step = Step::Look { fully: false };
const FULLY: Step = Step::Look { fully: true };

/// The replay of an entry, after its first look was asked for.
fn replay(operation: Operation, base: Base, state: State) -> (Replay, Step) {
    Replay::new(&Entry {
        operation,
        base,
        state,
        ..entry(1)
    })
}

fn pending(operation: Operation, base: Base) -> Replay {
    let (replay, step) = replay(operation, base, State::Pending);
    assert_eq!(step, LIGHTLY);
    replay
}

fn sending(operation: Operation, base: Base) -> Replay {
    let (replay, step) = replay(operation, base, State::Sending);
    assert_eq!(step, FULLY);
    replay
}

#[test]
fn what_can_be_done_is_marked_and_sent() {
    let base = || Base::At(stamp(5));
    for (operation, base, sight) in [
        (Operation::Put, Base::Absent, Sight::Absent),
        (Operation::Put, base(), present(5, false)),
        (Operation::Put, base(), present(5, true)),
        (Operation::Delete, base(), present(5, false)),
        (Operation::Put, Base::Any, present(9, false)),
        (Operation::Put, Base::Any, Sight::Absent),
    ] {
        let mut replay = pending(operation, base);
        assert_eq!(replay.seen(sight), Step::Mark);
        assert_eq!(replay.marked(), Step::Send);
        let answer = replay.answered(Answer::Done(Bytes::from_static(b"theirs")));
        let ending = match operation {
            Operation::Delete => Theirs::Absent,
            _ => Theirs::Written(Bytes::from_static(b"theirs")),
        };
        assert_eq!(answer, Step::End(Ending::Applied(ending)));
    }
}

#[test]
fn the_master_has_moved_on() {
    let base = || Base::At(stamp(5));
    for (operation, base, sight, theirs) in [
        (Operation::Put, base(), Sight::Absent, Theirs::Absent),
        (Operation::Status, base(), Sight::Absent, Theirs::Absent),
        (Operation::Put, base(), present(6, false), theirs()),
        (Operation::Delete, base(), present(6, false), theirs()),
        (Operation::Put, Base::Absent, present(5, false), theirs()),
    ] {
        let mut replay = sending(operation, base);
        assert_eq!(replay.seen(sight), Step::End(Ending::Superseded(theirs)));
    }
    // It is asked for with code before it takes the place of ours.
    let mut replay = pending(Operation::Put, base());
    assert_eq!(replay.seen(present(6, true)), FULLY);
    let step = replay.seen(present(7, false));
    assert_eq!(step, Step::End(Ending::Superseded(theirs())));
}

#[test]
fn a_lost_answer_is_not_asked_for_again() {
    for base in [Base::Absent, Base::At(stamp(5)), Base::Any] {
        let mut replay = sending(Operation::Put, base);
        let step = replay.seen(present(6, true));
        assert_eq!(step, Step::End(Ending::Applied(theirs())));
    }
    let mut replay = sending(Operation::Delete, Base::At(stamp(5)));
    let step = replay.seen(Sight::Absent);
    assert_eq!(step, Step::End(Ending::Applied(Theirs::Absent)));
}

#[test]
fn what_was_lost_on_the_way_there_is_sent_again() {
    let mut replay = sending(Operation::Put, Base::Absent);
    assert_eq!(replay.seen(Sight::Absent), Step::Send);
    // Even what would change nothing: its state shows that it was not done.
    let mut replay = sending(Operation::Put, Base::At(stamp(5)));
    assert_eq!(replay.seen(present(5, true)), Step::Send);
    let mut replay = sending(Operation::Put, Base::Any);
    assert_eq!(replay.seen(present(5, false)), Step::Send);
}

#[test]
fn the_same_on_both_sides_is_no_conflict() {
    let mut replay = pending(Operation::Put, Base::Absent);
    assert_eq!(replay.seen(present(6, true)), FULLY);
    let step = replay.seen(present(6, true));
    assert_eq!(step, Step::End(Ending::Applied(theirs())));
}

#[test]
fn refusals_are_settled_with_what_the_master_has() {
    let refused = || Answer::Refused("too large".into());
    let mut replay = sending(Operation::Put, Base::At(stamp(5)));
    assert_eq!(replay.seen(present(5, false)), Step::Send);
    assert_eq!(replay.answered(refused()), FULLY);
    let step = replay.seen(present(5, false));
    let failed = |theirs| Step::End(Ending::Failed("too large".into(), theirs));
    assert_eq!(step, failed(theirs()));

    // Somebody else has made one in the meantime.
    let mut replay = sending(Operation::Put, Base::Absent);
    assert_eq!(replay.seen(Sight::Absent), Step::Send);
    assert_eq!(replay.answered(refused()), FULLY);
    let step = replay.seen(present(6, false));
    assert_eq!(step, Step::End(Ending::Superseded(theirs())));

    let mut replay = sending(Operation::Put, Base::Absent);
    assert_eq!(replay.seen(Sight::Absent), Step::Send);
    assert_eq!(replay.answered(refused()), FULLY);
    assert_eq!(replay.seen(Sight::Absent), failed(Theirs::Absent));

    let mut replay = sending(Operation::Put, Base::Any);
    assert_eq!(replay.seen(present(5, false)), Step::Send);
    assert_eq!(replay.answered(refused()), FULLY);
    assert_eq!(replay.seen(present(5, false)), failed(theirs()));
}

#[test]
fn packages_are_deleted_also_when_they_are_not_shown() {
    let replay = |state| {
        let entry = Entry {
            operation: Operation::Delete,
            collection: Collection::Packages,
            binding: true,
            base: Base::At(stamp(5)),
            state,
            ..entry(1)
        };
        Replay::new(&entry).0
    };
    let failed = |reason: &str, theirs| Step::End(Ending::Failed(reason.into(), theirs));
    for unseen in [
        || Sight::Absent,
        || Sight::Refused("its package is not yours".into()),
    ] {
        let mut deleted = replay(State::Pending);
        assert_eq!(deleted.seen(unseen()), Step::Mark);
        assert_eq!(deleted.marked(), Step::Send);
        let step = deleted.answered(Answer::DoneSilently);
        assert_eq!(step, Step::End(Ending::Applied(Theirs::Absent)));

        let mut missing = replay(State::Sending);
        assert_eq!(missing.seen(unseen()), Step::Send);
        let step = missing.answered(Answer::Absent("404".into()));
        assert_eq!(step, Step::End(Ending::Applied(Theirs::Absent)));

        // That it is not shown does not mean then that it is gone.
        let mut refused = replay(State::Sending);
        assert_eq!(refused.seen(unseen()), Step::Send);
        let step = refused.answered(Answer::Refused("not now".into()));
        assert_eq!(step, FULLY);
        assert_eq!(refused.seen(unseen()), failed("not now", Theirs::Unknown));
    }
}

#[test]
fn a_key_that_opens_nothing_any_more() {
    let mut replay = pending(Operation::Put, Base::Absent);
    let step = replay.seen(Sight::Refused("401".into()));
    let failed = Ending::Failed("401".into(), Theirs::Unknown);
    assert_eq!(step, Step::End(failed));
}

#[test]
fn trouble_waits() {
    let delay = || Delay::Unreachable("gone".into());
    let mut replay = pending(Operation::Put, Base::Absent);
    let step = replay.seen(Sight::Trouble(delay()));
    assert_eq!(step, Step::Later(delay()));
    assert_eq!(replay.seen(Sight::Absent), Step::Mark);
    assert_eq!(replay.marked(), Step::Send);
    let step = replay.answered(Answer::Trouble(delay()));
    assert_eq!(step, Step::Later(delay()));
}

#[test]
fn statuses_of_rules() {
    let status = |base, state| {
        let entry = Entry {
            operation: Operation::Status,
            collection: Collection::Rules,
            base,
            state,
            ..entry(1)
        };
        Replay::new(&entry).0
    };
    // The status does not show in the state of a rule.
    for state in [State::Pending, State::Sending] {
        let mut replay = status(Base::At(stamp(5)), state);
        let step = replay.seen(present(5, true));
        assert_eq!(step, Step::End(Ending::Applied(theirs())));
    }
    let mut replay = status(Base::At(stamp(5)), State::Sending);
    assert_eq!(replay.seen(present(5, false)), Step::Send);
    let step = replay.answered(Answer::DoneSilently);
    let changed = Theirs::Changed(stamp(5));
    assert_eq!(step, Step::End(Ending::Applied(changed)));
}
