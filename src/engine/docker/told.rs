//! What the events of an engine say of containers. No I/O.

use std::collections::HashMap;

use miniserde::{Deserialize, json};

use super::labels::{DAEMON_LABEL, PROCESS_LABEL};

/// One event of the engine. Only these fields are left in API 1.52.
#[derive(Deserialize)]
pub(super) struct Line {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Action")]
    action: Option<String>,
    #[serde(rename = "Actor")]
    actor: Option<Actor>,
    #[serde(rename = "timeNano")]
    pub(super) time_nano: Option<u64>,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "Attributes")]
    attributes: Option<HashMap<String, String>>,
}

/// What an event means for a container of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It was sent a signal through the engine.
    Signalled,
    Created,
    /// With this code.
    Ended(Option<i64>),
    OutOfMemory,
}

/// A container of ours, and what an event means for it.
pub(super) struct Told<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    /// When the process of the daemon began that has asked for it; none: somebody else has.
    pub(super) process: Option<u64>,
    pub(super) change: Change,
}

/// An event; none if it is not one that can be read.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    json::from_str(std::str::from_utf8(line).ok()?).ok()
}

/// The container that an event is about, if it is one of this daemon's, and what it means.
pub(super) fn meaning<'a>(event: &'a Line, daemon: &str) -> Option<Told<'a>> {
    if event.kind.as_deref() != Some("container") {
        return None;
    }
    let actor = event.actor.as_ref()?;
    let attributes = actor.attributes.as_ref()?;
    if attributes.get(DAEMON_LABEL)? != daemon {
        return None;
    }
    let change = match event.action.as_deref()? {
        "create" => Change::Created,
        // `died` and `remove` are Podman's.
        "die" | "died" | "destroy" | "remove" => {
            let code = attributes.get("exitCode");
            Change::Ended(code.and_then(|code| code.parse().ok()))
        }
        "kill" => Change::Signalled,
        "oom" => Change::OutOfMemory,
        _ => return None,
    };
    let process = attributes.get(PROCESS_LABEL);
    Some(Told {
        name: attributes.get("name")?,
        id: actor.id.as_deref().unwrap_or_default(),
        process: process.and_then(|process| process.parse().ok()),
        change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(line: &str) -> Option<(String, Change)> {
        let event = read(line.as_bytes())?;
        meaning(&event, "d1").map(|told| (told.name.to_owned(), told.change))
    }

    #[test]
    fn events_of_docker_and_podman() {
        let of_docker = |action: &str| {
            change(&format!(
                r#"{{"status":"{action}","id":"c","from":"i","Type":"container","Action":"{action}",
                "Actor":{{"ID":"c","Attributes":{{"owl.daemon":"d1","name":"owl_1","exitCode":"137"}}}},
                "scope":"local","time":1700000000,"timeNano":1700000000000000001}}"#
            ))
        };
        let ended = |code| Some(("owl_1".to_owned(), Change::Ended(code)));
        assert_eq!(of_docker("die"), ended(Some(137)));
        assert_eq!(of_docker("kill"), Some(("owl_1".into(), Change::Signalled)));
        assert_eq!(
            of_docker("oom"),
            Some(("owl_1".into(), Change::OutOfMemory))
        );
        assert_eq!(of_docker("create"), Some(("owl_1".into(), Change::Created)));
        assert_eq!(of_docker("exec_start: sh"), None);
        let of_podman = r#"{"Type":"container","Action":"died","Actor":{"ID":"c",
            "Attributes":{"owl.daemon":"d1","name":"owl_1"}}}"#;
        assert_eq!(change(of_podman), ended(None));
    }

    #[test]
    fn events_of_others_do_not_matter() {
        for line in [
            r#"{"Type":"container","Action":"die","Actor":{"Attributes":{"name":"db"}}}"#,
            r#"{"Type":"container","Action":"die","Actor":{"Attributes":{"name":"x","owl.daemon":"d2"}}}"#,
            r#"{"Type":"network","Action":"destroy","Actor":{"Attributes":{"name":"x","owl.daemon":"d1"}}}"#,
            r#"{"Type":"container","Action":"die"}"#,
            "{}",
            "nonsense",
        ] {
            assert_eq!(change(line), None, "{line}");
        }
    }
}
