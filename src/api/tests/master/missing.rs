//! What the master is asked for in vain, and what is copied as it is read.

use super::*;

const WEB: &str = "/api/v1/web/guest/default/";

/// A master that has a web action `a` and nothing else.
fn with_a() -> (Api, Arc<Scripted>) {
    let there = Mutex::new(Api::new());
    let annotations = json!([{"key": "web-export", "value": true}]);
    let body = json!({"exec": exec("1"), "annotations": annotations});
    assert_eq!(lock(&there).put(&action("a"), body).status, 200);
    with_master_and(rates(2, 30, 60), move |seen| {
        let target = seen.line.strip_prefix("GET ").unwrap();
        let reply = Ask::new(Method::Get, target).send(&lock(&there));
        Play::Answer(reply.status, Vec::new(), reply.body)
    })
}

#[test]
fn missing_names_count_before_the_master_is_asked() {
    let (api, master) = with_a();
    let invoke = |name: &str| api.post(&action(name), json!({})).status;
    assert_eq!([invoke("x"), invoke("y"), invoke("z")], [404, 404, 429]);
    assert_eq!(master.lines().len(), 2);

    let (api, master) = with_a();
    let call = |name: &str| {
        let ask = Ask::new(Method::Get, &format!("{WEB}{name}"));
        ask.no_key().send(&api).status
    };
    assert_eq!([call("x"), call("y"), call("z")], [404, 404, 429]);
    assert_eq!(master.lines().len(), 2);
}

#[test]
fn what_is_there_counts_once() {
    let (api, _) = with_a();
    let invoke = || api.post(&action("a"), json!({})).status;
    assert_eq!([invoke(), invoke(), invoke()], [202, 202, 429]);

    let (api, _) = with_a();
    let call = || {
        let ask = Ask::new(Method::Get, &format!("{WEB}a"));
        ask.no_key().send(&api).status
    };
    assert_eq!([call(), call(), call()], [202, 202, 429]);
}

#[test]
fn a_package_that_was_read_is_there_without_the_master() {
    let (there, is_up) = (Mutex::new(Api::new()), Arc::new(AtomicBool::new(true)));
    lock(&there).package("pkg", json!({"parameters": [{"key": "k", "value": 1}]}));
    let binding = json!({"binding": {"namespace": "_", "name": "pkg"}});
    assert_eq!(lock(&there).put(&package("bound"), binding).status, 200);
    let up = is_up.clone();
    let (api, master) = with_master(move |seen| {
        if !up.load(Ordering::Relaxed) {
            return Play::Unreachable;
        }
        let target = seen.line.strip_prefix("GET ").unwrap();
        let reply = Ask::new(Method::Get, target).send(&lock(&there));
        Play::Answer(reply.status, vec![("x-there", "1".into())], reply.body)
    });
    let read = || api.get(&package("bound"));
    let shown = read();
    assert_eq!((shown.status, shown.header("X-There")), (200, Some("1")));
    let lines = master.lines();
    assert!(
        lines.iter().any(|line| line.ends_with("/packages/pkg")),
        "{lines:?}"
    );
    is_up.store(false, Ordering::Relaxed);
    let copy = read();
    assert_eq!(copy.status, 200, "{}", copy.body);
    assert!(copy.header("X-Owl-Offline").is_some());
    assert_eq!(copy.value()["parameters"], shown.value()["parameters"]);
    assert_eq!(api.get(&package("other")).status, 503);
}
