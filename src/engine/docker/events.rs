//! What happens to containers without us: the events of the engine, and a sweep after each time
//! that the engine was away.
//!
//! The events end before an engine that is stopped ends its containers. What is frozen by version
//! 1 of the cgroups cannot be ended, so it goes on then.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_lite::future::{or, try_zip};
use hyper::Method;
use miniserde::{Deserialize, json};
use smol::Timer;

use super::client::{Call, Client, broken};
use super::containers::ContainerSummary;
use super::error::DockerError;
use super::freezer::Ways;
use super::json::Lines;
use super::registry::{Fate, Registry};
use super::sandbox::remove_orphan;
use super::{DAEMON_LABEL, remove_unused};
use crate::engine::{Event, Listener};
use crate::http::percent::encode;

/// Pauses before the engine is asked again, in milliseconds; the last one repeats.
const PAUSES: [u64; 5] = [100, 250, 500, 1000, 2000];

/// After this long a stream has worked, and its end is answered at once.
const STABLE: Duration = Duration::from_secs(5);

/// Some engines send the head of a stream only with its first item: any wait will do.
const NO_LIMIT: Duration = Duration::from_secs(365 * 86_400);

/// One event of the engine. Only these fields are left in API 1.52.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Action")]
    action: Option<String>,
    #[serde(rename = "Actor")]
    actor: Option<Actor>,
    #[serde(rename = "timeNano")]
    time_nano: Option<u64>,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "Attributes")]
    attributes: Option<std::collections::HashMap<String, String>>,
}

/// What an event means for a container of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It was sent a signal through the engine.
    Signalled,
    Created,
    /// With this code.
    Ended(Option<i64>),
    OutOfMemory,
}

/// Follows the events for as long as it is polled, through restarts of the engine.
pub(super) async fn watch(
    client: Client,
    registry: Arc<Registry>,
    ways: Arc<Ways>,
    daemon: String,
    listener: Listener,
) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut since = now.unwrap_or_default().as_nanos() as u64;
    let mut pauses = PAUSES.iter();
    let mut is_up = true;
    loop {
        let ended = |name: &str, fate: &Fate| told(name, fate, &listener);
        // What happened before the stream began is told by `since` to the one, and by what is
        // left to the other. At first nothing is in use, and what an earlier run has left may be
        // wanted.
        let sweep = async {
            if is_up {
                return Ok(());
            }
            sweep(&client, &registry, &ways, &daemon, ended).await?;
            is_up = true;
            listener.tell(Event::Up);
            Ok(())
        };
        let follow = follow(&client, &registry, &daemon, &mut since, ended);
        let started = Instant::now();
        let Err(error) = try_zip(sweep, or(follow, doubt(&client))).await;
        if is_up {
            is_up = false;
            for fate in registry.all() {
                fate.let_go();
            }
            listener.tell(Event::Down);
        }
        if started.elapsed() > STABLE {
            pauses = PAUSES.iter();
        }
        log::warn!("the Docker Engine went away, trying again: {error}");
        loop {
            let pause = pauses.next().unwrap_or(&PAUSES[PAUSES.len() - 1]);
            Timer::after(Duration::from_millis(*pause)).await;
            match client.negotiate().await {
                Ok(_) => break,
                Err(error) => log::debug!("{error}"),
            }
        }
        log::info!("the Docker Engine at {} answers again", client.host());
    }
}

/// Ends when the engine cannot be spoken to though its events go on: one that is being stopped takes
/// no calls any more, and has yet to end its containers.
async fn doubt(client: &Client) -> Result<Infallible, DockerError> {
    loop {
        client.has_failed().await;
        match client.negotiate().await {
            Err(error) if error.is_unavailable() => return Err(error),
            _ => {}
        }
    }
}

/// Tells of the end of a container, the first time that it is seen, unless it was asked for.
fn told(name: &str, fate: &Fate, listener: &Listener) {
    if fate.set_ended() && !fate.is_leaving() {
        log::info!("container {name} has ended");
        if let Some(id) = fate.id() {
            let (id, out_of_memory) = (id.to_owned(), fate.is_out_of_memory());
            listener.tell(Event::Ended { id, out_of_memory });
        }
    }
}

/// Applies events until the stream ends, and tells why it did.
async fn follow(
    client: &Client,
    registry: &Registry,
    daemon: &str,
    since: &mut u64,
    ended: impl Fn(&str, &Fate),
) -> Result<Infallible, DockerError> {
    let what = "follow events";
    // By type only: not all engines filter by label as they should.
    let filters = encode(r#"{"type":["container"]}"#);
    let (seconds, nanos) = (*since / 1_000_000_000, *since % 1_000_000_000);
    let path = format!("/events?since={seconds}.{nanos:09}&filters={filters}");
    let mut call = Call::new(Method::GET, path, what);
    call.limit = NO_LIMIT;
    let mut stream = client.stream(call).await?;
    let mut lines = Lines::default();
    loop {
        let chunk = stream.chunk().await;
        let chunk = chunk.map_err(|error| broken(what, &error))?;
        let end = || broken(what, &std::io::Error::other("the stream ended"));
        let chunk = chunk.ok_or_else(end)?;
        lines.push(&chunk, |line| {
            let Some(event) = read(line) else { return };
            *since = event.time_nano.unwrap_or(*since);
            let Some((name, change)) = meaning(&event, daemon) else {
                return;
            };
            log::debug!("container {name}: {change:?}");
            match (change, registry.get(name)) {
                (Change::Created, _) => {
                    if registry.was_doubtful(name) {
                        log::info!("removing container {name}, for which nobody waits any more");
                        remove_orphan(client, name.to_owned());
                    }
                }
                (_, None) => {}
                (Change::Signalled, Some(fate)) => fate.set_signalled(),
                (Change::Ended(code), Some(fate)) => {
                    let by_kernel = client.flavour().is_memory_kill(code);
                    if by_kernel && !fate.is_signalled() {
                        fate.set_out_of_memory();
                    }
                    ended(name, &fate);
                }
                (Change::OutOfMemory, Some(fate)) => fate.set_out_of_memory(),
            }
        });
    }
}

fn read(line: &[u8]) -> Option<Line> {
    json::from_str(std::str::from_utf8(line).ok()?).ok()
}

/// The container that an event is about, if it is one of this daemon's, and what it means.
fn meaning<'a>(event: &'a Line, daemon: &str) -> Option<(&'a str, Change)> {
    if event.kind.as_deref() != Some("container") {
        return None;
    }
    let attributes = event.actor.as_ref()?.attributes.as_ref()?;
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
    Some((attributes.get("name")?, change))
}

/// Notes which containers in use do not run any more, and removes those that nobody uses.
async fn sweep(
    client: &Client,
    registry: &Registry,
    ways: &Arc<Ways>,
    daemon: &str,
    ended: impl Fn(&str, &Fate),
) -> Result<(), DockerError> {
    // Before the list is made: what is created after that is not in it, yet not gone.
    let created = registry.created();
    let containers = client.list_containers(DAEMON_LABEL, daemon).await?;
    for (name, fate) in created {
        let found = containers.iter().find(|container| container.name() == name);
        if found.is_none_or(ContainerSummary::has_ended) {
            ended(&name, &fate);
        }
    }
    for error in remove_unused(client, registry, ways, &containers).await {
        log::warn!("{error}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(line: &str) -> Option<(String, Change)> {
        let event = read(line.as_bytes())?;
        meaning(&event, "d1").map(|(name, change)| (name.to_owned(), change))
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
