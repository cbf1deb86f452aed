//! Keys before a master that plays a script.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method, StatusCode};
use smol::future::{self, poll_once};

use super::*;
use crate::BoxFuture;
use crate::store::Options;
use crate::upstream::{Exchange, Incoming, IncomingBody, Outgoing, UpstreamError, VIA};

/// What the master answers to one question.
#[derive(Clone, Debug)]
enum Play {
    /// Status and body.
    Answer(u16, String),
    /// It cannot be reached.
    Unreachable,
    /// Nothing, ever.
    Silence,
}

/// The key is one of this namespace.
fn accept(namespace: &str) -> Play {
    Play::Answer(200, format!("[{namespace:?}]"))
}

fn refuse() -> Play {
    Play::Answer(401, r#"{"error":"wrong","code":"x"}"#.into())
}

/// A master that answers one question after the other, and the last answer for ever.
#[derive(Default)]
struct Script {
    plays: Mutex<VecDeque<Play>>,
    /// Credentials that it was asked about.
    asked: Mutex<Vec<String>>,
    /// The daemons that questions have come through.
    via: Mutex<Vec<String>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Exchange for Arc<Script> {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        assert_eq!(request.method, Method::GET);
        assert_eq!(request.target, "/api/v1/namespaces");
        let credentials = request.headers[AUTHORIZATION].to_str().unwrap();
        let credentials = STANDARD.decode(credentials.strip_prefix("Basic ").unwrap());
        lock(&self.asked).push(String::from_utf8(credentials.unwrap()).unwrap());
        let via = request.headers[VIA].to_str().unwrap();
        lock(&self.via).push(via.to_owned());
        let play = {
            let mut plays = lock(&self.plays);
            match plays.len() {
                1 => plays[0].clone(),
                _ => plays.pop_front().expect("the script has begun"),
            }
        };
        Box::pin(async move {
            let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_open.fetch_max(open, Ordering::Relaxed);
            future::yield_now().await;
            let answer = match play {
                Play::Silence => future::pending().await,
                Play::Unreachable => Err(UpstreamError::Unsent("refused".into())),
                Play::Answer(status, body) => Ok(Incoming {
                    status: StatusCode::from_u16(status).unwrap(),
                    headers: HeaderMap::new(),
                    body: IncomingBody::whole(body),
                }),
            };
            self.open.fetch_sub(1, Ordering::Relaxed);
            answer
        })
    }
}

/// Keys over a store of their own and a scripted master.
struct Bench {
    keys: Keys,
    store: Store,
    script: Arc<Script>,
    executor: Executor,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(plays: impl IntoIterator<Item = Play>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            keys_of_master: true,
            ..Options::with_map_size(1 << 20)
        };
        let store = Store::open(dir.path(), options).unwrap();
        let script = Arc::new(Script::default());
        let executor = Executor::default();
        let upstream = Upstream::new("http://master", script.clone());
        let validity = Validity {
            revalidate: Duration::from_secs(300),
            offline: Duration::from_secs(86_400),
        };
        let bench = Bench {
            keys: Keys::new(
                store.clone(),
                upstream,
                executor.clone(),
                Via::new("own"),
                validity,
            ),
            store,
            script,
            executor,
            _dir: dir,
        };
        bench.play(plays);
        bench
    }

    /// What the master answers from now on.
    fn play(&self, plays: impl IntoIterator<Item = Play>) {
        *lock(&self.script.plays) = plays.into_iter().collect();
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(future))
    }

    /// Lets what was begun beside come to its end.
    fn settle(&self) {
        self.run(async {
            while !self.executor.is_empty() {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
        });
    }

    /// Shows a key: its namespace, or why it opens nothing.
    fn show(&self, uuid: &str, key: &str) -> Result<String, String> {
        let answer = self.run(self.keys.authenticate(uuid, key, None));
        answer
            .map(|identity| identity.namespace.clone())
            .map_err(|error| error.to_string())
    }

    /// How often the master was asked.
    fn asked(&self) -> usize {
        lock(&self.script.asked).len()
    }

    /// Learns a key of `ns` that was accepted so many seconds ago; gives when that was.
    fn learn(&self, uuid: &str, key: &str, ago: u64) -> u64 {
        let (key, at) = (Secret::new(key.into()), clock::now() - ago * 1000);
        self.run(self.store.learn_key("ns", uuid, &key, at))
            .unwrap();
        at
    }

    /// When a key was accepted, as the store says it.
    fn stored(&self, uuid: &str) -> Option<u64> {
        let known = self.store.learned_key(uuid).unwrap()?;
        Some(known.accepted_at)
    }
}

fn ok(namespace: &str) -> Result<String, String> {
    Ok(namespace.into())
}

fn refused() -> Result<String, String> {
    Err("the key is wrong".into())
}

#[track_caller]
fn unavailable_for(answer: Result<String, String>, why: &str) {
    let text = answer.unwrap_err();
    assert!(text.starts_with("the key cannot be checked: "), "{text}");
    assert!(text.contains(why), "{text}");
}

#[test]
fn learned_once_and_good_without_the_master() {
    let bench = Bench::new([accept("ns"), Play::Unreachable]);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    assert_eq!(*lock(&bench.script.asked), ["uuid:key"]);
    for _ in 0..3 {
        assert_eq!(bench.show("uuid", "key"), ok("ns"));
    }
    assert_eq!(bench.asked(), 1);
    let known = bench.keys.known("uuid").unwrap().unwrap();
    assert_eq!(known.key.expose(), "key");
}

#[test]
fn refusals_are_remembered() {
    let bench = Bench::new([refuse(), accept("ns")]);
    assert_eq!(bench.show("uuid", "wrong"), refused());
    assert_eq!(bench.show("uuid", "wrong"), refused());
    assert_eq!(bench.asked(), 1);
    // It is this key that is wrong, nothing else.
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    assert_eq!(bench.show("uuid", "wrong"), refused());
    assert_eq!(bench.asked(), 2);
}

#[test]
fn nobody_is_refused_whom_the_master_has_not_refused() {
    let answer = |status, body: &str| Play::Answer(status, body.into());
    let bench = Bench::new([
        answer(404, ""),
        answer(429, ""),
        answer(200, "<html>"),
        answer(500, ""),
        accept("ns"),
        Play::Unreachable,
    ]);
    unavailable_for(bench.show("uuid", "key"), "http://master: it answered");
    unavailable_for(bench.show("uuid", "key"), "429");
    unavailable_for(bench.show("uuid", "key"), "not a list of one namespace");
    unavailable_for(bench.show("uuid", "key"), "500");
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    unavailable_for(bench.show("uuid-2", "key"), "it cannot be reached");
    unavailable_for(bench.show("uuid-2", "key"), "it is out of reach");
    assert_eq!(bench.asked(), 6);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
}

#[test]
fn a_wrong_key_of_a_known_uuid_is_wrong_without_the_master_too() {
    let bench = Bench::new([Play::Unreachable]);
    bench.learn("uuid", "key", 0);
    assert_eq!(bench.show("uuid", "wrong"), refused());
    assert_eq!(bench.show("uuid", ""), refused());
    assert_eq!(bench.asked(), 1);
}

#[test]
fn the_master_may_give_a_uuid_another_key() {
    let bench = Bench::new([accept("ns")]);
    bench.learn("uuid", "key", 0);
    assert_eq!(bench.show("uuid", "new"), ok("ns"));
    bench.play([refuse()]);
    assert_eq!(bench.show("uuid", "key"), refused());
    assert_eq!(
        bench.show("uuid", "new"),
        ok("ns"),
        "it is not the one refused"
    );
}

#[test]
fn what_no_store_could_keep_is_not_asked_about() {
    let bench = Bench::new([accept("ns")]);
    for (uuid, key) in [
        ("", "key"),
        (&*"u".repeat(129), "key"),
        ("u", &"k".repeat(129)),
    ] {
        assert_eq!(bench.show(uuid, key), refused());
    }
    assert_eq!(bench.asked(), 0);
}

#[test]
fn asked_again_beside_its_use() {
    let bench = Bench::new([Play::Answer(429, "".into())]);
    let at = bench.learn("uuid", "key", 4000);
    for _ in 0..3 {
        assert_eq!(bench.show("uuid", "key"), ok("ns"));
        bench.settle();
    }
    assert_eq!(bench.asked(), 1, "not at every use");
    assert_eq!(bench.stored("uuid"), Some(at));

    let bench = Bench::new([accept("ns")]);
    let at = bench.learn("uuid", "key", 4000);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    bench.settle();
    assert_eq!(bench.asked(), 1);
    assert!(bench.stored("uuid") > Some(at));
}

#[test]
fn a_refusal_beside_its_use_forgets_a_key() {
    let bench = Bench::new([refuse()]);
    bench.learn("uuid", "key", 4000);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    bench.settle();
    assert_eq!(bench.show("uuid", "key"), refused());
    assert!(bench.keys.known("uuid").unwrap().is_none());
    assert_eq!(bench.asked(), 1);
}

#[test]
fn the_store_is_not_told_of_every_acceptance() {
    let bench = Bench::new([accept("ns")]);
    let at = bench.learn("uuid", "key", 400);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    bench.settle();
    assert_eq!((bench.asked(), bench.stored("uuid")), (1, Some(at)));
    // It counts all the same.
    assert!(lock(&bench.keys.0.seen).accepted_at("uuid", at) > at);
}

#[test]
fn not_good_for_ever() {
    let bench = Bench::new([Play::Unreachable]);
    bench.learn("uuid", "key", 86_401);
    unavailable_for(bench.show("uuid", "key"), "OWL_KEYS_OFFLINE");
    bench.learn("uuid", "key", 80_000);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));

    let bench = Bench::new([accept("ns")]);
    bench.learn("uuid", "key", 86_401);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    bench.learn("uuid", "key", 86_401);
    lock(&bench.keys.0.seen).forget("uuid");
    bench.play([refuse()]);
    assert_eq!(bench.show("uuid", "key"), refused());
    assert!(bench.keys.known("uuid").unwrap().is_none());
}

#[test]
fn forgotten_means_asked_again() {
    let bench = Bench::new([accept("ns")]);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    // As by `owl key delete`.
    bench.run(bench.store.forget_key("uuid")).unwrap();
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    assert_eq!(bench.asked(), 2);
    bench.run(bench.store.forget_key("uuid")).unwrap();
    bench.play([refuse()]);
    assert_eq!(bench.show("uuid", "key"), refused());
}

#[test]
fn a_key_in_doubt_is_asked_about_at_once() {
    let portal = Play::Answer(401, "<html>who are you?</html>".into());
    let bench = Bench::new([accept("ns"), portal]);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    for _ in 0..3 {
        bench.keys.doubt("uuid");
        bench.settle();
    }
    assert_eq!(bench.asked(), 2, "not at every doubt");
    assert_eq!(
        bench.show("uuid", "key"),
        ok("ns"),
        "the master has not said anything"
    );

    let bench = Bench::new([accept("ns"), refuse()]);
    assert_eq!(bench.show("uuid", "key"), ok("ns"));
    bench.keys.doubt("uuid");
    bench.settle();
    assert_eq!(bench.show("uuid", "key"), refused());
    bench.keys.doubt("uuid");
    bench.settle();
    assert_eq!(bench.asked(), 2, "what is not known is in no doubt");
}

#[test]
fn several_keys_and_namespaces() {
    let bench = Bench::new([accept("a"), accept("a"), accept("b"), Play::Unreachable]);
    let owner = |namespace: &str| {
        let owner = bench.run(bench.keys.owner(namespace)).unwrap();
        owner.map(|identity| identity.uuid.clone())
    };
    assert_eq!(owner("a"), None);
    assert_eq!(bench.show("uuid-1", "key-1"), ok("a"));
    assert_eq!(owner("a").as_deref(), Some("uuid-1"));
    assert_eq!(bench.show("uuid-2", "key-2"), ok("a"));
    assert_eq!(bench.show("uuid-3", "key-3"), ok("b"));
    for (number, namespace) in [(1, "a"), (2, "a"), (3, "b")] {
        let (uuid, key) = (format!("uuid-{number}"), format!("key-{number}"));
        assert_eq!(bench.show(&uuid, &key), ok(namespace));
    }
    assert_eq!(owner("b").as_deref(), Some("uuid-3"));
    assert_eq!(bench.asked(), 3);
    // One key of a namespace says nothing about another.
    assert_eq!(bench.show("uuid-1", "key-2"), refused());
}

#[test]
fn an_owner_counts_no_longer_than_its_key() {
    let bench = Bench::new([Play::Answer(429, "".into())]);
    let owner = || bench.run(bench.keys.owner("ns"));
    bench.learn("uuid", "key", 86_401);
    assert!(matches!(owner(), Err(KeyError::Unavailable(_))));
    // It has become another namespace's.
    bench.play([accept("other")]);
    assert!(owner().unwrap().is_none());
    bench.learn("uuid", "key", 0);
    assert!(owner().unwrap().is_some());
    let made_here = Secret::new("key".into());
    bench
        .run(bench.store.put_key("ns", "local", &made_here))
        .unwrap();
    bench.play([refuse()]);
    assert_eq!(bench.show("local", "key"), refused());
    bench.run(bench.store.block_key("ns", true)).unwrap();
    assert!(owner().unwrap().is_none());
    assert_eq!(bench.show("uuid", "key"), refused());
}

#[test]
fn a_key_is_asked_about_once_at_a_time() {
    let bench = Bench::new([accept("ns")]);
    let ask = || bench.keys.authenticate("uuid", "key", None);
    let (one, other) = bench.run(future::zip(ask(), ask()));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(bench.asked(), 1);
}

#[test]
fn a_flood_of_wrong_keys_stays_here() {
    let bench = Bench::new([refuse()]);
    bench.learn("known", "key", 4000);
    let floods: Vec<_> = (0..200)
        .map(|number| {
            let keys = bench.keys.clone();
            let guess = async move {
                keys.authenticate(&format!("uuid-{number}"), "guess", None)
                    .await
            };
            bench.executor.spawn(guess)
        })
        .collect();
    let answers: Vec<_> = bench.run(async {
        let mut answers = Vec::new();
        for flood in floods {
            answers.push(flood.await);
        }
        answers
    });
    assert!(answers.iter().all(Result::is_err));
    assert!(bench.script.most_open.load(Ordering::Relaxed) <= 4);
    let asked = bench.asked();
    assert!((30..=40).contains(&asked), "asked {asked} times");
    unavailable_for(bench.show("uuid-new", "key"), "too many wrong keys");
    // Known keys are served, and asked about.
    assert_eq!(bench.show("known", "key"), ok("ns"));
    bench.settle();
    assert_eq!(bench.show("known", "key"), refused());
}

#[test]
fn strangers_who_get_no_answer_are_not_in_the_way_of_known_keys() {
    let bench = Bench::new([Play::Silence]);
    bench.learn("known", "key", 86_401);
    let strangers: Vec<_> = (0..40)
        .map(|number| {
            let keys = bench.keys.clone();
            let wait = async move {
                keys.authenticate(&format!("uuid-{number}"), "key", None)
                    .await
            };
            bench.executor.spawn(wait)
        })
        .collect();
    bench.run(async {
        let waiting = Box::pin(bench.keys.authenticate("one more", "key", None));
        for _ in 0..100 {
            future::yield_now().await;
        }
        let full = poll_once(waiting).await.expect("there is no place to wait");
        assert!(matches!(full, Err(KeyError::Unavailable(_))));
    });
    assert_eq!(bench.asked(), 4);
    bench.play([accept("ns")]);
    assert_eq!(bench.show("known", "key"), ok("ns"));
    drop(strangers);
}

#[test]
fn a_ring_of_gateways_does_not_wait_for_itself() {
    let bench = Bench::new([accept("ns")]);
    let ask = |via| {
        let answer = bench.run(bench.keys.authenticate("uuid", "key", Some(via)));
        answer.map(drop).map_err(|error| error.to_string())
    };
    assert!(ask("another, own").is_err());
    assert_eq!(bench.asked(), 0);
    assert_eq!(ask("another"), Ok(()));
    assert_eq!(*lock(&bench.script.via), ["another, own"]);
    // A key that is known needs no question.
    assert_eq!(ask("another, own"), Ok(()));
}

#[test]
fn nothing_that_prints_shows_a_key() {
    let bench = Bench::new([accept("ns")]);
    let identity = bench
        .run(bench.keys.authenticate("uuid", "a secret", None))
        .unwrap();
    let printed = format!("{:?} {identity:?}", bench.keys);
    assert!(!printed.contains("a secret"), "{printed}");
}
