//! A start with a master that takes connections and says nothing: a site whose way out drops what
//! is sent, after a power cut.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Link;
use crate::client::{Answer, Client};
use crate::daemon::Setup;

/// Sooner than it is known that there is no answer: after five seconds.
const SOON: Duration = Duration::from_secs(4);

/// Longer than any pause between two probes of such a short outage.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that takes connections, and neither reads nor answers.
fn silence() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its port");
    thread::spawn(move || {
        let open: Vec<_> = listener.incoming().map_while(Result::ok).collect();
        drop(open);
    });
    address.to_string()
}

type Case = (&'static str, fn(&Client) -> Answer, u16);

/// What can be done with what is here.
const CASES: [Case; 6] = [
    ("invoke", |client| client.invoke("a", &json!({})), 200),
    ("read", |client| client.get("actions/a"), 200),
    ("fire", |client| client.post("triggers/t", &json!({})), 202),
    ("list", |client| client.get("actions"), 200),
    ("package", |client| client.get("packages/p"), 200),
    ("activations", |client| client.get("activations"), 200),
];

#[test]
fn what_is_here_is_served_soon() {
    let master = Setup::new().start();
    let folder = tempfile::tempdir().expect("a folder");
    let link = Link::to(master.address());
    let gateway = Setup::new()
        .data_dir(folder.path())
        .env("OWL_NEXT_OPENWHISK", link.url())
        .env("OWL_REVALIDATE", "0");
    let start = || gateway.clone().start();
    let before = start();
    let client = before.client();
    client.action("a", "quickjs:1", "function main() {}", json!({}));
    for (path, body) in [
        ("packages/p", json!({})),
        ("triggers/t", json!({})),
        ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
    ] {
        assert_eq!(client.put(path, &body).status, 200, "{path}");
    }
    for (what, ask, status) in CASES {
        assert_eq!(ask(&client).status, status, "{what}");
    }
    before.terminate();

    link.lead_to(&silence());
    for (first, ..) in CASES {
        let gateway = start();
        let client = gateway.client();
        let begun = Instant::now();
        let all = CASES.iter().filter(|(what, ..)| *what == first);
        for (what, ask, status) in all.chain(&CASES) {
            let answer = ask(&client);
            assert_eq!(answer.status, *status, "{what}: {answer}");
            assert!(answer.header("X-Owl-Offline").is_some(), "{what}: {answer}");
            let took = begun.elapsed();
            println!("{first}: {what} after {took:?}");
            assert!(took < SOON, "{first}: {what} after {took:?}");
        }
        gateway.terminate();
    }

    let gateway = start();
    let client = gateway.client();
    // What only the master can say is waited for, until it is known that it does not.
    client.get("actions/none").error(503);
    assert_eq!(client.get("/").json()["master"]["state"], "down");
    link.cut();
    link.lead_to(master.address());
    link.restore();
    let deadline = Instant::now() + PATIENCE;
    while client.get("actions/a").header("X-Owl-Offline").is_some() {
        assert!(Instant::now() < deadline, "the master is not found again");
        thread::sleep(Duration::from_millis(50));
    }
}
