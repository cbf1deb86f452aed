//! A document in, a table out.

use super::super::document::{Engine, Failed, Line, Pool, Pull, Tally};
use super::*;

fn sandbox(slot: u64, phase: &str, action: Option<&str>, namespace: &str) -> Sandbox {
    Sandbox {
        slot,
        phase: phase.to_owned(),
        lasts: 1_234,
        action: action.map(ToOwned::to_owned),
        namespace: action.map(|_| namespace.to_owned()),
        engine: "docker".to_owned(),
        kind: "nodejs:20".to_owned(),
        image: Some("image".to_owned()),
        memory: 256,
        runs: 14,
        retired: None,
    }
}

fn document() -> Document {
    Document {
        version: "0.1.0".to_owned(),
        pid: 1234,
        uptime: 11_520_000,
        addresses: vec!["http://127.0.0.1:3000".to_owned()],
        accepts: true,
        running: 5,
        pool: Pool {
            capacity: 8,
            busy: 2,
            frozen: 1,
            stems: 1,
            waiting: 3,
            memory: 1_024,
            memory_budget: 2_048,
            ..Pool::default()
        },
        tally: Tally {
            hits: 98,
            colds: 2,
            waited: 4,
            evictions: [("room".to_owned(), 3), ("idle".to_owned(), 0)].into(),
            ..Tally::default()
        },
        memory: Some(Memory {
            short: false,
            available: Some(812),
            floor: 128,
            stalled: Some(0.0),
        }),
        engines: vec![Engine {
            name: "docker".to_owned(),
            state: "up".to_owned(),
        }],
        sandboxes: vec![
            sandbox(12, "busy", Some("guest/hello"), "guest"),
            sandbox(13, "frozen", Some("guest/pkg/shared"), "other"),
            sandbox(14, "stem", None, ""),
        ],
        queue: vec![Line {
            namespace: "guest".to_owned(),
            action: "guest/hello".to_owned(),
            waiting: 3,
            longest: 1_200,
        }],
        queue_more: 0,
        images: Some(Images {
            own: 1,
            pulls: vec![Pull {
                image: "me/thing:1".to_owned(),
                lasts: 9_000,
                layers: 5,
                done: 2,
                bytes: 15_000_000,
                size: 60_000_000,
            }],
            failed: Vec::new(),
        }),
    }
}

#[test]
fn everything_has_its_place() {
    let expected = "\
owl 0.1.0, process 1234, up 3 h
listens     http://127.0.0.1:3000
calls       5 in flight, 3 of them waiting, the first for 1.2 s
sandboxes   4 of 8
            2 busy, 0 starting, 0 idle, 1 frozen, 1 stem, 0 going
memory      1024 of 2048 MB by limits
            812 MB available on the machine, floor 128
starts      98 warm (98 %), 2 cold, 0 from stem cells, 0 ahead of calls
            4 waited, 0 refused
evictions   3 room
engines     docker up
images      1 pulled by OWL

SANDBOX PHASE     SINCE   KIND            MB    RUNS  ACTION
     12 busy      1.2 s   nodejs:20      256      14  guest/hello
     13 frozen    1.2 s   nodejs:20      256      14  guest/pkg/shared for other
     14 stem      1.2 s   nodejs:20      256      14  

WAITING LONGEST NAMESPACE            ACTION
      3   1.2 s guest                guest/hello

PULLING   SINCE  LAYERS          MB  IMAGE
   25 %   9.0 s     2/5       15/60  me/thing:1
";
    assert_eq!(table(&document()), expected);
}

#[test]
fn nothing_is_wider_than_a_terminal_nor_commands_it() {
    let mut document = document();
    let long = "n".repeat(300);
    for sandbox in &mut document.sandboxes {
        sandbox.action = Some(format!("{long}/p/\x1b[2Ja"));
        sandbox.kind = long.clone();
        sandbox.slot = 1_234_567;
        sandbox.lasts = 100 * 86_400_000;
        sandbox.retired = Some("changed".to_owned());
    }
    document.queue[0].namespace = long.clone();
    document.queue[0].action = long.clone();
    document.addresses = vec![long.clone()];
    let images = document.images.as_mut().unwrap();
    images.pulls[0].image = long.clone();
    images.failed.push(Failed {
        image: long.clone(),
        reason: format!("{long}\r\n"),
        lasts: 1,
        tried_again: true,
    });
    let table = table(&document);
    for line in table.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
    assert!(table.contains("(goes: changed)"), "{table}");
}

#[test]
fn what_is_wrong_stands_out() {
    let mut document = document();
    document.accepts = false;
    document.memory.as_mut().unwrap().short = true;
    document.memory.as_mut().unwrap().stalled = Some(12.5);
    let table = table(&document);
    assert!(table.contains("no new calls are taken"), "{table}");
    assert!(table.contains("stalled 12.5 %: SHORT"), "{table}");
}

#[test]
fn a_document_of_another_version_is_shown_as_far_as_it_goes() {
    let document: Document = serde_json::from_str("{\"version\":\"9\",\"new\":1}").unwrap();
    assert!(table(&document).starts_with("owl 9, process 0, up 0.0 s\n"));
    let text = serde_json::to_string(&self::document()).unwrap();
    let again: Document = serde_json::from_str(&text).unwrap();
    assert_eq!(again, self::document());
}
