//! The rest of the package `utils` (reference section 10).

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::run::{BadArgument, Output, Run};
use super::value::{given, is_text, is_true, text};
use crate::clock::iso_milliseconds;
use crate::entity::Members;

/// Extensions of web actions, as the message lists them (reference section 6.1).
const EXTENSIONS: [&str; 5] = [".html", ".http", ".json", ".svg", ".text"];

/// `utils/echo`: gives back what it gets.
pub(super) fn echo(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    struct Same<'a>(&'a Members<'a>);

    impl Serialize for Same<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.0.iter().map(|(name, value)| (name, value)))
        }
    }

    Output::of(&Same(arguments))
}

/// `utils/date`: what time it is.
pub(super) fn date(run: &Run<'_>, _: &Members<'_>) -> Output {
    Output::of(&json!({"date": iso_milliseconds(run.now)}))
}

/// `utils/namespace`: who invokes.
pub(super) fn namespace(run: &Run<'_>, _: &Members<'_>) -> Output {
    Output::of(&json!({"namespace": run.identity.namespace}))
}

/// `utils/smash`: puts all arguments into one.
pub(super) fn smash(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    const FIELD: &str = "$fieldName";
    let field = given(arguments, FIELD).filter(|value| is_text(value));
    let Some(field) = field.and_then(|field| text(field).ok()) else {
        return Output::error("Expected an argument '$fieldName' of type 'string'.");
    };
    // A map because a name that comes twice must not come out twice.
    let mut others = BTreeMap::new();
    for (name, value) in &arguments.0 {
        if name != FIELD {
            others.insert(&**name, *value);
        }
    }
    let mut whole = BTreeMap::new();
    whole.insert(field, others);
    Output::of(&whole)
}

/// `utils/hosturl`: the URL of an action, a web action or a trigger of the invoker.
pub(super) fn hosturl(run: &Run<'_>, arguments: &Members<'_>) -> Output {
    match url(run, arguments) {
        Ok(url) => Output::of(&json!({ "url": url })),
        Err(bad) => bad.into(),
    }
}

fn url(run: &Run<'_>, arguments: &Members<'_>) -> Result<String, BadArgument> {
    let (web, trigger) = (is_true(arguments, "web"), is_true(arguments, "trigger"));
    let path = given(arguments, "path").map(text).transpose()?;
    let extension = given(arguments, "ext").map(text).transpose()?;
    let namespace = &run.identity.namespace;
    let refused = |message: &str| Err(BadArgument(message.to_owned()));
    let mut url = format!("{}/api/v1/", run.api_host);
    if web {
        if trigger {
            return refused("triggers are not allowed for web actions.");
        }
        if extension
            .as_ref()
            .is_some_and(|extension| !EXTENSIONS.contains(&&**extension))
        {
            return refused(
                "extension for web action must be one of \
                 [\".html\", \".http\", \".json\", \".svg\", \".text\"].",
            );
        }
        url += &format!("web/{namespace}");
    } else {
        let collection = if trigger { "triggers" } else { "actions" };
        url += &format!("namespaces/{namespace}/{collection}");
    }
    if let Some(path) = path {
        if trigger && path.contains('/') {
            return refused("triggers are not allowed in packages.");
        }
        let package = if web && !path.contains('/') {
            "default/"
        } else {
            ""
        };
        let extension = extension.filter(|_| web).unwrap_or_default();
        url += &format!("/{package}{path}{extension}");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::super::run::testing::result;
    use super::*;

    #[test]
    fn echo_keeps_numbers_and_order() {
        let arguments = r#"{"b":1.000000000000000000001,"a\n":{ "x": [] }}"#;
        assert_eq!(result(echo, arguments), arguments);
        assert_eq!(result(echo, "{}"), "{}");
    }

    #[test]
    fn date_and_namespace() {
        assert_eq!(result(date, "{}"), r#"{"date":"2016-02-04T22:04:05.817Z"}"#);
        assert_eq!(result(namespace, "{}"), r#"{"namespace":"guest"}"#);
    }

    #[test]
    fn smash_puts_arguments_into_one() {
        assert_eq!(
            result(smash, r#"{"b":1.0,"$fieldName":"a\"","c":{"d": 1},"b":2}"#),
            r#"{"a\"":{"b":2,"c":{"d": 1}}}"#
        );
        assert_eq!(result(smash, r#"{"$fieldName":"x"}"#), r#"{"x":{}}"#);
        for bad in ["{}", r#"{"$fieldName":1}"#, r#"{"$fieldName":""}"#] {
            assert_eq!(
                result(smash, bad),
                r#"{"error":"Expected an argument '$fieldName' of type 'string'."}"#
            );
        }
    }

    #[test]
    fn urls() {
        let url = |arguments: &str, rest: &str| {
            assert_eq!(
                result(hosturl, arguments),
                format!(r#"{{"url":"http://127.0.0.1:3233/api/v1/{rest}"}}"#)
            );
        };
        url("{}", "namespaces/guest/actions");
        url(
            r#"{"path":"p/a","ext":".json"}"#,
            "namespaces/guest/actions/p/a",
        );
        url(r#"{"trigger":true}"#, "namespaces/guest/triggers");
        url(
            r#"{"trigger":true,"path":"t"}"#,
            "namespaces/guest/triggers/t",
        );
        url(r#"{"web":true}"#, "web/guest");
        url(r#"{"web":true,"path":"a"}"#, "web/guest/default/a");
        url(
            r#"{"web":true,"path":"p/a","ext":".json"}"#,
            "web/guest/p/a.json",
        );
    }

    #[test]
    fn urls_that_cannot_be() {
        let error = |arguments: &str| result(hosturl, arguments);
        assert_eq!(
            error(r#"{"web":true,"trigger":true}"#),
            r#"{"error":"triggers are not allowed for web actions."}"#
        );
        assert_eq!(
            error(r#"{"web":true,"path":"a","ext":".xml"}"#),
            "{\"error\":\"extension for web action must be one of [\\\".html\\\", \\\".http\\\", \
             \\\".json\\\", \\\".svg\\\", \\\".text\\\"].\"}"
        );
        assert_eq!(
            error(r#"{"trigger":true,"path":"p/t"}"#),
            r#"{"error":"triggers are not allowed in packages."}"#
        );
    }
}
