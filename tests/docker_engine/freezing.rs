//! Containers that are frozen while they are idle.

use std::process::Command;
use std::time::{Duration, Instant};

use owl::engine::FreezeError;
use serde_json::{Value, json};

use super::support::*;

/// Set for a test that starts itself again elsewhere.
const ELSEWHERE: &str = "OWL_TEST_ELSEWHERE";

/// What the processes of a container have used of the processor, in milliseconds.
async fn used(fixture: &Fixture, id: &str) -> u64 {
    let path = format!("/containers/{id}/stats?stream=false&one-shot=true");
    let stats = docker(&fixture.executor, "GET", &path, Value::Null).await;
    let nanos = &stats["cpu_stats"]["cpu_usage"]["total_usage"];
    nanos.as_u64().expect("is a number") / 1_000_000
}

/// Starts a process in a container that uses all of the processor that it gets.
async fn spin(fixture: &Fixture, id: &str) {
    let command = json!({ "Cmd": ["python3", "-c", "while True: pass"] });
    let path = format!("/containers/{id}/exec");
    let made = docker(&fixture.executor, "POST", &path, command).await;
    let path = format!("/exec/{}/start", made["Id"].as_str().expect("has an id"));
    docker(&fixture.executor, "POST", &path, json!({ "Detach": true })).await;
}

async fn is_paused(fixture: &Fixture, id: &str) -> bool {
    let container = fixture.engine.client().inspect_container(id).await;
    container.expect("is there").state.paused == Some(true)
}

/// A frozen container uses no processor, and has lost nothing when it is thawed.
async fn freezes_and_thaws(fixture: &Fixture) {
    let mut runtime = fixture.runtime().await;
    let sandbox = runtime.sandbox.clone();
    spin(fixture, sandbox.id()).await;
    wait_until("it is busy", async || {
        used(fixture, sandbox.id()).await > 100
    })
    .await;
    for runs in 1..=3 {
        runtime.begin().await;
        let run = runtime.run("ok").await;
        assert_eq!(result(&run)["runs"], runs);
        assert_eq!(runtime.logs(true).await.0.len(), 2);
        runtime.proxy.disconnect();

        sandbox.freeze().await.expect("freezes");
        // Once more changes nothing.
        sandbox.freeze().await.expect("is frozen");
        let before = used(fixture, sandbox.id()).await;
        smol::Timer::after(Duration::from_millis(300)).await;
        let after = used(fixture, sandbox.id()).await;
        assert!(after - before < 30, "{} ms were used", after - before);

        sandbox.thaw().await.expect("thaws");
        sandbox.thaw().await.expect("is thawed");
        let goes_on = async || used(fixture, sandbox.id()).await > after + 30;
        wait_until("it goes on", goes_on).await;
    }
}

#[test]
fn a_frozen_container_uses_no_processor_and_serves_on() {
    // 11.12-309
    with_engine("frozen", async |fixture| {
        freezes_and_thaws(fixture).await;
        // Through its cgroup, of which the engine knows nothing.
        let runtime = fixture.runtime().await;
        runtime.sandbox.freeze().await.expect("freezes");
        assert!(!is_paused(fixture, runtime.sandbox.id()).await);
    });
}

#[test]
fn a_container_whose_cgroup_is_out_of_reach_is_paused() {
    // Where processes have other numbers, and those of the engine mean nothing.
    if std::env::var_os(ELSEWHERE).is_none() {
        let name = "freezing::a_container_whose_cgroup_is_out_of_reach_is_paused";
        let test = std::env::current_exe().expect("is known");
        let status = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"])
            .arg(test)
            .args(["--exact", name, "--nocapture"])
            .env(ELSEWHERE, "1")
            .status()
            .expect("util-linux is installed");
        assert!(status.success());
        return;
    }
    with_engine("paused", async |fixture| {
        freezes_and_thaws(fixture).await;
        let runtime = fixture.runtime().await;
        let sandbox = &runtime.sandbox;
        sandbox.freeze().await.expect("freezes");
        assert!(is_paused(fixture, sandbox.id()).await);
        // What the engine has unpaused for somebody else is as good as thawed.
        let client = fixture.engine.client();
        client
            .unpause_container(sandbox.id())
            .await
            .expect("unpauses");
        sandbox.thaw().await.expect("is thawed");
        // And one that is paused goes at once.
        sandbox.freeze().await.expect("freezes");
        sandbox.remove().await;
        let gone = async || fixture.containers().await.is_empty();
        wait_until("all are gone", gone).await;
    });
}

#[test]
fn a_freeze_that_is_overtaken_leaves_the_container_running() {
    with_engine("overtaken", async |fixture| {
        let mut runtime = fixture.runtime().await;
        let sandbox = runtime.sandbox.clone();
        for _ in 0..20 {
            let thaw = async {
                smol::future::yield_now().await;
                sandbox.thaw().await
            };
            let (frozen, thawed) = futures_lite::future::zip(sandbox.freeze(), thaw).await;
            frozen.and(thawed).expect("both work");
            let run = runtime.run_for("ok", Duration::from_secs(5)).await;
            assert!(run.keep, "it is still frozen");
        }
    });
}

#[test]
fn a_frozen_container_is_removed_at_once() {
    with_engine("frozen_removed", async |fixture| {
        for way in ["remove", "drop", "all"] {
            let runtime = fixture.runtime().await;
            runtime.sandbox.freeze().await.expect("freezes");
            let started = Instant::now();
            match way {
                "remove" => runtime.sandbox.remove().await,
                "drop" => drop(runtime),
                _ => assert!(fixture.engine.remove_all().await.is_empty()),
            }
            let gone = async || fixture.containers().await.is_empty();
            wait_until("it is gone", gone).await;
            // What cannot be killed is given 10 s by the engine.
            assert!(started.elapsed() < Duration::from_secs(8), "{way}");
        }
    });
}

#[test]
fn a_container_that_has_ended_cannot_be_frozen() {
    with_engine("frozen_ended", async |fixture| {
        let runtime = fixture.runtime().await;
        let sandbox = &runtime.sandbox;
        let client = fixture.engine.client();
        let killed = client.kill_container(sandbox.id(), "KILL").await;
        killed.expect("kills");
        wait_until("the end is known", async || sandbox.has_exited()).await;
        match sandbox.freeze().await {
            Err(FreezeError::Failed { sandbox: id, .. }) => assert_eq!(id, sandbox.id()),
            other => panic!("{other:?}"),
        }
        // Others can be.
        let runtime = fixture.runtime().await;
        runtime.sandbox.freeze().await.expect("freezes");
        // One that ends while it is frozen is noticed, too.
        let killed = client.kill_container(runtime.sandbox.id(), "KILL").await;
        killed.expect("kills");
        let ended = async || runtime.sandbox.has_exited();
        wait_until("the end is known", ended).await;
    });
}
