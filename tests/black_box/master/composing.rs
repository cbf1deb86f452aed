//! What no request names: the components that a conductor chooses while it runs.

use serde_json::json;

use super::Both;
use crate::daemon::Setup;

/// Says what to do next by what it is given: the component of that name, then the end.
const CONDUCTOR: &str = "function main(a) { \
    return a.next ? { action: a.next, params: { n: a.n }, state: {} } : { params: a } }";

const DOUBLE: &str = "function main(a) { return { n: a.n * 2 } }";

#[test]
fn a_conductor_reaches_what_only_the_master_has() {
    let both = Both::start(Setup::new().env("OWL_REVALIDATE", "0"));
    let (gateway, master) = both.clients();
    let conductor = json!({
        "exec": {"kind": "quickjs:1", "code": CONDUCTOR},
        "annotations": [{"key": "conductor", "value": true}],
    });
    assert_eq!(master.put("actions/conductor", &conductor).status, 200);
    for name in ["double", "unused"] {
        master.action(name, "quickjs:1", DOUBLE, json!({}));
    }
    let call = |next: &str| gateway.invoke("conductor", &json!({"next": next, "n": 21}));
    assert_eq!(call("double").expect_success(), json!({"n": 42}));
    // It ran here, and so did what it named.
    assert_eq!(
        master.get("activations?count=true").json()["activations"],
        0
    );

    both.link.cut();
    let answer = call("double");
    assert_eq!(answer.expect_success(), json!({"n": 42}));
    assert!(answer.header("X-Owl-Offline").is_some(), "{answer}");
    // The conductor is told of what is not here, and says what it makes of it.
    let answer = call("unused");
    let told = answer.json()["response"]["result"]["error"].to_string();
    assert!(
        told.contains("there is no copy of guest/unused"),
        "{answer}"
    );
    assert_eq!(both.gateway.client().get("actions/unused").status, 503);
}
