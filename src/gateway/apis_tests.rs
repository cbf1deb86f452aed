//! Routing over several APIs, and what the store keeps.

use std::borrow::Cow;

use serde_json::value::RawValue;
use smol::block_on;

use super::*;
use crate::gateway::{Backend, Routed};
use crate::store::Options;

fn apis() -> (tempfile::TempDir, Apis) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    (dir, Apis::new(store))
}

fn new(base: &str, path: &str, verb: Verb, action: &str) -> NewOperation {
    NewOperation {
        base_path: base.into(),
        path: path.into(),
        verb,
        title: None,
        backend: Backend::of_name(action, "guest", "json").unwrap(),
        secure_key: None,
        origin: "http://h".into(),
    }
}

fn add(apis: &Apis, namespace: &str, new: &NewOperation) -> Api {
    block_on(apis.add(namespace, new)).unwrap()
}

fn route(apis: &Apis, path: &[&str], verb: Verb) -> String {
    let path: Vec<Cow<'_, str>> = path.iter().map(|segment| Cow::Borrowed(*segment)).collect();
    match apis.route("guest", &path, Some(verb)).unwrap() {
        Routed::To {
            backend,
            parameters,
            ..
        } => format!("{}{parameters:?}", backend.action),
        Routed::OtherMethods(methods) => methods.join(" "),
        Routed::Nowhere => "nowhere".into(),
    }
}

fn bases(apis: &Apis, namespace: &str, filter: &Filter<'_>) -> Vec<String> {
    let list = apis.list(namespace, filter).unwrap();
    list.into_iter().map(|api| api.base_path).collect()
}

#[test]
fn the_longest_base_path_that_has_the_path_decides() {
    let (_dir, apis) = apis();
    add(&apis, "guest", &new("/", "/a/b/{x}", Verb::Get, "root"));
    add(&apis, "guest", &new("/a", "/b/{x}", Verb::Get, "short"));
    add(&apis, "guest", &new("/a/b", "/c", Verb::Put, "long"));
    assert_eq!(route(&apis, &["a", "b", "c"], Verb::Put), "long[]");
    // The path is that of the longest, so its methods count.
    assert_eq!(route(&apis, &["a", "b", "c"], Verb::Get), "OPTIONS PUT");
    assert_eq!(
        route(&apis, &["a", "b", "d"], Verb::Get),
        r#"short[("x", "d")]"#
    );
    assert_eq!(route(&apis, &["a", "x"], Verb::Get), "nowhere");
    assert_eq!(route(&apis, &[], Verb::Get), "nowhere");
    assert_eq!(route(&apis, &["", "a", "b", "d"], Verb::Get), "nowhere");
    // A slash that was encoded is part of its segment.
    assert_eq!(route(&apis, &["a/b", "c"], Verb::Put), "nowhere");
    assert_eq!(
        route(&apis, &["a", "b", "c/d"], Verb::Get),
        r#"short[("x", "c/d")]"#
    );
    assert!(matches!(
        apis.route(
            "other",
            &["a".into(), "b".into(), "c".into()],
            Some(Verb::Put)
        ),
        Ok(Routed::Nowhere)
    ));
}

#[test]
fn apis_are_changed_listed_and_removed() {
    let (dir, apis) = apis();
    let mut named = new("/one", "/a", Verb::Get, "a");
    named.title = Some("First".into());
    add(&apis, "guest", &named);
    add(&apis, "guest", &new("/one", "/a", Verb::Post, "b"));
    add(&apis, "guest", &new("/two", "/b", Verb::Get, "c"));
    add(&apis, "other", &new("/one", "/a", Verb::Get, "d"));
    let all = Filter::default();
    let mut listed = bases(&apis, "guest", &all);
    listed.sort();
    assert_eq!(listed, ["/one", "/two"]);
    let by = |name| Filter {
        base_path_or_title: Some(name),
        ..Filter::default()
    };
    assert_eq!(bases(&apis, "guest", &by("/one/")), ["/one"]);
    assert_eq!(bases(&apis, "guest", &by("First")), ["/one"]);
    assert!(bases(&apis, "other", &by("First")).is_empty());
    let post = Filter {
        path: Some("/a"),
        verb: Some(Verb::Post),
        ..Filter::default()
    };
    assert_eq!(bases(&apis, "guest", &post), ["/one"]);
    assert!(bases(&apis, "other", &post).is_empty());
    let page = |skip, limit| Filter {
        skip,
        limit: Some(limit),
        ..Filter::default()
    };
    assert_eq!(bases(&apis, "guest", &page(1, 9)).len(), 1);
    assert_eq!(bases(&apis, "guest", &page(0, 1)).len(), 1);
    assert_eq!(bases(&apis, "guest", &page(0, 0)).len(), 2);

    let remove = |namespace, name, path, verb| block_on(apis.remove(namespace, name, path, verb));
    assert_eq!(
        remove("guest", "/three", None, None)
            .unwrap_err()
            .to_string(),
        "API '/three' does not exist."
    );
    remove("guest", "/one", Some("/a"), Some(Verb::Get)).unwrap();
    assert_eq!(route(&apis, &["one", "a"], Verb::Post), "b[]");
    // The last operation takes the API with it.
    remove("guest", "First", Some("/a"), None).unwrap();
    assert_eq!(bases(&apis, "guest", &all), ["/two"]);
    remove("guest", "/two", None, None).unwrap();
    assert!(bases(&apis, "guest", &all).is_empty());

    // What another namespace has is left, also after the store was opened again.
    drop(apis);
    let again = Apis::new(Store::open(dir.path(), Options::default()).unwrap());
    assert_eq!(bases(&again, "other", &all), ["/one"]);
}

#[test]
fn an_import_takes_the_place_of_the_api() {
    let (_dir, apis) = apis();
    add(&apis, "guest", &new("/one", "/a", Verb::Get, "a"));
    let swagger = r#"{"swagger":"2.0","info":{"title":"T"},"basePath":"/one","paths":
        {"/b":{"get":{"x-openwhisk":{"action":"b"}}}}}"#;
    let api = super::super::import("guest", serde_json::from_str(swagger).unwrap()).unwrap();
    block_on(apis.put(api)).unwrap();
    assert_eq!(route(&apis, &["one", "a"], Verb::Get), "nowhere");
    assert_eq!(route(&apis, &["one", "b"], Verb::Get), "b[]");
    add(&apis, "guest", &new("/one", "/a", Verb::Get, "a"));
    assert_eq!(route(&apis, &["one", "b"], Verb::Get), "b[]");
    assert_eq!(route(&apis, &["one", "a"], Verb::Get), "a[]");
}

#[test]
fn what_cannot_be_read_can_be_deleted() {
    let (_dir, apis) = apis();
    let damaged = EntityWrite {
        path: key("guest", "/one"),
        collection: Collection::Apis,
        document: b"{}".to_vec(),
        code: CodeChange::Remove,
        updated: 1,
        expect: Expect::Absent,
    };
    block_on(apis.store.put_entity(damaged)).unwrap();
    let told = block_on(apis.add("guest", &new("/one", "/a", Verb::Get, "a"))).unwrap_err();
    assert!(told.to_string().contains("/one cannot be read"), "{told}");
    add(&apis, "guest", &new("/two", "/a", Verb::Get, "a"));
    assert_eq!(bases(&apis, "guest", &Filter::default()), ["/two"]);
    block_on(apis.remove("guest", "/one", None, None)).unwrap();
    add(&apis, "guest", &new("/one", "/a", Verb::Get, "a"));
    assert_eq!(bases(&apis, "guest", &Filter::default()).len(), 2);
}

#[test]
fn an_api_is_bounded() {
    let (_dir, apis) = apis();
    let of = |bytes: usize| {
        let title = "t".repeat(bytes);
        let swagger = format!(r#"{{"basePath":"/b","info":{{"title":"{title}"}},"paths":{{}}}}"#);
        let swagger: &RawValue = serde_json::from_str(&swagger).unwrap();
        super::super::import("guest", swagger).unwrap()
    };
    block_on(apis.put(of(MOST_DOCUMENT - 1000))).unwrap();
    let refused = block_on(apis.put(of(MOST_DOCUMENT))).unwrap_err();
    assert!(refused.to_string().contains("divide it into several"));
    assert_eq!(apis.list("guest", &Filter::default()).unwrap().len(), 1);
    // So that it can be made smaller, and gone without being read.
    block_on(apis.put(of(1))).unwrap();
}

#[test]
fn a_namespace_has_so_many_apis() {
    let (_dir, apis) = apis();
    block_on(async {
        let name = |i: u64| format!("/b{i}");
        for i in 0..MOST_APIS {
            let made = new(&name(i), "/a", Verb::Get, "x");
            apis.add("guest", &made).await.unwrap();
        }
        let one_more = new(&name(MOST_APIS), "/a", Verb::Get, "x");
        let refused = apis.add("guest", &one_more).await.unwrap_err();
        assert!(refused.to_string().contains("has 500 APIs"), "{refused}");
        let more = new(&name(0), "/b", Verb::Get, "x");
        apis.add("guest", &more).await.unwrap();
        apis.add("other", &one_more).await.unwrap();
    });
}
