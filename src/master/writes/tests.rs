//! Writes with a master that answers, or does not.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Mutex;

use hyper::HeaderMap;
use smol::block_on;
use smol::future::poll_once;

use super::*;
use crate::BoxFuture;
use crate::catalog::creation;
use crate::entity::{NamespaceLimits, Secret, Trigger};
use crate::master::copies::Rooms;
use crate::master::journal::{Base, Book, Entry, State};
use crate::store::{CodeChange, Options, Store};
use crate::sync::lock;
use crate::upstream::{Exchange, Incoming, IncomingBody, Room, Via};

type Told = Result<(u16, &'static str), UpstreamError>;

/// A master that says what it is told to, and remembers what it was asked.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    told: VecDeque<Told>,
    asked: Vec<String>,
    headers: Vec<HeaderMap>,
}

impl Exchange for Script {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        let mut script = lock(&self.0);
        let line = format!("{} {} {:?}", request.method, request.target, request.body);
        script.asked.push(line);
        script.headers.push(request.headers);
        let told = script.told.pop_front().expect("an answer");
        Box::pin(async move {
            let (status, body) = told?;
            Ok(Incoming {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: IncomingBody::whole(body),
            })
        })
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    writes: Writes,
    script: Script,
    identity: Arc<Identity>,
}

/// Bytes that a journal may have, as a rule.
const JOURNAL: u64 = 1 << 20;

const TRIGGER: &str = r#"{"namespace":"ns","name":"t","parameters":[],"limits":{},"version":"0.0.7",
    "publish":false,"annotations":[],"updated":5}"#;

impl Bench {
    fn new(keep: bool, told: impl IntoIterator<Item = Told>) -> Self {
        Self::with(Room::default(), keep.then_some(JOURNAL), told)
    }

    /// With room for answers, and a journal of so many bytes, if there is one.
    fn with(room: Room, limit: Option<u64>, told: impl IntoIterator<Item = Told>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::with_map_size(4 << 20)).unwrap();
        let catalog = Catalog::new(store.clone());
        let script = Script::default();
        lock(&script.0).told = told.into_iter().collect();
        let upstream = Upstream::sharing(room, "http://cloud", script.clone());
        let rooms = Rooms {
            upstream: upstream.clone(),
            via: Via::new("id"),
            catalog: catalog.clone(),
            executor: Arc::default(),
            retire: Box::new(|_| {}),
        };
        let copies = Copies::new(rooms, std::time::Duration::from_secs(60));
        let mirror = Arc::new(copies.clone());
        let journal = Journal::open(store, mirror, limit.unwrap_or(0)).unwrap();
        let identity = Arc::new(Identity {
            subject: "ns".into(),
            namespace: "ns".into(),
            uuid: "u".into(),
            key: Secret::new("k".into()),
            limits: Arc::new(NamespaceLimits::default()),
        });
        Bench {
            _dir: dir,
            writes: Writes::new(upstream, catalog, copies, journal, limit.is_some()),
            script,
            identity,
        }
    }

    fn write(&self, operation: Operation, path: &str) -> Written {
        block_on(self.writes.write(&self.identity, request(operation, path)))
    }

    /// Has a put of a trigger, and gives why it cannot be made.
    fn refusal(&self) -> (u16, String) {
        match self.write(Operation::Put, "ns/t") {
            Written::Unavailable(status, text) => (status.as_u16(), text),
            _ => panic!("it is made"),
        }
    }

    /// Makes a write here, as a handler does: the entries that there are then.
    fn record(&self, written: Written) -> Vec<Entry> {
        let Written::Record(mut record) = written else {
            panic!("it is not made here");
        };
        let catalog = self.writes.catalog.along_with(record.companions());
        let new = crate::entity::NewTrigger::parse(b"{}").unwrap();
        block_on(catalog.put_trigger("ns", "t", &new, true)).unwrap();
        record.end().unwrap();
        let mut entries = Vec::new();
        let book = Book::new(self.writes.catalog.store().clone());
        let visit = &mut |entry, _| {
            entries.push(entry);
            ControlFlow::Continue(())
        };
        book.visit(visit).unwrap();
        entries
    }

    fn version_here(&self) -> Option<String> {
        let trigger = self.writes.catalog.get::<crate::entity::Trigger>("ns/t");
        trigger.ok().map(|trigger| trigger.version)
    }

    fn asked(&self) -> Vec<String> {
        lock(&self.script.0).asked.clone()
    }
}

fn request(operation: Operation, path: &str) -> WriteRequest {
    let target = format!(
        "/api/v1/namespaces/_/triggers/{}?overwrite=true",
        &path[3..]
    );
    WriteRequest {
        operation,
        collection: Collection::Triggers,
        path: path.into(),
        force: false,
        outgoing: Outgoing::new(operation.method(), target),
        body: match operation {
            Operation::Put => Bytes::from_static(b"{}"),
            _ => Bytes::new(),
        },
    }
}

const BROKEN: fn() -> Told = || Err(UpstreamError::Broken("cut".into()));
const UNSENT: fn() -> Told = || Err(UpstreamError::Unsent("cut".into()));

#[test]
fn what_the_master_has_done_is_done_here() {
    let bench = Bench::new(false, [Ok((200, TRIGGER)), Ok((200, TRIGGER))]);
    let Written::Answer(answer) = bench.write(Operation::Put, "ns/t") else {
        panic!("no answer");
    };
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (200, TRIGGER.as_bytes())
    );
    assert_eq!(bench.version_here().as_deref(), Some("0.0.7"));
    let line = "PUT /api/v1/namespaces/_/triggers/t?overwrite=true Whole(2 bytes)";
    assert_eq!(bench.asked(), [line]);
    let deleted = bench.write(Operation::Delete, "ns/t");
    assert!(matches!(deleted, Written::Answer(_)));
    assert_eq!(bench.version_here(), None);
    assert!(bench.asked()[1].ends_with("Empty"));
}

#[test]
fn what_the_master_refuses_changes_nothing_here() {
    let told = [
        Ok((200, TRIGGER)),
        Ok((409, r#"{"error":"no"}"#)),
        Ok((500, "{}")),
    ];
    let bench = Bench::new(true, told);
    bench.write(Operation::Put, "ns/t");
    for status in [409, 500] {
        match bench.write(Operation::Delete, "ns/t") {
            Written::Answer(answer) => assert_eq!(answer.status.as_u16(), status),
            _ => panic!("no answer"),
        }
    }
    assert_eq!(bench.version_here().as_deref(), Some("0.0.7"));
}

#[test]
fn an_answer_without_room_is_told_by_its_status() {
    for keep in [false, true] {
        let told = [Ok((200, TRIGGER)), Ok((409, r#"{"error":"no"}"#))];
        let bench = Bench::with(Room::none(), keep.then_some(JOURNAL), told);
        for what in ["has made", "has not made"] {
            let (status, text) = bench.refusal();
            assert_eq!(status, 503);
            assert!(text.contains(what) && text.contains("MiB"), "{text}");
        }
        assert_eq!(bench.version_here(), None);
        assert_eq!(bench.writes.journal.waiting(), 0);
    }
    // A proxy in trouble has decided nothing.
    let bench = Bench::with(Room::none(), Some(JOURNAL), [Ok((502, "{}"))]);
    let written = bench.write(Operation::Put, "ns/t");
    assert_eq!(bench.record(written).len(), 1);
}

#[test]
fn refused_without_a_journal_and_said_what_may_have_happened() {
    let (status, text) = Bench::new(false, [UNSENT()]).refusal();
    assert_eq!(status, 503);
    assert!(text.starts_with("The change was not made"), "{text}");
    let (status, text) = Bench::new(false, [BROKEN()]).refusal();
    assert_eq!(status, 502);
    assert!(
        text.contains("may or may not have made the change"),
        "{text}"
    );
    // An answer is an answer.
    let bench = Bench::new(false, [Ok((503, "{}"))]);
    let passed = bench.write(Operation::Put, "ns/t");
    assert!(matches!(passed, Written::Answer(answer) if answer.status == 503));
}

#[test]
fn kept_with_a_journal_as_sent_or_not() {
    for (told, state) in [
        (UNSENT(), State::Pending),
        (BROKEN(), State::Sending),
        (Ok((503, "{}")), State::Sending),
    ] {
        let bench = Bench::new(true, [told]);
        let entries = bench.record(bench.write(Operation::Put, "ns/t"));
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].state, state);
        assert_eq!(bench.version_here().as_deref(), Some("0.0.1"));
    }
}

#[test]
fn without_room_in_the_journal_it_is_said_what_may_have_happened() {
    let bench = Bench::with(Room::default(), Some(10), [BROKEN(), UNSENT()]);
    let (status, text) = bench.refusal();
    assert!(status == 502 && text.contains("may or may not"), "{text}");
    let (status, text) = bench.refusal();
    assert!(status == 503 && text.contains("journal"), "{text}");
}

#[test]
fn nothing_gets_ahead_of_what_waits() {
    let bench = Bench::new(true, [Ok((503, "{}"))]);
    bench.record(bench.write(Operation::Put, "ns/t"));
    assert!(!bench.writes.upstream.is_down());
    // Of another entity, too: it may need the first one.
    let other = bench.write(Operation::Put, "ns/other");
    assert!(matches!(other, Written::Record(_)));
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn one_after_another_for_an_entity() {
    let bench = Bench::new(true, [UNSENT(), UNSENT(), Ok((200, TRIGGER))]);
    block_on(async {
        let writes = &bench.writes;
        let put = |path| writes.write(&bench.identity, request(Operation::Put, path));
        let Written::Record(first) = put("ns/t").await else {
            panic!("it is not made here");
        };
        let mut second = Box::pin(put("ns/t"));
        assert!(poll_once(&mut second).await.is_none());
        first.end().unwrap();
        assert!(matches!(second.await, Written::Record(_)));
    });
}

#[test]
fn what_only_this_gateway_has_is_nobody_elses_concern() {
    let bench = Bench::new(true, []);
    let keep = bench.writes.copies.keep("ns/t.kept");
    let store = bench.writes.catalog.store();
    block_on(store.write_all(vec![keep])).unwrap();
    match bench.write(Operation::Delete, "ns/t.kept") {
        Written::Here(here) => {
            block_on(store.write_all(here.companions())).unwrap();
            here.end();
        }
        _ => panic!("it goes to the master"),
    }
    assert!(!bench.writes.copies.is_kept("ns/t.kept").unwrap());
    assert!(bench.asked().is_empty());
}

#[test]
fn a_page_of_somebody_else_deletes_nothing_here() {
    let told = [
        Ok((200, TRIGGER)),
        Ok((200, "<html>log in here</html>")),
        Ok((
            200,
            r#"{"namespace":"ns","name":"other","version":"0.0.1"}"#,
        )),
        Ok((204, "")),
    ];
    let bench = Bench::new(true, told);
    bench.write(Operation::Put, "ns/t");
    for _ in 0..3 {
        // It is passed on all the same: nobody knows better.
        let passed = bench.write(Operation::Delete, "ns/t");
        assert!(matches!(passed, Written::Answer(_)));
        assert_eq!(bench.version_here().as_deref(), Some("0.0.7"));
    }
}

#[test]
fn the_answer_is_asked_for_as_it_can_be_read() {
    let bench = Bench::new(true, [Ok((200, TRIGGER))]);
    let mut put = request(Operation::Put, "ns/t");
    for name in ["accept-encoding", "range", "x-mine"] {
        let value = hyper::header::HeaderValue::from_static("gzip");
        put.outgoing.headers.insert(name, value);
    }
    block_on(bench.writes.write(&bench.identity, put));
    let headers = lock(&bench.script.0).headers.pop().unwrap();
    let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-mine"]);
}

/// A gateway with a trigger that was made before there was a master.
fn grown(keep: bool, told: impl IntoIterator<Item = Told>) -> Bench {
    let bench = Bench::new(keep, told);
    let trigger = Trigger::from_document(TRIGGER.as_bytes(), 0).unwrap();
    let made = vec![Change::Put(creation(&trigger, CodeChange::Remove))];
    block_on(bench.writes.catalog.store().write_all(made)).unwrap();
    bench
}

#[test]
fn what_the_master_never_had_is_deleted_here() {
    let bench = grown(false, [Ok((404, r#"{"error":"none","code":"x"}"#))]);
    let Written::Here(here) = bench.write(Operation::Delete, "ns/t") else {
        panic!("it cannot be deleted");
    };
    // It was asked: it may have got one.
    assert_eq!(bench.asked().len(), 1);
    let mut changes = here.companions();
    let path = "ns/t".into();
    changes.push(Change::Drop { path });
    block_on(bench.writes.catalog.write_all(changes)).unwrap();
    here.end();
    assert!(!bench.writes.copies.is_local("ns/t").unwrap());
    // What is no OpenWhisk's answer says nothing.
    let bench = grown(false, [Ok((404, "<html>"))]);
    let answered = bench.write(Operation::Delete, "ns/t");
    assert!(matches!(answered, Written::Answer(_)));
}

#[test]
fn with_a_package_that_is_only_here_goes_what_is_known_of_its_actions() {
    let bench = Bench::new(true, []);
    let copies = &bench.writes.copies;
    let store = bench.writes.catalog.store();
    let kept = ["ns/p", "ns/p/a", "ns/p/b", "ns/pp", "ns/p2/a"];
    block_on(store.write_all(kept.map(|path| copies.keep(path)).into())).unwrap();
    let mut delete = request(Operation::Delete, "ns/p");
    delete.collection = Collection::Packages;
    delete.force = true;
    let Written::Here(here) = block_on(bench.writes.write(&bench.identity, delete)) else {
        panic!("it goes to the master");
    };
    block_on(store.write_all(here.companions())).unwrap();
    here.end();
    let still = kept.map(|path| copies.is_kept(path).unwrap());
    assert_eq!(still, [false, false, false, true, true]);
}

#[test]
fn what_is_made_at_the_master_is_not_from_before() {
    let bench = grown(false, [Ok((200, TRIGGER))]);
    assert!(bench.writes.copies.is_local("ns/t").unwrap());
    let answered = bench.write(Operation::Put, "ns/t");
    assert!(matches!(answered, Written::Answer(_)));
    assert!(!bench.writes.copies.is_local("ns/t").unwrap());
    assert!(bench.writes.copies.base("ns/t").unwrap().is_some());
}

#[test]
fn without_the_master_a_change_of_what_it_never_had_waits_as_a_new_one() {
    let bench = grown(true, [UNSENT()]);
    let entries = bench.record(bench.write(Operation::Put, "ns/t"));
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].base, Base::Absent);
    assert!(bench.writes.copies.is_local("ns/t").unwrap());
    // Its status is nobody else's concern.
    let status = bench.write(Operation::Status, "ns/t");
    assert!(matches!(status, Written::Here(_)));
}
