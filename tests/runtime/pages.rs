//! Huge pages: none for the proxy, and for interpreters what the machine's owner has set.

use serde_json::json;

use crate::client::Runtime;

/// Tells whether it may have huge pages, as the kernel says.
const NODE: &str = "function main() { return {huge: /^THP_enabled:\\s(.*)$/m.exec(require('fs').readFileSync('/proc/self/status', 'utf8'))[1]} }";

const PYTHON: &str = "import re\ndef main(p):\n    return {'huge': re.search(r'THP_enabled:\\s(.*)', open('/proc/self/status').read()).group(1)}";

const SCRIPT: &str = "function main() { return {} }";

#[test]
fn a_proxy_has_none_and_its_interpreter_what_the_machine_gives() {
    for (kind, code, expected) in [
        ("nodejs:20", NODE, json!({"huge": "1"})),
        ("python:3", PYTHON, json!({"huge": "1"})),
        ("quickjs:1", SCRIPT, json!({})),
    ] {
        let mut runtime = Runtime::start(kind, &[]);
        assert_eq!(runtime.init(code).0, 200, "{kind}");
        assert_eq!(runtime.run(json!({})), (200, expected), "{kind}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", runtime.pid()));
        let status = status.expect("the proxy runs");
        assert!(status.contains("\nTHP_enabled:\t0\n"), "{kind}: {status}");
    }
}
