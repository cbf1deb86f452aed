//! APIs that are made from a Swagger document of their author.

use serde_json::value::RawValue;

use super::object::Object;
use super::{Api, GatewayError};

/// What a document may ask for to protect an API, and this gateway does not do.
const PROTECTION: [&str; 3] = ["securityDefinitions", "security", "x-ibm-rate-limit"];

/// Makes an API of a Swagger 2.0 document: a JSON object, or a text that is one.
///
/// # Errors
/// It is not JSON, lacks `basePath`, `paths`, `info`, or the `x-openwhisk` of an operation, or asks
/// for a protection that this gateway does not have.
pub fn import(namespace: &str, swagger: &RawValue) -> Result<Api, GatewayError> {
    let text: String;
    let mut json = swagger.get();
    if json.starts_with('"') {
        text = serde_json::from_str(json).map_err(|_| not_json())?;
        json = text.trim();
    }
    if !json.starts_with('{') {
        return Err(not_json());
    }
    let members: Object = serde_json::from_str(json).map_err(|error| {
        GatewayError::invalid(format!(
            "swagger field cannot be parsed. Ensure it is valid JSON. {error}"
        ))
    })?;
    refuse_protection(&members)?;
    Api::read(namespace, members)
}

fn not_json() -> GatewayError {
    GatewayError::invalid(
        "swagger field cannot be parsed. Ensure it is valid JSON: YAML is not supported.",
    )
}

/// Refuses a document or an operation that is to be protected in a way that is not done here.
pub(super) fn refuse_protection(members: &Object) -> Result<(), GatewayError> {
    let empty = |value: &RawValue| matches!(value.get(), "null" | "{}" | "[]");
    let asked = |name: &&str| members.get(name).is_some_and(|value| !empty(value));
    match PROTECTION.into_iter().find(asked) {
        Some(name) => Err(GatewayError::invalid(format!(
            "this gateway does not support '{name}', and does not serve without it what it \
             protects: remove it, and protect the web action with require-whisk-auth"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWAGGER: &str = r#"{"swagger":"2.0","info":{"version":"1.50","title":"Books"},
        "basePath":"/club/","x-other":1.0e400,
        "paths":{"/books/{id}":{"parameters":[],"get":{"description":"d",
        "x-openwhisk":{"action":"getBook","url":"https://h/x/getBook.json"}}}}}"#;

    fn of(text: &str) -> Result<Api, GatewayError> {
        import("guest", serde_json::from_str(text).unwrap())
    }

    #[test]
    fn documents_stay_as_they_are() {
        let api = of(SWAGGER).unwrap();
        assert_eq!((&*api.base_path, api.title()), ("/club", "Books"));
        assert_eq!(
            api.document().get(),
            concat!(
                r#"{"swagger":"2.0","info":{"version":"1.50","title":"Books"},"#,
                r#""basePath":"/club","x-other":1.0e400,"#,
                r#""paths":{"/books/{id}":{"parameters":[],"get":{"description":"d","#,
                r#""x-openwhisk":{"action":"getBook","url":"https://h/x/getBook.json"}}}}}"#
            )
        );
        let text = serde_json::to_string(SWAGGER).unwrap();
        assert_eq!(of(&text).unwrap().document().get(), api.document().get());
        let found = api.matched(&["books", "7"]).unwrap();
        let (backend, _) = found.operation(crate::gateway::Verb::Get).unwrap();
        assert_eq!(
            (&*backend.action, &*backend.namespace, &*backend.extension),
            ("getBook", "guest", "json")
        );
    }

    #[test]
    fn refused() {
        let refused = |from: &str, to: &str| {
            let text = SWAGGER.replace(from, to);
            assert_ne!(text, SWAGGER);
            of(&text).unwrap_err().to_string()
        };
        assert_eq!(
            refused(r#""basePath":"/club/","#, ""),
            "swagger is missing the basePath field."
        );
        assert_eq!(
            refused(r#""paths""#, r#""x""#),
            "swagger is missing the paths field."
        );
        assert_eq!(
            refused(r#""info""#, r#""x""#),
            "swagger is missing the info field."
        );
        assert!(
            refused("x-openwhisk", "x").contains("in operation 'get': there is no x-openwhisk")
        );
        assert!(refused("{id}", "{id").starts_with("in path '/books/{id'"));
        for name in PROTECTION {
            let asked = format!(r#""{name}":{{"a":1}},"basePath""#);
            assert!(refused(r#""basePath""#, &asked).contains(name));
            let asked = format!(r#""get":{{"{name}":[1],"#);
            assert!(refused(r#""get":{"#, &asked).contains(name));
        }
        assert!(
            of(r#""swagger: '2.0'\ninfo:\n""#)
                .unwrap_err()
                .to_string()
                .contains("YAML")
        );
        for bad in ["1", "[]", "null", r#""{""#, r#""""#, "{}"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        let open = SWAGGER.replace(r#""basePath""#, r#""security":[],"basePath""#);
        assert!(of(&open).is_ok());
    }
}
