//! Images: got in advance, chosen by their architecture, let go when nobody needs them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use owl::BoxFuture;
use owl::engine::docker::{DockerEngine, ImageBook, ImageOptions, Keeping, OwnImage, Templates};
use owl::engine::{Engine, ImageNeed, SandboxSpec, StartError};
use serde_json::Value;

use crate::registry::{Picture, Registry};
use crate::support::*;

/// A need of a user's image.
fn need(name: &str) -> ImageNeed {
    ImageNeed {
        name: name.to_owned(),
        blackbox: true,
        pull: true,
    }
}

/// A sandbox of it.
fn sandbox_of(name: &str) -> SandboxSpec {
    SandboxSpec {
        blackbox: true,
        pull: true,
        ..spec(name)
    }
}

/// The runtime of the tests, made anew under a name of its own: with a layer of some megabytes.
fn picture(name: &str) -> Picture {
    Picture::of(&engine_host(), IMAGE).with_layer(name, 6 << 20)
}

/// What the engine's machine is, as images have it.
async fn architecture(engine: &DockerEngine) -> &'static str {
    let info = engine.info().await.expect("the engine answers");
    match info.architecture.as_deref() {
        Some("x86_64" | "amd64") => "amd64",
        Some("aarch64" | "arm64") => "arm64",
        other => panic!("these tests know no {other:?}"),
    }
}

async fn has(engine: &DockerEngine, name: &str) -> bool {
    let found = engine.client().inspect_image(name).await;
    found.expect("the engine answers").is_some()
}

#[test]
fn what_is_expected_is_pulled_once_with_its_progress_told() {
    with_engine("expected", async |fixture| {
        let engine = &fixture.engine;
        let registry = Registry::start(&engine_host());
        let name = format!("{}:1", registry.name("owl-test/expected"));
        registry.publish("owl-test/expected", "1", &picture("expected"));
        registry.shut();
        engine.expect_image(need(&name));
        engine.expect_image(need(&name));
        wait_until("some of it has come", async || {
            let pulls = engine.images().pulls;
            pulls.iter().any(|pull| {
                let far = pull.progress;
                pull.image == name && far.bytes > 0 && far.size > 6 << 20
            })
        })
        .await;
        let far = engine.images().pulls[0].progress;
        // Of its layers, the engine has all but the last.
        assert!(far.layers > far.done && far.done > 0, "{far}");
        assert!(!has(engine, &name).await);
        // A cold start joins in.
        let sandbox = sandbox_of(&name);
        let starts = async { fixture.start(&sandbox).await };
        let opens = async {
            smol::Timer::after(Duration::from_millis(200)).await;
            registry.open();
            std::future::pending().await
        };
        let started = smol::future::or(starts, opens).await;
        started.expect("starts").remove().await;
        assert!(engine.images().pulls.is_empty() && engine.images().failed.is_empty());
        assert_eq!(registry.count("", "/manifests/1"), 1);
        // And the next asks nobody.
        let asked = registry.count("", "");
        let next = fixture.start(&sandbox).await;
        next.expect("starts").remove().await;
        assert_eq!(registry.count("", ""), asked);
    });
}

#[test]
fn what_cannot_be_got_in_advance_is_told_and_may_come_later() {
    with_engine("late_image", async |fixture| {
        let engine = &fixture.engine;
        let registry = Registry::start(&engine_host());
        let name = format!("{}:1", registry.name("owl-test/late"));
        engine.expect_image(need(&name));
        wait_until("it is told", async || !engine.images().failed.is_empty()).await;
        let failed = &engine.images().failed[0];
        assert_eq!(failed.image, name);
        assert!(
            failed.reason.contains("manifest unknown"),
            "{}",
            failed.reason
        );
        assert!(!failed.is_tried_again);
        registry.publish("owl-test/late", "1", &picture("late"));
        engine.expect_image(need(&name));
        wait_until("it is there", async || has(engine, &name).await).await;
        wait_until("nothing is told any more", async || {
            engine.images().failed.is_empty()
        })
        .await;
        // While its registry is away, it is tried again.
        let away = "127.0.0.1:9/owl-test/away:1";
        engine.expect_image(need(away));
        wait_until("it is told", async || !engine.images().failed.is_empty()).await;
        assert!(engine.images().failed[0].is_tried_again);
    });
}

#[test]
fn an_image_for_other_machines_is_told_by_both_architectures() {
    with_engine("foreign", async |fixture| {
        let engine = &fixture.engine;
        let registry = Registry::start(&engine_host());
        registry.publish("owl-test/foreign", "1", &Picture::foreign("s390x"));
        let name = format!("{}:1", registry.name("owl-test/foreign"));
        let machine = architecture(engine).await;
        let expected = format!(
            "The image '{name}' is made for s390x, but the Docker Engine of this gateway runs \
             {machine}."
        );
        let sandbox = sandbox_of(&name);
        let text = match fixture.start(&sandbox).await {
            // Whether it is emulated cannot be seen on every machine: then it is tried.
            Ok(started) => {
                wait_until("it ends", async || started.has_exited()).await;
                let (image, mismatch) = started.foreign().await.expect("is foreign");
                mismatch.text(&image)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
        // From then on it is known.
        let error = fixture.start(&sandbox).await.err().expect("fails");
        assert!(matches!(error, StartError::Foreign { .. }), "{error}");
        assert_eq!(error.to_string(), expected);
    });
}

#[test]
fn a_name_that_has_got_another_image_is_looked_at_again() {
    with_engine("retagged", async |fixture| {
        let registry = Registry::start(&engine_host());
        let name = registry.name("owl-test/retagged");
        let tag = async |image: &str| {
            let path = format!("/images/{image}/tag?repo={name}&tag=1");
            docker(&fixture.executor, "POST", &path, Value::Null).await;
        };
        let sandbox = sandbox_of(&format!("{name}:1"));
        tag(IMAGE).await;
        let started = fixture.start(&sandbox).await.expect("starts");
        started.remove().await;
        // Somebody gives the name to what nobody can run here.
        registry.publish("owl-test/foreign", "1", &Picture::foreign("s390x"));
        let foreign = format!("{}:1", registry.name("owl-test/foreign"));
        let pulled = fixture.start(&sandbox_of(&foreign)).await;
        drop(pulled);
        tag(&foreign).await;
        let started = fixture.start(&sandbox).await.expect("is tried");
        wait_until("it ends", async || started.has_exited()).await;
        let (_, mismatch) = started.foreign().await.expect("is foreign");
        assert_eq!(mismatch.image, "s390x");
        // And back: the next start knows nothing of it any more.
        tag(IMAGE).await;
        let started = fixture.start(&sandbox).await.expect("starts");
        assert!(!started.has_exited());
        started.remove().await;
    });
}

#[test]
fn templates_lead_to_the_image_for_this_machine() {
    with_engine("templates", async |fixture| {
        let templates = Templates::parse("{name},{name}-{arch},{arch}/{name}");
        let images = ImageOptions {
            templates: templates.expect("are templates"),
            ..ImageOptions::default()
        };
        let engine = fixture.another(images).await;
        let suffix = architecture(&engine).await;
        let registry = Registry::start(&engine_host());
        let name = format!("{}:1", registry.name("owl-test/made"));
        let made = format!("{}-{suffix}:1", registry.name("owl-test/made"));
        registry.publish("owl-test/made", "1", &Picture::foreign("mips64le"));
        let repository = format!("owl-test/made-{suffix}");
        registry.publish(&repository, "1", &picture("made"));
        let sandbox = engine.start(&sandbox_of(&name)).await.expect("starts");
        let path = format!("/containers/{}/json", sandbox.id());
        let container = docker(&fixture.executor, "GET", &path, Value::Null).await;
        assert_eq!(container["Config"]["Image"], made);
        sandbox.remove().await;
        // Remembered: nobody is asked again.
        let before = registry.count("", "");
        engine
            .start(&sandbox_of(&name))
            .await
            .expect("starts")
            .remove()
            .await;
        assert_eq!(registry.count("", ""), before);
        // A local one goes before what a registry may have: this has no name there.
        let tag = format!(
            "/images/{IMAGE}/tag?repo={}&tag=2",
            registry.name(&repository)
        );
        docker(&fixture.executor, "POST", &tag, Value::Null).await;
        let named = format!("{}:2", registry.name("owl-test/made"));
        let sandbox = engine.start(&sandbox_of(&named)).await.expect("starts");
        sandbox.remove().await;
        assert_eq!(registry.count("", ""), before);
        assert!(engine.remove_all().await.is_empty());
    });
}

/// A book in memory.
#[derive(Default)]
struct Book {
    named: Mutex<Vec<String>>,
    own: Mutex<Vec<OwnImage>>,
}

impl Book {
    fn names(&self) -> Vec<String> {
        let own = self.own.lock().expect("the book");
        own.iter().flat_map(|image| image.names.clone()).collect()
    }
}

impl ImageBook for Book {
    fn named(&self) -> Option<Vec<String>> {
        Some(self.named.lock().expect("the book").clone())
    }

    fn own(&self) -> Option<Vec<OwnImage>> {
        Some(self.own.lock().expect("the book").clone())
    }

    fn note(&self, image: OwnImage) -> BoxFuture<'_, ()> {
        let mut own = self.own.lock().expect("the book");
        own.retain(|known| known.id != image.id);
        own.push(image);
        Box::pin(async {})
    }

    fn forget(&self, id: String) -> BoxFuture<'_, ()> {
        let mut own = self.own.lock().expect("the book");
        own.retain(|known| known.id != id);
        Box::pin(async {})
    }
}

#[test]
fn what_owl_has_pulled_goes_when_room_is_needed_and_nothing_else() {
    with_engine("cleaned", async |fixture| {
        // No disk has that much: there is never enough room.
        let keeping = Keeping {
            age: None,
            free: u64::MAX,
        };
        let images = ImageOptions {
            keeping,
            ..ImageOptions::default()
        };
        let engine = fixture.another(images).await;
        let book = Arc::new(Book::default());
        engine.keep_images(book.clone());
        let registry = Registry::start(&engine_host());
        // Of these, what has come is asked for again with each start.
        let tag = |name: &str| registry.name(&format!("owl-test/{name}"));
        let names = ["unused", "named", "in-use", "taken", "before"].map(tag);
        let [unused, named, in_use, taken, before] = names.clone();
        for name in ["unused", "named", "in-use", "taken", "before"] {
            registry.publish(&format!("owl-test/{name}"), "latest", &picture(name));
        }
        // Somebody else has this one already, as what it was then: the newer one becomes theirs.
        let path = format!(
            "/images/{IMAGE}/tag?repo={}&tag=latest",
            registry.name("owl-test/before")
        );
        docker(&fixture.executor, "POST", &path, Value::Null).await;
        *book.named.lock().expect("the book") = names.to_vec();
        let pull = async |name: &str| {
            let sandbox = engine.start(&sandbox_of(name)).await;
            sandbox.expect("starts")
        };
        for name in [&unused, &named, &taken, &before] {
            pull(name).await.remove().await;
        }
        let running = pull(&in_use).await;
        wait_until("all are noted", async || book.names().len() == 4).await;
        assert!(!book.names().contains(&before), "it was there");
        assert!(registry.count("GET", "/owl-test/before/blobs/") > 0);
        // Somebody makes one of them theirs, and most are not named any more.
        let theirs = registry.name("owl-test/theirs");
        let path = format!("/images/{taken}/tag?repo={theirs}&tag=1");
        docker(&fixture.executor, "POST", &path, Value::Null).await;
        *book.named.lock().expect("the book") = vec![named.clone()];
        // It looks when something is pulled.
        registry.publish("owl-test/last", "latest", &picture("last"));
        let last = tag("last");
        book.named.lock().expect("the book").push(last.clone());
        engine.expect_image(need(&last));
        wait_until("it is there", async || has(&engine, &last).await).await;
        wait_until("it is gone", async || !has(&engine, &unused).await).await;
        for name in [&named, &in_use, &taken, &before, &last] {
            assert!(has(&engine, name).await, "{name} is gone");
        }
        wait_until("the rest is noted", async || {
            let mut names = book.names();
            names.sort();
            let mut rest = vec![named.clone(), in_use.clone(), last.clone()];
            rest.sort();
            names == rest
        })
        .await;
        running.remove().await;
        assert!(engine.remove_all().await.is_empty());
    });
}
