//! Operations, paths, documents and secure keys of one API.

use super::*;

fn new(path: &str, verb: Verb, action: &str) -> NewOperation {
    NewOperation {
        base_path: "/base".into(),
        path: path.into(),
        verb,
        title: None,
        backend: Backend::of_name(action, "guest", "json").unwrap(),
        secure_key: None,
        origin: "http://h".into(),
    }
}

fn api(operations: &[(&str, Verb, &str)]) -> Api {
    let mut api = Api::new("guest", "/base", None).unwrap();
    for (path, verb, action) in operations {
        api.add(&new(path, *verb, action)).unwrap();
    }
    api
}

fn action(api: &Api, path: &str, verb: Verb) -> Option<String> {
    let found = api.matched(&template::segments(path))?;
    Some(found.operation(verb)?.0.action.clone())
}

#[test]
fn the_document_of_one_operation() {
    let document = api(&[("/b/{id}", Verb::Get, "p/a")]).document();
    assert_eq!(
        document.get(),
        concat!(
            r#"{"swagger":"2.0","info":{"title":"/base","version":"1.0.0"},"basePath":"/base","#,
            r#""paths":{"/b/{id}":{"parameters":[{"description":"Default description for 'id'","#,
            r#""in":"path","name":"id","required":true,"type":"string"}],"#,
            r#""get":{"operationId":"getBId","x-openwhisk":{"action":"a","namespace":"guest","#,
            r#""package":"p","url":"http://h/api/v1/web/guest/p/a.json"},"#,
            r#""responses":{"default":{"description":"Default response"}}}}}}"#
        )
    );
}

#[test]
fn operations_are_added_replaced_and_removed() {
    let mut api = api(&[
        ("/a", Verb::Get, "one"),
        ("/a", Verb::Post, "two"),
        ("/a", Verb::Get, "three"),
        ("/b", Verb::Get, "four"),
    ]);
    assert_eq!(action(&api, "/a", Verb::Get).unwrap(), "three");
    assert_eq!(action(&api, "/a", Verb::Post).unwrap(), "two");
    let missing = |result: Result<(), GatewayError>| result.unwrap_err().to_string();
    assert_eq!(missing(api.remove("/x", None)), "path '/x' does not exist.");
    assert_eq!(
        missing(api.remove("/b", Some(Verb::Put))),
        "operation 'put' of path '/b' does not exist."
    );
    api.remove("/a", Some(Verb::Get)).unwrap();
    assert_eq!(action(&api, "/a", Verb::Get), None);
    assert_eq!(action(&api, "/a", Verb::Post).unwrap(), "two");
    api.remove("/a", Some(Verb::Post)).unwrap();
    assert!(api.matched(&["a"]).is_none());
    assert!(!api.is_empty());
    api.remove("/b", None).unwrap();
    assert!(api.is_empty());
}

#[test]
fn the_most_exact_path_wins_wherever_it_stands() {
    let api = api(&[
        ("/{any}/{thing}", Verb::Get, "both"),
        ("/books/{id}", Verb::Get, "book"),
        ("/books/new", Verb::Get, "new"),
        ("/{any}/new", Verb::Get, "any"),
        ("/{some}/new", Verb::Get, "never"),
    ]);
    for (path, wanted) in [
        ("/books/new", "new"),
        ("/books/7", "book"),
        ("/cars/new", "any"),
        ("/cars/7", "both"),
    ] {
        assert_eq!(action(&api, path, Verb::Get).unwrap(), wanted, "{path}");
    }
    assert!(api.matched(&["books"]).is_none());
    let found = api.matched(&["cars", "a/b c"]).unwrap();
    let parameters: Vec<_> = found.parameters.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(parameters, [("any", "cars"), ("thing", "a/b c")]);
}

#[test]
fn methods() {
    let api = api(&[("/a", Verb::Post, "p"), ("/a", Verb::Get, "g")]);
    let found = api.matched(&["a"]).unwrap();
    assert_eq!(found.methods(), ["GET", "HEAD", "OPTIONS", "POST"]);
    assert!(found.operation(Verb::Put).is_none());
    assert_eq!(found.operation(Verb::Head).unwrap().0.action, "g");
    assert!(found.operation(Verb::Options).is_none());
}

#[test]
fn filters() {
    let paths = |path, verb| {
        let all = api(&[
            ("/a", Verb::Get, "x"),
            ("/a", Verb::Put, "y"),
            ("/b", Verb::Get, "z"),
        ]);
        let left = all.filtered(path, verb);
        let shown = left.paths.iter().map(|item| {
            let verbs: Vec<_> = item.operations.iter().map(|(verb, _)| verb.key()).collect();
            format!("{} {}", item.template.text(), verbs.join("+"))
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(paths(None, None), "/a get+put, /b get");
    assert_eq!(paths(Some("/a"), None), "/a get+put");
    assert_eq!(paths(Some("/a"), Some(Verb::Put)), "/a put");
    assert_eq!(paths(None, Some(Verb::Get)), "/a get, /b get");
    assert_eq!(paths(Some("/b"), Some(Verb::Put)), "");
}

#[test]
fn secure_keys_are_stored_and_not_shown() {
    let mut api = api(&[("/a", Verb::Get, "x")]);
    let mut secure = new("/b", Verb::Get, "y");
    secure.secure_key = Some(Secret::new("hidden".into()));
    api.add(&secure).unwrap();
    assert!(!api.document().get().contains("hidden"));
    assert!(!format!("{api:?}").contains("hidden"));
    let read = Api::from_stored(&api.stored(), 7).unwrap();
    assert_eq!(read.document().get(), api.document().get());
    assert_eq!((&*read.namespace, read.revision), ("guest", 7));
    let key = |path: &str| {
        let found = read.matched(&[path]).unwrap();
        let (_, key) = found.operation(Verb::Get).unwrap();
        key.map(|key| key.expose().to_owned())
    };
    assert_eq!(key("a"), None);
    assert_eq!(key("b").as_deref(), Some("hidden"));
    assert!(Api::from_stored(b"{}", 1).is_none());
}

#[test]
fn the_number_of_paths_is_bounded() {
    let mut api = api(&[]);
    for n in 0..MOST_PATHS {
        api.add(&new(&format!("/{n}"), Verb::Get, "x")).unwrap();
    }
    assert!(api.add(&new("/more", Verb::Get, "x")).is_err());
    assert!(api.add(&new("/7", Verb::Get, "x")).is_ok());
}

#[test]
fn very_many_members_of_a_path() {
    // Comparing all with all would take minutes here.
    let members: String = (0..150_000).map(|i| format!(r#""x-{i}":1,"#)).collect();
    let document = format!(
        r#"{{"basePath":"/b","info":{{}},"paths":{{"/a":{{{members}"get":{{"x-openwhisk":{{"action":"a"}}}}}}}}}}"#
    );
    let api = Api::read("guest", serde_json::from_str(&document).unwrap()).unwrap();
    assert_eq!(action(&api, "/a", Verb::Get).unwrap(), "a");
    assert!(api.document().get().contains(r#""x-149999":1"#));
}
