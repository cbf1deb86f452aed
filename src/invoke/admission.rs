//! Whether an action may be invoked as somebody asks for it: the same for callers of the API and
//! for rules (reference sections 2.2.1, 4.2 and 4.4).

use std::fmt;

use serde_json::value::RawValue;

use crate::catalog::{AccessError, Catalog, Manifest};
use crate::entity::{Action, Exec, Identity, json};

/// Why an action may not be invoked, or not like this.
#[derive(Debug)]
pub enum Refused {
    /// The caller may not use what is in the sequence.
    Access(AccessError),
    /// The payload has a key that is a parameter of an action whose parameters are final.
    Reserved,
    /// The kind has left the manifest, or is one that it calls deprecated.
    Unsupported(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(error) => error.fmt(f),
            Self::Reserved => f.write_str(
                "Request defines parameters that are not allowed (e.g., reserved properties).",
            ),
            Self::Unsupported(kind) => write!(
                f,
                "The '{kind}' runtime is no longer supported. You may read and delete but not \
                 update or invoke this action."
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl From<AccessError> for Refused {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

/// Whether an action that a caller has reached, with all its parameters merged, may be invoked
/// with a payload. `elsewhere` tells whether another OpenWhisk may run what this one has no runtime
/// for.
///
/// # Errors
/// [`Refused::Access`], [`Refused::Reserved`] and [`Refused::Unsupported`], in this order; the
/// last two are status 400.
pub fn check(
    catalog: &Catalog,
    manifest: &Manifest,
    identity: &Identity,
    action: &Action,
    payload: Option<&RawValue>,
    elsewhere: impl FnOnce() -> bool,
) -> Result<(), Refused> {
    if let Some(components) = action.exec.components() {
        catalog.check_access(identity, components)?;
    }
    if let Some(payload) = payload
        && action.annotations.is_true("final")
        && json::overrides_defined(payload, &action.parameters)
    {
        return Err(Refused::Reserved);
    }
    match supported(manifest, &action.exec) {
        Err(_) if elsewhere() => Ok(()),
        checked => checked,
    }
}

/// Whether actions that run this may be changed and invoked.
pub fn supported(manifest: &Manifest, exec: &Exec) -> Result<(), Refused> {
    match exec {
        Exec::Code { kind, .. } if manifest.kind(kind).is_none_or(|kind| kind.deprecated) => {
            Err(Refused::Unsupported(kind.clone()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{ActionRanges, NewAction};
    use crate::store::{Options, Store};

    /// Whether an action of the guest may be invoked by the guest.
    fn admitted(action: &Action, payload: Option<&str>) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let guest = store.key_of_namespace("guest").unwrap().unwrap();
        let payload = payload.map(|text| RawValue::from_string(text.into()).unwrap());
        let (catalog, manifest) = (Catalog::new(store), Manifest::built_in());
        check(
            &catalog,
            &manifest,
            &guest,
            action,
            payload.as_deref(),
            || false,
        )
        .map_err(|refused| refused.to_string())
    }

    fn action(parameters: &str, annotations: &str) -> Action {
        let body = format!(
            r#"{{"exec":{{"kind":"quickjs:1","code":"x"}},"parameters":{parameters},
                "annotations":{annotations}}}"#
        );
        NewAction::parse(body.as_bytes(), &Manifest::built_in().kinds(false))
            .unwrap()
            .create("guest", "a", &ActionRanges::default(), 1)
            .unwrap()
    }

    #[test]
    fn final_parameters_stay() {
        let parameters = r#"[{"key":"set","value":1},{"key":"open","value":null}]"#;
        let closed = action(parameters, r#"[{"key":"final","value":true}]"#);
        let text = "Request defines parameters that are not allowed (e.g., reserved properties).";
        assert_eq!(admitted(&closed, Some(r#"{"set":2}"#)), Err(text.into()));
        assert_eq!(admitted(&closed, Some(r#"{"open":2,"other":3}"#)), Ok(()));
        assert_eq!(admitted(&closed, None), Ok(()));
        let open = action(parameters, r#"[{"key":"final","value":"true"}]"#);
        assert_eq!(admitted(&open, Some(r#"{"set":2}"#)), Ok(()));
    }

    #[test]
    fn kinds_that_are_gone() {
        let mut gone = action("[]", "[]");
        gone.exec = Exec::Code {
            kind: "nodejs:6".into(),
            binary: false,
            main: None,
        };
        let text = "The 'nodejs:6' runtime is no longer supported. You may read and delete but \
                    not update or invoke this action.";
        assert_eq!(admitted(&gone, None), Err(text.into()));
        gone.exec = Exec::Builtin;
        assert_eq!(admitted(&gone, None), Ok(()));
    }

    #[test]
    fn components_of_others() {
        let mut sequence = action("[]", "[]");
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        sequence.exec = Exec::Sequence {
            components: names(&["guest/missing"]),
        };
        assert_eq!(admitted(&sequence, None), Ok(()));
        sequence.exec = Exec::Sequence {
            components: names(&["other/a", "guest/p/a"]),
        };
        let missing = "The requested resource does not exist.";
        assert_eq!(admitted(&sequence, None), Err(missing.into()));
        sequence.exec = Exec::Sequence {
            components: names(&["other/a"]),
        };
        let forbidden = "The supplied authentication is not authorized to access 'other/a'.";
        assert_eq!(admitted(&sequence, None), Err(forbidden.into()));
    }
}
