//! Answers that wait for their records: who kills the daemon right after one finds the record.

use serde_json::json;

use crate::client::Client;
use crate::daemon::Setup;

/// Kills of each kind of action.
const KILLS: u64 = 3;

/// Makes an action, a sequence and a conductor that give back what they get.
fn set_up(client: &Client) {
    let echo = "function main(a) { return { nonce: a.nonce } }";
    client.action("echo", "quickjs:1", echo, json!({}));
    let conductor = "function main(a) { return a.ran ? { params: { nonce: a.nonce } } \
                     : { action: 'echo', params: { nonce: a.nonce }, state: { ran: true } } }";
    for (name, body) in [
        (
            "sequence",
            json!({"exec": {"kind": "sequence", "components": ["/guest/echo", "/guest/echo"]}}),
        ),
        (
            "conductor",
            json!({
                "exec": {"kind": "quickjs:1", "code": conductor},
                "annotations": [{"key": "conductor", "value": true}],
            }),
        ),
    ] {
        let answer = client.put(&format!("actions/{name}"), &body);
        assert_eq!(answer.status, 200, "{name}: {answer}");
    }
}

#[test]
fn an_answer_that_waited_has_its_record_whatever_comes_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = Setup::new()
        .env("OWL_DURABLE_ANSWERS", "true")
        .data_dir(folder.path());
    set_up(&setup.clone().start().client());
    for nonce in 0..3 * KILLS {
        let name = ["echo", "sequence", "conductor"][nonce as usize % 3];
        let owl = setup.clone().start();
        let answer = owl.client().invoke(name, &json!({"nonce": nonce}));
        owl.kill();
        assert_eq!(answer.expect_success(), json!({"nonce": nonce}), "{name}");
        let told = answer.json();

        let owl = setup.clone().start();
        let client = owl.client();
        let id = told["activationId"].as_str().expect("an id");
        let record = client.get(&format!("activations/{id}"));
        assert_eq!(record.status, 200, "{name}: {record}");
        assert_eq!(record.json()["response"], told["response"], "{name}");
        // Of a sequence or composition those of its components, too.
        let is_composite = name != "echo";
        let inside = told["logs"].as_array().filter(|_| is_composite);
        for id in inside.into_iter().flatten() {
            let id = id.as_str().expect("an id");
            let record = client.get(&format!("activations/{id}"));
            assert_eq!(record.status, 200, "of {name}: {record}");
        }
        let components = inside.map_or(0, Vec::len);
        let expected = if name == "conductor" { 3 } else { 2 };
        assert!(!is_composite || components == expected, "{told}");
        owl.kill();
    }
}
