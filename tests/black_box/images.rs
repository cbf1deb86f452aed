//! Images of actions, on the real engine with a registry beside it: got before they are needed,
//! chosen by their architecture, let go when no action names them.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::docker::{docker, host};
use crate::registry::{Picture, Registry};

/// The runtime of the tests as somebody's own image, with some megabytes of its own.
fn picture(name: &str) -> Picture {
    Picture::of(&host(), "owl-test/fake-runtime:test").with_layer(name, 4 << 20)
}

fn has(image: &str) -> bool {
    let inspect = ["--host", &host(), "image", "inspect", image];
    let output = Command::new("docker").args(inspect).output();
    output.expect("run the docker client").status.success()
}

fn wait_until(what: &str, owl: &Daemon, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        let log = owl.log();
        assert!(Instant::now() < deadline, "in vain until {what}:\n{log}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn blackbox(client: &Client, name: &str, image: &str) {
    let exec = json!({"kind": "blackbox", "image": image, "code": "{}"});
    let answer = client.put(&format!("actions/{name}"), &json!({ "exec": exec }));
    assert_eq!(answer.status, 200, "{answer}");
}

/// As Docker names it.
fn architecture() -> String {
    docker(&host(), &["version", "--format", "{{.Server.Arch}}"])
}

#[test]
fn an_image_is_there_before_its_action_is_invoked() {
    let registry = Registry::start(&host());
    registry.publish("owl-test/ahead", "1", &picture("ahead"));
    let image = format!("{}:1", registry.name("owl-test/ahead"));
    let owl = Setup::with_docker().start();
    let client = owl.client();
    registry.shut();
    // Neither does the action wait for it, nor another.
    blackbox(&client, "ahead", &image);
    blackbox(&client, "again", &image);
    assert!(!has(&image));
    registry.open();
    wait_until("it is pulled", &owl, || owl.log().contains("pulled image"));
    assert!(has(&image));
    let asked = registry.count("", "");
    client.invoke("ahead", &json!({})).expect_success();
    assert_eq!(registry.count("", ""), asked, "{}", owl.log());
    assert_eq!(
        owl.log().matches("pulled image").count(),
        1,
        "{}",
        owl.log()
    );
    // What an action of the catalogue needs is got at the start, too.
    let folder = tempfile::tempdir().expect("make a folder");
    let restart = || Setup::with_docker().data_dir(folder.path()).start();
    let other = restart();
    registry.publish("owl-test/later", "1", &picture("later"));
    let later = format!("{}:1", registry.name("owl-test/later"));
    blackbox(&other.client(), "later", &later);
    wait_until("it is pulled", &other, || {
        other.log().contains("pulled image")
    });
    other.terminate();
    docker(&host(), &["image", "rm", &later]);
    let other = restart();
    wait_until("it is pulled again", &other, || has(&later));
}

#[test]
fn an_action_whose_image_is_for_other_machines_is_told_so() {
    let registry = Registry::start(&host());
    registry.publish("owl-test/strange", "1", &Picture::foreign("s390x"));
    let image = format!("{}:1", registry.name("owl-test/strange"));
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    blackbox(&client, "strange", &image);
    let expected = format!(
        "The image '{image}' is made for s390x, but the Docker Engine of this gateway runs {}.",
        architecture()
    );
    // The second time without a try.
    for _ in 0..2 {
        let answer = client.invoke("strange", &json!({}));
        assert!(answer.status >= 500, "{answer}");
        assert!(answer.to_string().contains(&expected), "{answer}");
    }
}

#[test]
fn the_image_for_this_machine_is_found_by_its_name() {
    let registry = Registry::start(&host());
    let repository = format!("owl-test/each-{}", architecture());
    registry.publish("owl-test/each", "1", &Picture::foreign("s390x"));
    registry.publish(&repository, "1", &picture("each"));
    let owl = Setup::with_docker()
        .env("OWL_IMAGE_TEMPLATES", "{name},{arch}/{name},{name}-{arch}")
        .start();
    let client = owl.client();
    blackbox(
        &client,
        "each",
        &format!("{}:1", registry.name("owl-test/each")),
    );
    client.invoke("each", &json!({})).expect_success();
    assert!(has(&format!("{}:1", registry.name(&repository))));
}

#[test]
fn images_that_no_action_names_go_when_the_disk_is_full_and_no_others() {
    let registry = Registry::start(&host());
    let image = |name: &str| format!("{}:1", registry.name(&format!("owl-test/{name}")));
    let [first, second, mine] = ["first", "second", "mine"].map(image);
    for name in ["first", "second", "mine"] {
        registry.publish(&format!("owl-test/{name}"), "1", &picture(name));
    }
    // Somebody has pulled this, and an action uses it for a while.
    docker(&host(), &["pull", "--quiet", &mine]);
    let folder = tempfile::tempdir().expect("make a folder");
    // No disk has that much room.
    let start = || {
        let setup = Setup::with_docker().data_dir(folder.path());
        setup.env("OWL_IMAGES_FREE", "1000000000").start()
    };
    let owl = start();
    let client = owl.client();
    for (name, image) in [("first", &first), ("mine", &mine)] {
        blackbox(&client, name, image);
        client.invoke(name, &json!({})).expect_success();
    }
    client.delete("actions/first");
    client.delete("actions/mine");
    // What it has pulled is known after a restart.
    owl.terminate();
    assert!(has(&first) && has(&mine));
    let owl = start();
    blackbox(&owl.client(), "second", &second);
    wait_until("one is there and one gone", &owl, || {
        has(&second) && owl.log().contains(&format!("removed image {first}"))
    });
    assert!(!has(&first));
    assert!(has(&mine) && has("owl-test/fake-runtime:test"));
    owl.terminate();
    assert!(has(&second));
}
