//! What callers reach in packages and through bindings, and what they do not.

use super::*;
use crate::catalog::Manifest;
use crate::entity::{ActionRanges, Binding, GUEST_UUID, NewAction, Secret};
use crate::store::{CodeChange, Options, Store};

struct World {
    _dir: tempfile::TempDir,
    catalog: Catalog,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    World {
        _dir: dir,
        catalog: Catalog::new(store),
    }
}

fn parameters(text: &str) -> Parameters {
    serde_json::from_str(text).unwrap()
}

impl World {
    fn package(&self, path: &str, publish: bool, binding: Option<&str>, value: &str) {
        let (namespace, name) = path.split_once('/').unwrap();
        let package = Package {
            namespace: namespace.into(),
            name: name.into(),
            binding: binding.map(|to| {
                let (namespace, name) = to.split_once('/').unwrap();
                Binding {
                    namespace: namespace.into(),
                    name: name.into(),
                }
            }),
            parameters: parameters(value),
            version: "0.0.1".into(),
            publish,
            annotations: Parameters::default(),
            updated: 1,
            revision: 0,
        };
        smol::block_on(self.catalog.create(package)).unwrap();
    }

    fn action(&self, namespace: &str, name: &str, parameters: &str) {
        let body =
            format!(r#"{{"exec":{{"kind":"quickjs:1","code":"x"}},"parameters":{parameters}}}"#);
        let action = NewAction::parse(body.as_bytes(), &Manifest::built_in().kinds(false))
            .unwrap()
            .create(namespace, name, &ActionRanges::default(), 1)
            .unwrap();
        smol::block_on(
            self.catalog
                .create_action(action, CodeChange::Set("x".into())),
        )
        .unwrap();
    }

    fn told(&self, who: &str, name: &str) -> String {
        let name: FullName = name.parse().unwrap();
        match self.catalog.resolve_name(&identity(who), &name) {
            Ok(found) => found.action.path(),
            Err(AccessError::Forbidden(resource)) => format!("403 {resource}"),
            Err(AccessError::Catalog(error)) => error.to_string(),
        }
    }
}

fn identity(namespace: &str) -> Identity {
    Identity {
        subject: namespace.into(),
        namespace: namespace.into(),
        uuid: GUEST_UUID.into(),
        key: Secret::new(String::new()),
        limits: Arc::default(),
    }
}

const MISSING: &str = "The requested resource does not exist.";
const OTHER: &str = "Resource by this name exists but is not in this collection.";

#[test]
fn rights() {
    let world = world();
    world.action("me", "a", "[]");
    world.package("me/private", false, None, "[]");
    world.action("me/private", "a", "[]");
    world.package("me/public", true, None, "[]");
    world.action("me/public", "a", "[]");

    assert_eq!(world.told("me", "me/a"), "me/a");
    assert_eq!(world.told("me", "me/missing"), MISSING);
    assert_eq!(world.told("me", "me/public"), OTHER);
    assert_eq!(world.told("me", "me/private/a"), "me/private/a");
    assert_eq!(world.told("me", "me/private/b"), MISSING);
    assert_eq!(world.told("me", "me/missing/a"), MISSING);
    assert_eq!(world.told("me", "me/a/a"), OTHER);

    assert_eq!(world.told("you", "me/a"), "403 me/a");
    assert_eq!(world.told("you", "me/private/a"), "403 me/private");
    assert_eq!(world.told("you", "me/missing/a"), "403 me/missing");
    assert_eq!(world.told("you", "me/a/a"), "403 me/a");
    assert_eq!(world.told("you", "me/public/a"), "me/public/a");
    assert_eq!(world.told("you", "me/public/b"), MISSING);
}

#[test]
fn bindings() {
    let world = world();
    world.package("me/private", false, None, "[]");
    world.action("me/private", "a", "[]");
    world.package("me/public", true, None, "[]");
    world.action("me/public", "a", "[]");
    for (binding, to) in [
        ("me/own", "me/private"),
        ("me/gone", "me/missing"),
        ("you/open", "me/public"),
        ("you/closed", "me/private"),
        ("you/gone", "me/missing"),
        ("you/twice", "you/open"),
    ] {
        world.package(binding, true, Some(to), "[]");
    }
    assert_eq!(world.told("me", "me/own/a"), "me/private/a");
    assert_eq!(world.told("me", "me/gone/a"), MISSING);
    assert_eq!(world.told("you", "you/open/a"), "me/public/a");
    assert_eq!(world.told("you", "you/closed/a"), "403 you/closed");
    assert_eq!(world.told("you", "you/gone/a"), "403 you/gone");
    assert_eq!(world.told("me", "you/open/a"), "403 you/open");
    // What was a package once is a binding by now.
    assert_eq!(world.told("you", "you/twice/a"), MISSING);
    let name: FullName = "you/open/a".parse().unwrap();
    let found = world.catalog.resolve_name(&identity("you"), &name).unwrap();
    assert_eq!(found.binding.as_deref(), Some("you/open"));
}

#[test]
fn access_to_several() {
    let world = world();
    world.package("me/private", false, None, "[]");
    world.package("me/public", true, None, "[]");
    world.package("you/own", false, None, "[]");
    let told = |names: &[&str]| {
        let names: Vec<FullName> = names.iter().map(|name| name.parse().unwrap()).collect();
        match world.catalog.check_access(&identity("you"), &names) {
            Ok(()) => String::new(),
            Err(AccessError::Forbidden(resources)) => format!("403 {resources}"),
            Err(AccessError::Catalog(error)) => error.to_string(),
        }
    };
    // Whether the actions are there does not matter.
    assert_eq!(told(&["you/a", "me/public/a", "you/own/a"]), "");
    assert_eq!(
        told(&["me/private/a", "you/a", "me/b", "me/b", "me/a"]),
        "403 me/a, me/b, me/private/a"
    );
    assert_eq!(told(&["me/a", "you/missing/a"]), MISSING);
}

#[test]
fn inherited_parameters() {
    let world = world();
    let list = |pairs: &[(&str, u8)]| {
        let all: Vec<_> = pairs
            .iter()
            .map(|(key, value)| format!(r#"{{"key":"{key}","value":{value}}}"#))
            .collect();
        format!("[{}]", all.join(","))
    };
    let of_package = list(&[("p", 1), ("pb", 1), ("pa", 1), ("pba", 1)]);
    world.package("me/p", false, None, &of_package);
    let of_binding = list(&[("b", 2), ("pb", 2), ("ba", 2), ("pba", 2)]);
    world.package("me/b", false, Some("me/p"), &of_binding);
    world.action(
        "me/p",
        "a",
        &list(&[("a", 3), ("pa", 3), ("ba", 3), ("pba", 3)]),
    );
    let merged = |name: &str| {
        let name: FullName = name.parse().unwrap();
        let found = world.catalog.resolve_name(&identity("me"), &name).unwrap();
        serde_json::to_string(&found.action.parameters).unwrap()
    };
    // 11.4-115, 11.4-116
    assert_eq!(
        merged("me/p/a"),
        list(&[
            ("p", 1),
            ("pb", 1),
            ("pa", 3),
            ("pba", 3),
            ("a", 3),
            ("ba", 3)
        ])
    );
    assert_eq!(
        merged("me/b/a"),
        list(&[
            ("p", 1),
            ("pb", 2),
            ("pa", 3),
            ("pba", 3),
            ("b", 2),
            ("ba", 3),
            ("a", 3)
        ])
    );
}
