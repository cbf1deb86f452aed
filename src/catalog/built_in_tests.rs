//! What is built in, beside what is stored.

use std::ops::ControlFlow;

use super::*;
use crate::catalog::AccessError;
use crate::entity::{ActionRanges, Exec, FullName, Identity, Secret};
use crate::store::{Options, Store};

fn catalog() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    (dir, Catalog::new(store))
}

fn somebody(namespace: &str) -> Identity {
    Identity {
        subject: namespace.into(),
        namespace: namespace.into(),
        uuid: "uuid".into(),
        key: Secret::new(String::new()),
        limits: std::sync::Arc::default(),
    }
}

fn package(namespace: &str, name: &str) -> Package {
    let mut package = builtin::package("whisk.system/utils").unwrap();
    package.namespace = namespace.into();
    package.name = name.into();
    package.updated = 7;
    package
}

fn action(path: &str) -> Action {
    let (namespace, name) = path.rsplit_once('/').unwrap();
    Action {
        namespace: namespace.into(),
        name: name.into(),
        exec: Exec::Sequence {
            components: vec!["whisk.system/utils/echo".parse().unwrap()],
        },
        parameters: crate::entity::Parameters::default(),
        limits: ActionRanges::default().defaults(),
        version: "0.0.1".into(),
        publish: false,
        annotations: crate::entity::Parameters::default(),
        updated: 7,
        revision: 0,
    }
}

#[test]
fn found_by_everybody() {
    let (_dir, catalog) = catalog();
    let guest = somebody("guest");
    let echo = catalog.resolve(&guest, "whisk.system", Some("utils"), "echo");
    assert_eq!(echo.unwrap().action.exec, Exec::Builtin);
    let (echo, code) = catalog.action_with_code("whisk.system/utils/echo").unwrap();
    assert_eq!(
        (echo.path().as_str(), code.as_deref()),
        ("whisk.system/utils/echo", Some(builtin::CODE))
    );
    // What is private is only its owner's.
    let private = catalog.resolve(&guest, "whisk.system", Some("apimgmt"), "getApi");
    assert!(matches!(private, Err(AccessError::Forbidden(_))));
    let owned = catalog.resolve(
        &somebody("whisk.system"),
        "whisk.system",
        Some("apimgmt"),
        "getApi",
    );
    assert!(owned.is_ok());

    let other = |error| matches!(error, Some(CatalogError::OtherCollection));
    assert!(other(catalog.action("whisk.system/utils").err()));
    assert!(other(catalog.package("whisk.system/utils/echo").err()));
    assert!(matches!(
        catalog.action("whisk.system/utils/gone"),
        Err(CatalogError::Missing)
    ));
}

#[test]
fn bound_like_any_package() {
    smol::block_on(async {
        let (_dir, catalog) = catalog();
        let mut bound = package("guest", "mine");
        bound.binding = Some(crate::entity::Binding {
            namespace: "whisk.system".into(),
            name: "utils".into(),
        });
        catalog.create(bound).await.unwrap();
        let name = FullName::new("guest", Some("mine"), "sort");
        let resolved = catalog.resolve_name(&somebody("guest"), &name).unwrap();
        assert_eq!(resolved.action.path(), "whisk.system/utils/sort");
        assert_eq!(resolved.binding.as_deref(), Some("guest/mine"));
    });
}

#[test]
fn listed_after_what_is_stored() {
    smol::block_on(async {
        let (_dir, catalog) = catalog();
        catalog
            .create(package("whisk.system", "own"))
            .await
            .unwrap();
        catalog
            .create(action("whisk.system/own/act"))
            .await
            .unwrap();
        let names = |skip, limit| -> Vec<String> {
            let list = catalog
                .list::<Package>("whisk.system", skip, limit)
                .unwrap();
            list.into_iter().map(|package| package.name).collect()
        };
        assert_eq!(names(0, 9), ["own", "utils", "samples", "apimgmt"]);
        assert_eq!(names(0, 2), ["own", "utils"]);
        assert_eq!(names(2, 9), ["samples", "apimgmt"]);
        assert_eq!(names(0, 1), ["own"]);
        assert!(names(4, 9).is_empty());
        assert_eq!(catalog.count::<Package>("whisk.system").unwrap(), 4);
        let mut public = Vec::new();
        let shown = catalog.each_public_package("whisk.system", 1, 9, |p| public.push(p.name));
        shown.unwrap();
        assert_eq!(public, ["utils", "samples"]);
        assert_eq!(catalog.count_public_packages("whisk.system").unwrap(), 3);

        let actions = catalog.list::<Action>("whisk.system", 0, 200).unwrap();
        assert_eq!(actions.len(), 1 + builtin::actions().len());
        assert_eq!(actions[0].name, "act");
        let utils = EntityList::Package("whisk.system/utils");
        assert_eq!(catalog.count_of(utils).unwrap(), 9);
        let mut first = Vec::new();
        let shown = catalog.each(utils, 1, 2, |action: Action| first.push(action.name));
        shown.unwrap();
        assert_eq!(first, ["cat", "split"]);
        // Nobody else has them, and what is not theirs is not shown with them.
        assert!(catalog.list::<Action>("guest", 0, 9).unwrap().is_empty());
        let mut seen = 0;
        let visited = catalog.visit(EntityList::Package("whisk.system/own"), 0, |_: Action| {
            seen += 1;
            ControlFlow::Continue(())
        });
        assert!(visited.is_ok());
        assert_eq!(seen, 1);
    });
}

#[test]
fn never_written() {
    smol::block_on(async {
        let (_dir, catalog) = catalog();
        let refused = |error| {
            assert!(matches!(error, Some(CatalogError::BuiltIn)), "{error:?}");
        };
        refused(catalog.create(package("whisk.system", "utils")).await.err());
        refused(catalog.update(package("whisk.system", "utils")).await.err());
        refused(
            catalog
                .create(action("whisk.system/utils/mine"))
                .await
                .err(),
        );
        let new = catalog.create_action(action("whisk.system/utils/echo"), CodeChange::Remove);
        refused(new.await.err());
        let echo = catalog.get::<Action>("whisk.system/utils/echo").unwrap();
        refused(catalog.delete(&echo).await.err());
        let utils = catalog.get::<Package>("whisk.system/utils").unwrap();
        refused(catalog.delete_package(&utils).await.err());
        let mine = action("whisk.system/utils/mine");
        let packaged = catalog.create_packaged_action(&utils, mine, CodeChange::Remove);
        refused(packaged.await.err());

        // That it stays can be asked for.
        let stays = Change::Stays {
            path: utils.path(),
            revision: utils.revision,
        };
        let put = Change::Put(creation(&package("guest", "p"), CodeChange::Remove));
        catalog.write_all(vec![stays, put]).await.unwrap();
        assert!(catalog.package("guest/p").is_ok());
    });
}
