//! A gateway and its master on machines of their own, and what can be wrong with the cable between
//! them, while clients work.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::network::{Fault, GATEWAY, MASTER, Machine, Network};
use crate::client::{Answer, Client};
use crate::daemon::{Daemon, Setup};
use crate::namespaces::owl_key;

/// Clients that work at the same time.
const CLIENTS: u64 = 4;

/// Seconds to reach the master, and seconds that it has to answer.
const TIMEOUT: u64 = 3;

/// A call that took this long has waited for the master.
const WAITED: Duration = Duration::from_millis(TIMEOUT * 1000 / 2);

/// Longer than any pause between two probes of such a short outage.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn the_near_end_of_the_cable_is_pulled() {
    Site::new().goes_on_without_the_master(Fault::NearEndDown);
}

#[test]
fn the_far_end_of_the_cable_is_pulled() {
    Site::new().goes_on_without_the_master(Fault::FarEndDown);
}

#[test]
fn what_goes_to_the_master_is_lost() {
    Site::new().goes_on_without_the_master(Fault::LostOnTheWayThere);
}

#[test]
fn what_the_master_answers_is_lost() {
    Site::new().goes_on_without_the_master(Fault::LostOnTheWayBack);
}

#[test]
fn a_slow_cable_is_no_outage() {
    let site = Site::new();
    site.network.fail(Fault::Slow);
    let worked = site.work(1, 3);
    assert!(worked.iter().all(|worked| worked.unmarked == worked.calls));
    assert_eq!(site.metric("owl_upstream_outages_total"), 0);
    assert_eq!(site.info()["state"], "up");
    site.network.mend(Fault::Slow);
    site.expect_agreement(&worked);
}

/// Three machines, and what runs on two of them.
struct Site {
    gateway: Daemon,
    master: Daemon,
    key: String,
    network: Arc<Network>,
    _folder: tempfile::TempDir,
}

/// What a client has done.
#[derive(Default)]
struct Worked {
    calls: u64,
    /// Answers that were given with the master.
    unmarked: u64,
    /// Calls that have waited for the master.
    waited: u64,
    /// The activations of triggers, with what they were fired with.
    fired: Vec<(String, u64)>,
    /// What its action was made to say last.
    said: u64,
}

impl Site {
    /// Everything is well, and clients have used what is there.
    fn new() -> Self {
        let network = Arc::new(Network::new());
        let folder = tempfile::tempdir().expect("a folder");
        let often = |setup: Setup| setup.env("OWL_FIRES_PER_MINUTE", "100000");
        let master = often(Setup::new())
            .env("OWL_BIND", MASTER)
            .network(network.namespace(Machine::Master))
            .data_dir(folder.path())
            .start();
        let key = owl_key(folder.path(), &["create", "site"], "").expect("a key");
        let gateway = often(Setup::new())
            .env("OWL_BIND", GATEWAY)
            .env("OWL_METRICS", "everyone")
            .env("OWL_NEXT_OPENWHISK", format!("http://{}", master.address()))
            .env("OWL_OFFLINE_WRITES", "journal")
            .env("OWL_REVALIDATE", "0")
            .env("OWL_CONNECT_TIMEOUT", TIMEOUT.to_string())
            .env("OWL_MASTER_TIMEOUT", TIMEOUT.to_string())
            .network(network.namespace(Machine::Gateway))
            .start();
        let site = Site {
            gateway,
            master,
            key: key.trim().to_owned(),
            network,
            _folder: folder,
        };
        site.at_gateway(|client| {
            let echo = "function main(a) { return { n: a.n } }";
            let mut away = json!({"exec": {"kind": "quickjs:1", "code": echo}});
            away["annotations"] = json!([{"key": "owl-placement", "value": "cloud"}]);
            client.action("echo", "quickjs:1", echo, json!({}));
            for (path, body) in [
                ("actions/away", away),
                ("triggers/t", json!({})),
                ("rules/r", json!({"trigger": "/_/t", "action": "/_/away"})),
            ] {
                let answer = client.put(path, &body);
                assert_eq!(answer.status, 200, "{path}: {answer}");
            }
            assert_eq!(client.get("triggers/t").status, 200);
        });
        site.work(0, 1);
        site
    }

    /// Asks the gateway, as a client on another machine.
    fn at_gateway<T: Send>(&self, ask: impl FnOnce(&Client) -> T + Send) -> T {
        self.network.on(Machine::Client, || {
            ask(&self.gateway.client_with(Some(&self.key)))
        })
    }

    /// Asks the master, on its own machine.
    fn at_master<T: Send>(&self, ask: impl FnOnce(&Client) -> T + Send) -> T {
        self.network.on(Machine::Master, || {
            ask(&self.master.client_with(Some(&self.key)))
        })
    }

    /// What the gateway tells of its master.
    fn info(&self) -> Value {
        self.at_gateway(|client| client.get("/").json()["master"].clone())
    }

    /// A number of the gateway's about its master.
    fn metric(&self, name: &str) -> u64 {
        let metrics = self.at_gateway(|client| client.get("/metrics").body);
        let metrics = String::from_utf8(metrics).expect("a text");
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")));
        let line = line.unwrap_or_else(|| panic!("{name} is not in {metrics}"));
        let value = line.rsplit(' ').next().expect("a value");
        value.parse().unwrap_or_else(|_| panic!("{line}"))
    }

    /// All clients do everything, several times; `part` tells the numbers apart.
    fn work(&self, part: u64, times: u64) -> Vec<Worked> {
        thread::scope(|scope| {
            let workers = (0..CLIENTS).map(|number| {
                scope.spawn(move || {
                    self.at_gateway(|client| {
                        let mut worked = Worked::default();
                        for time in 0..times {
                            worked.once(client, number, (part * CLIENTS + number) * 1000 + time);
                        }
                        worked
                    })
                })
            });
            let workers: Vec<_> = workers.collect();
            let worked = workers
                .into_iter()
                .map(|worker| worker.join().expect("a client"));
            worked.collect()
        })
    }

    /// The cable fails while clients work, and is mended.
    fn goes_on_without_the_master(&self, fault: Fault) {
        let begun = || self.network.connections_begun(Machine::Gateway);
        let probes = || self.metric("owl_upstream_probes_total");
        let (begun_before, probes_before) = (begun(), probes());
        self.network.fail(fault);
        let mut worked = self.work(1, 5);
        // Whoever did not know has found out.
        assert_eq!(self.info()["state"], "down");
        let (begun_known, probes_known) = (begun(), probes());
        let unmarked: u64 = worked.iter().map(|worked| worked.unmarked).sum();
        let later = self.work(2, 20);
        for later in &later {
            assert_eq!(later.unmarked, 0, "{fault:?}");
        }
        // Those that were under way when it was lost, and when it was in doubt; as many again may
        // have waited for this machine.
        let waited: u64 = worked
            .iter()
            .chain(&later)
            .map(|worked| worked.waited)
            .sum();
        assert!(waited <= 4 * CLIENTS, "{waited} calls have waited");
        // A probe is counted when it has ended, and its connection when it begins: one is under way.
        let connections = begun() - begun_known;
        let probed = probes() - probes_known;
        assert!(
            connections <= probed + 1,
            "{connections} connections, {probed} probes since it was known to be down"
        );
        // Each client may have had a few requests under way until it was: its own, and those that
        // compare the copies it had used. The calls since are four times as many as before.
        let doubtful = begun_known - begun_before;
        assert!(
            doubtful <= (probes_known - probes_before) + 6 * CLIENTS,
            "{doubtful} connections until it was known to be down"
        );
        println!(
            "{fault:?}: {waited} calls waited, {unmarked} unmarked, {doubtful} connections until \
             it was known, {connections} connections and {probed} probes since"
        );
        for (worked, later) in worked.iter_mut().zip(later) {
            worked.fired.extend(later.fired);
            worked.said = later.said;
        }
        self.network.mend(fault);
        self.expect_agreement(&worked);
    }

    /// Waits until the master has everything, and expects that both sides have the same.
    fn expect_agreement(&self, worked: &[Worked]) {
        let deadline = Instant::now() + PATIENCE;
        let delivered = |info: &Value| {
            info["state"] == "up"
                && info["journal"]["waiting"] == 0
                && info["fires"]["waiting"] == 0
        };
        let mut info = self.info();
        while !delivered(&info) {
            assert!(Instant::now() < deadline, "{info}");
            thread::sleep(Duration::from_millis(100));
            info = self.info();
        }
        assert_eq!(info["journal"]["came_to_nothing"], 0, "{info}");
        for (number, worked) in worked.iter().enumerate() {
            let path = format!("actions/a{number}");
            let here = self.at_gateway(|client| client.get(&path));
            let there = self.at_master(|client| client.get(&path));
            assert_eq!(here.header("X-Owl-Offline"), None, "{here}");
            assert_eq!(here.json(), there.json());
            assert_eq!(
                there.json()["annotations"][0]["value"],
                worked.said,
                "{there}"
            );
            for (id, n) in &worked.fired {
                let record = self.at_master(|client| client.activation(id));
                assert_eq!(record["response"]["result"], json!({"n": n}), "{record}");
                assert_eq!(
                    record["logs"].as_array().expect("logs").len(),
                    1,
                    "{record}"
                );
            }
        }
    }
}

impl Worked {
    /// Invokes, changes, reads and fires.
    fn once(&mut self, client: &Client, number: u64, n: u64) {
        let ran = self.call(200, || client.invoke("echo", &json!({"n": n})));
        assert_eq!(ran.expect_success(), json!({"n": n}));
        let path = format!("actions/a{number}");
        let code = format!("function main() {{ return {{ n: {n} }} }}");
        let mut body = json!({"exec": {"kind": "quickjs:1", "code": code}});
        body["annotations"] = json!([{"key": "n", "value": n}]);
        self.call(200, || client.put(&format!("{path}?overwrite=true"), &body));
        self.said = n;
        let read = self.call(200, || client.get(&path)).json();
        assert_eq!(read["annotations"][0]["value"], n, "{read}");
        let ran = self.call(200, || client.invoke(&format!("a{number}"), &json!({})));
        assert_eq!(ran.expect_success(), json!({"n": n}));
        let fired = self.call(202, || client.post("triggers/t", &json!({"n": n})));
        let id = fired.json()["activationId"]
            .as_str()
            .expect("an id")
            .to_owned();
        self.fired.push((id, n));
    }

    fn call(&mut self, status: u16, call: impl FnOnce() -> Answer) -> Answer {
        let started = Instant::now();
        let answer = call();
        assert_eq!(answer.status, status, "{answer}");
        self.calls += 1;
        self.waited += u64::from(started.elapsed() >= WAITED);
        self.unmarked += u64::from(answer.header("X-Owl-Offline").is_none());
        answer
    }
}
