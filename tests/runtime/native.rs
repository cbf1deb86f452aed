//! Native executables, and what the proxy does for a container.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::client::{Runtime, SENTINEL, wait_until};
use crate::zipped;

const ECHO: &str = "#!/bin/sh
while read line; do
    echo \"out\"; echo \"err\" >&2
    echo \"{\\\"in\\\": $line, \\\"mine\\\": \\\"$MINE\\\"}\" >&3
done
";

fn start() -> Runtime {
    Runtime::start("native", &[])
}

#[test]
fn executables_come_as_text_binary_or_zip() {
    for mut init in [
        json!({"code": ECHO}),
        json!({"code": STANDARD.encode(ECHO), "binary": true}),
        zipped::init("main", &[("exec", ECHO)]),
    ] {
        init["env"] = json!({"MINE": "1"});
        let mut runtime = start();
        assert_eq!(runtime.init_with(init), (200, json!({"ok": true})));
        for n in 0..2 {
            let (status, body) = runtime.run(json!({"n": n}));
            assert_eq!((status, &body["mine"]), (200, &json!("1")));
            assert_eq!(body["in"]["value"], json!({"n": n}));
            assert_eq!(body["in"]["activation_id"], "a1b2");
        }
        assert_eq!(runtime.stdout(), ["out", SENTINEL, "out", SENTINEL]);
        assert_eq!(runtime.stderr(), ["err", SENTINEL, "err", SENTINEL]);
    }
}

#[test]
fn what_does_not_start_says_why() {
    for (init, words) in [
        (
            json!({"code": "no program"}),
            "does not start: Exec format error",
        ),
        (
            json!({"code": "#!/bin/sh\nexit 4"}),
            "ended at once with code 4",
        ),
        (
            json!({"code": "#!/nonexistent/sh\n"}),
            "does not start: No such file",
        ),
        (json!({}), "this image has no /action/exec"),
        (
            zipped::init("main", &[("other", "x")]),
            "must contain an executable exec",
        ),
    ] {
        let mut runtime = start();
        let (status, body) = runtime.init_with(init);
        assert_eq!(status, 502);
        let message = body["error"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn an_end_in_mid_run_is_an_end_of_the_sandbox() {
    for (code, end) in [
        ("#!/bin/sh\nread x; exit 4", 4),
        ("#!/bin/sh\nread x; kill -9 $$", 137),
        ("#!/bin/sh\nread x; exec 3>&-; exec sleep 1000", 1),
    ] {
        let mut runtime = start();
        assert_eq!(runtime.init(code).0, 200);
        assert!(runtime.try_run(json!({})).is_err());
        assert_eq!(runtime.wait().code(), Some(end), "{code}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_an_answer() {
    let mut runtime = start();
    let code = "#!/bin/sh\nwhile read line; do echo '{\"n\": 1}' >&3; echo '{\"n\": 2}' >&3; done";
    runtime.init(code);
    for _ in 0..3 {
        assert_eq!(runtime.run(json!({})), (200, json!({"n": 1})));
        // So that the second line is there before the next call.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn processes_that_an_action_leaves_behind_are_waited_for() {
    let mut runtime = start();
    // The inner shell ends at once and leaves its child to whoever waits for strays.
    let code = "#!/bin/sh\nwhile read line; do sh -c 'sleep 0.05 3>&- &'; echo '{}' >&3; done";
    runtime.init(code);
    for _ in 0..5 {
        assert_eq!(runtime.run(json!({})).0, 200);
    }
    let parent = runtime.pid().to_string();
    let children = || {
        let list = fs::read_dir("/proc").unwrap();
        list.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("status")).ok())
            .filter(|status| status.contains(&format!("\nPPid:\t{parent}\n")))
            .count()
    };
    wait_until("only the action's own process is left", || children() == 1);
}

#[test]
fn sigterm_ends_the_action_and_leaves_no_files() {
    let mut runtime = start();
    runtime.init("#!/bin/sh\necho $$; read x; sleep 1000");
    wait_until("the action runs", || !runtime.stdout().is_empty());
    let child = format!("/proc/{}", runtime.stdout()[0]);
    assert!(fs::metadata(&child).is_ok());
    assert!(runtime.terminate().success());
    assert!(fs::metadata(&child).is_err());
    let left = fs::read_dir(runtime.dir()).unwrap();
    let left = left
        .filter(|entry| entry.as_ref().unwrap().path().is_dir())
        .count();
    assert_eq!(left, 0);
}
