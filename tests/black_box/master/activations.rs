//! Activations here and at the master.

use serde_json::{Value, json};

use super::Both;
use crate::client::Client;
use crate::daemon::Setup;

/// The ids of a list.
fn ids(client: &Client, query: &str) -> Vec<String> {
    let list = client.get(&format!("activations{query}")).json();
    let id = |row: &Value| row["activationId"].as_str().unwrap().to_string();
    list.as_array().unwrap().iter().map(id).collect()
}

#[test]
fn those_of_the_master_are_seen_here() {
    let both = Both::start(Setup::new());
    let (gateway, master) = both.clients();
    let code = "function main(a) { console.log('hi'); return a }";
    master.action("there", "quickjs:1", code, json!({}));
    let mut all = Vec::new();
    for number in 0..3 {
        let id = master.fire("there", &json!({"number": number}));
        let record = master.activation(&id);
        assert_eq!(gateway.get(&format!("activations/{id}")).json(), record);
        let logs = gateway.get(&format!("activations/{id}/logs")).json();
        assert_eq!(logs["logs"], record["logs"]);
        all.insert(0, id);
    }
    assert_eq!(ids(&gateway, ""), all);
    assert_eq!(ids(&gateway, "?skip=1&limit=1&name=there"), all[1..2]);
    assert_eq!(ids(&gateway, "?docs=true"), all);
    let count = gateway.get("activations?count=true").json();
    assert_eq!(count, json!({"activations": 3}));

    both.link.cut();
    let list = gateway.get("activations");
    assert_eq!(list.json(), json!([]));
    assert!(list.header("X-Owl-Offline").is_some());
    let reply = gateway.get(&format!("activations/{}", all[0]));
    assert_eq!(reply.error(404), "The requested resource does not exist.");
    assert!(reply.header("X-Owl-Offline").is_some());
}
