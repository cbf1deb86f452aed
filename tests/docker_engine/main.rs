//! The Docker engine against a real one. `tests/run` starts it and sets `OWL_TEST_DOCKER_HOST`.

mod adoption;
mod freezing;
mod health;
mod images;
mod places;
#[path = "../registry/mod.rs"]
mod registry;
mod relay;
mod support;

use std::time::Duration;

use owl::engine::docker::{Client, DockerEngine, DockerOptions, ImageOptions, image};
use owl::engine::{Engine, Listener, StartError};
use owl::entity::Status;
use serde_json::{Value, json};

use support::*;

#[test]
fn a_container_serves_one_run_after_another_with_logs_of_its_own() {
    with_engine("serves", async |fixture| {
        let mut runtime = fixture.runtime().await;
        for runs in 1..=3 {
            runtime.runs_well(runs).await;
        }
        assert!(!runtime.sandbox.has_exited());
    });
}

#[test]
fn containers_have_labels_and_restrictions() {
    // 11.12-314
    with_engine("restricted", async |fixture| {
        let sandbox = fixture.start(&spec(IMAGE)).await.expect("starts");
        let path = format!("/containers/{}/json", sandbox.id());
        let container = docker(&fixture.executor, "GET", &path, Value::Null).await;
        let host = &container["HostConfig"];
        assert_eq!(host["Memory"], 128 << 20);
        assert_eq!(host["MemorySwap"], host["Memory"]);
        assert_eq!(host["CpuShares"], 128);
        assert_eq!(host["PidsLimit"], 1024);
        // What the engine made of the limits and capabilities that it was asked for.
        let of_process = |file: &str, name: &str| -> String {
            let path = format!("/proc/{}/{file}", container["State"]["Pid"]);
            let text = std::fs::read_to_string(path).expect("the engine is on this machine");
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let words = line.expect("the kernel tells it").split_whitespace();
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of_process("limits", "Max open files"), "1024 1024 files");
        assert_eq!(of_process("status", "CapBnd:"), "0000000000000000");
        assert_eq!(of_process("status", "CapEff:"), "0000000000000000");
        assert_eq!(of_process("status", "NoNewPrivs:"), "1");
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
        assert_eq!(host["LogConfig"]["Type"], "none");
        let config = &container["Config"];
        let env = config["Env"].as_array().expect("is a list");
        assert!(env.contains(&json!("__OW_API_HOST=http://192.0.2.1:3000")));
        let labels = &config["Labels"];
        assert_eq!(labels["owl.daemon"], fixture.daemon);
        assert_eq!(labels["owl.namespace"], "guest");
        assert_eq!(labels["owl.action"], "guest/pkg/hello");
        assert_eq!(labels["owl.version"], "0.0.2");
        assert_eq!(labels["owl.revision"], "3");
        assert_eq!(labels["owl.digest"], spec(IMAGE).digest());
        assert_eq!(labels["owl.kind"], "fake:1");
        let name = format!("/owl_{}_0_guest_hello", fixture.daemon);
        assert_eq!(container["Name"], name);
        // The listener for actions goes to the gateway of that network.
        let gateway = fixture.engine.gateway().expect("has a gateway").to_string();
        let network = &container["NetworkSettings"]["Networks"][fixture.engine.network()];
        assert_eq!(network["Gateway"], gateway);
    });
}

#[test]
fn what_an_action_prints_is_cut_at_the_limit() {
    with_engine("prints", async |fixture| {
        let mut runtime = fixture.runtime().await;
        runtime.begin().await;
        // 100 MB, of which 1 MB is kept.
        let run = runtime.run("flood").await;
        assert_eq!(run.response.status, Status::Success);
        let (lines, incomplete) = runtime.logs(true).await;
        assert!(incomplete);
        let last = lines.last().expect("there are lines");
        assert_eq!(
            last,
            "stderr: Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes."
        );
        assert_eq!(lines[0], format!("stdout: {}", "y".repeat(1023)));
        let kept: usize = lines.iter().map(|line| line.len() + 32).sum();
        assert!(
            kept > 900_000 && kept < (1 << 20) + 200,
            "{kept} bytes were kept"
        );
    });
}

#[test]
fn missing_sentinels_are_told() {
    with_engine("sentinels", async |fixture| {
        let mut runtime = fixture.runtime().await;
        runtime.begin().await;
        assert!(runtime.run("no-sentinels").await.keep);
        let (lines, incomplete) = runtime.logs(true).await;
        assert!(incomplete);
        assert!(
            lines.contains(&"stdout: no end in sight".to_owned()),
            "{lines:?}"
        );
        let last = lines.last().expect("there are lines");
        assert_eq!(
            last,
            "stderr: There was an issue while collecting your logs. Data might be missing."
        );
    });
}

#[test]
fn an_action_that_takes_all_memory_is_told_from_one_that_exits() {
    with_engine("memory", async |fixture| {
        let mut greedy = fixture.runtime().await;
        let run = greedy.run("allocate").await;
        assert_eq!(
            error(&run),
            "The action exhausted its memory and was aborted."
        );
        assert!(!run.keep && !run.retry);

        let mut exiting = fixture.runtime().await;
        exiting.begin().await;
        let run = exiting.run("exit").await;
        let ended = "The action did not produce a valid response and exited unexpectedly.";
        assert_eq!(error(&run), ended);
        wait_until("the exit is known", async || exiting.sandbox.has_exited()).await;
        // The logs end with the container: nobody waits for sentinels.
        exiting.logs(true).await;
    });
}

#[test]
fn answers_of_a_simple_server_come_through_the_network() {
    with_engine("answers", async |fixture| {
        let mut runtime = fixture.runtime().await;
        let run = runtime.run("chunked").await;
        assert_eq!(result(&run), json!({ "chunked": true }));
        let run = runtime.run("big").await;
        assert_eq!(run.response.status, Status::ApplicationError);
        assert_eq!(run.response.size, Some((2 << 20) + 10));
        assert!(run.keep);
        let run = runtime.run("unavailable").await;
        assert!(run.retry);
        for mood in ["drop", "cut", "garbage"] {
            let run = fixture.runtime().await.run(mood).await;
            assert!(error(&run).ends_with("exited unexpectedly."), "{mood}");
        }
    });
}

#[test]
fn a_run_over_its_time_limit_ends_and_the_container_can_be_removed() {
    with_engine("late", async |fixture| {
        let mut runtime = fixture.runtime().await;
        let run = runtime.run_for("sleep", Duration::from_millis(300)).await;
        assert!(run.timed_out && !run.keep);
        runtime.sandbox.remove().await;
        assert!(runtime.sandbox.has_exited());
        assert!(fixture.containers().await.is_empty());
        // Once more does no harm.
        runtime.sandbox.remove().await;
    });
}

#[test]
fn a_container_killed_from_outside_is_noticed() {
    with_engine("killed", async |fixture| {
        let client = fixture.engine.client();

        // While idle: the next run may go elsewhere.
        let mut idle = fixture.runtime().await;
        assert!(idle.run("ok").await.keep);
        client
            .kill_container(idle.sandbox.id(), "KILL")
            .await
            .expect("kills");
        wait_until("the end is known", async || idle.sandbox.has_exited()).await;
        let run = idle.run("ok").await;
        assert!(run.retry && !run.keep);

        // During a run: that run has failed.
        let mut busy = fixture.runtime().await;
        assert!(busy.run("ok").await.keep);
        let id = busy.sandbox.id().to_owned();
        let kill = async {
            smol::Timer::after(Duration::from_millis(200)).await;
            client.kill_container(&id, "KILL").await.expect("kills");
            std::future::pending().await
        };
        let run = smol::future::or(busy.run("sleep"), kill).await;
        let ended = "The action did not produce a valid response and exited unexpectedly.";
        assert_eq!(error(&run), ended);
        assert!(!run.retry && !run.timed_out);
    });
}

#[test]
fn images_that_cannot_be_run() {
    with_engine("images", async |fixture| {
        let missing = "127.0.0.1:9/owl-test/does-not-exist";
        let mut user = spec(missing);
        user.blackbox = true;
        for (pull, tag) in [(true, ""), (true, ":1.0"), (false, ":1.0")] {
            user.pull = pull;
            user.image = Some(format!("{missing}{tag}"));
            match fixture.start(&user).await.err().expect("fails") {
                StartError::Pull { image, .. } => assert_eq!(Some(image), user.image),
                other => panic!("{other}"),
            }
        }
        let failed = fixture.start(&spec(missing)).await.err().expect("fails");
        assert!(matches!(failed, StartError::Missing(_)), "{failed}");
        // An image without a command.
        let failed = fixture.start(&spec("owl-test/base-node:test")).await.err();
        let failed = failed.expect("fails").to_string();
        let expected = "executable file not found in image owl-test/base-node:test";
        assert_eq!(failed, expected);

        // A user's latest that is there, while no registry can be reached.
        let name = "127.0.0.1:9/owl-test/local";
        let path = format!("/images/{IMAGE}/tag?repo={name}&tag=latest");
        docker(&fixture.executor, "POST", &path, Value::Null).await;
        user.image = Some(name.into());
        user.pull = true;
        let started = fixture.start(&user).await;
        fixture
            .engine
            .client()
            .remove_image(name)
            .await
            .expect("removes the name");
        started.expect("starts").remove().await;
    });
}

#[test]
fn a_start_that_is_given_up_leaves_nothing_behind() {
    with_engine("given_up", async |fixture| {
        let spec = spec(IMAGE);
        for millis in [5, 30, 100] {
            let give_up = async {
                smol::Timer::after(Duration::from_millis(millis)).await;
                None
            };
            let start = async { Some(fixture.engine.start(&spec).await) };
            let started = smol::future::or(start, give_up).await;
            assert!(started.is_none(), "it started in {millis} ms");
        }
        // A sandbox that is dropped is removed, too.
        drop(fixture.start(&spec).await.expect("starts"));
        let gone = async || fixture.containers().await.is_empty();
        wait_until("all is gone", gone).await;
    });
}

#[test]
fn the_engine_may_go_away_and_come_back() {
    with_engine("away", async |fixture| {
        let (relay, engine) = fixture.relayed(Listener::default()).await;
        let dies = engine.start(&spec(IMAGE)).await.expect("starts");
        let stays = engine.start(&spec(IMAGE)).await.expect("starts");
        let orphan = engine.start(&spec(IMAGE)).await.expect("starts");

        relay.stop();
        let failed = engine.start(&spec(IMAGE)).await.err().expect("fails");
        assert!(matches!(failed, StartError::Unavailable(_)), "{failed}");
        // Meanwhile one ends, and one cannot be removed.
        let client = fixture.engine.client();
        client
            .kill_container(dies.id(), "KILL")
            .await
            .expect("kills");
        orphan.remove().await;
        let orphan_id = orphan.id().to_owned();
        drop(orphan);

        relay.listen(engine_socket());
        wait_until("the end is known", async || dies.has_exited()).await;
        wait_until("the orphan is gone", async || {
            let orphan = client.inspect_container(&orphan_id).await;
            orphan.is_err_and(|error| error.is_not_found())
        })
        .await;
        assert!(!stays.has_exited());
        let works = engine.start(&spec(IMAGE)).await.expect("starts again");
        // Events come again, too.
        client
            .kill_container(works.id(), "KILL")
            .await
            .expect("kills");
        wait_until("the end is known", async || works.has_exited()).await;
        assert!(engine.remove_all().await.is_empty());
    });
}

#[test]
fn networks_are_created_when_missing() {
    with_engine("network", async |fixture| {
        let name = format!("owl_test_{}", std::process::id());
        let options = DockerOptions {
            host: Some(engine_host()),
            network: Some(name.clone()),
            daemon_id: fixture.daemon.clone(),
            events: Listener::default(),
            images: ImageOptions::default(),
        };
        let engine = DockerEngine::connect(fixture.executor.clone(), options).await;
        let engine = engine.expect("connects");
        let sandbox = engine.start(&spec(IMAGE)).await.expect("starts");
        let address = engine.gateway().expect("has a gateway");
        wait_until("the container answers", async || {
            sandbox.connect().await.is_ok()
        })
        .await;
        sandbox.remove().await;
        let client = engine.client();
        client.remove_network(&name).await.expect("removes it");
        assert!(client.inspect_network(&name).await.expect("asks").is_none());
        assert_ne!(Some(address), fixture.engine.gateway());
    });
}

#[test]
fn this_binary_can_be_packed_and_run_as_an_image() {
    with_engine("packed", async |fixture| {
        let client = fixture.engine.client();
        let name = format!("owl-test/packed-{}:test", std::process::id());
        let packed = image::import(client, &name).await.expect("imports");
        assert!(packed.id.starts_with("sha256:"));
        let path = format!("/images/{name}/json");
        let config = &docker(&fixture.executor, "GET", &path, Value::Null).await["Config"];
        assert_eq!(config["Entrypoint"], json!(["/owl"]));
        let command = json!(["runtime", "--listen", "tcp:0.0.0.0:8080"]);
        assert_eq!(config["Cmd"], command);
        assert_eq!(config["ExposedPorts"], json!({ "8080/tcp": {} }));

        // Here the binary is this test: it must find all of its libraries in the image.
        let container = json!({ "Image": name, "Cmd": ["--list"],
            "Labels": { "owl.daemon": fixture.daemon } });
        let created = docker(&fixture.executor, "POST", "/containers/create", container).await;
        let id = created["Id"].as_str().expect("has an id").to_owned();
        let call = async |method, what: &str| {
            let path = format!("/containers/{id}/{what}");
            docker(&fixture.executor, method, &path, Value::Null).await
        };
        call("POST", "start").await;
        let ended = call("POST", "wait").await;
        assert_eq!(ended["StatusCode"], 0);
        fixture.engine.remove_all().await;
        client.remove_image(&name).await.expect("removes it");
        assert!(client.inspect_image(&name).await.expect("asks").is_none());
    });
}

#[test]
fn an_engine_that_is_not_there_is_told_with_its_address() {
    let executor = std::sync::Arc::new(smol::Executor::new());
    let host = Some("unix:///nowhere/docker.sock");
    let connected = smol::block_on(executor.run(Client::connect(executor.clone(), host)));
    let error = connected.err().expect("fails").to_string();
    assert!(
        error.starts_with("cannot connect to the Docker Engine at unix:///nowhere/docker.sock: ")
    );
    assert!(error.ends_with("(is it running?)"), "{error}");
}

#[test]
fn the_engine_tells_of_itself() {
    with_engine("info", async |fixture| {
        let info = fixture.engine.info().await.expect("answers");
        assert!(info.server_version.is_some() && info.mem_total > Some(1 << 20));
        let images = fixture.engine.client().list_images().await.expect("lists");
        let names = images
            .iter()
            .flat_map(|image| image.repo_tags.iter().flatten());
        // Podman has them under names with a host.
        let named = |name: &String| name == IMAGE || name.ends_with(&format!("/{IMAGE}"));
        assert!(
            names.into_iter().any(named),
            "{IMAGE} is not there: run tests/run"
        );
    });
}
