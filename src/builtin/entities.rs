//! The built-in packages and actions as entities, as the catalogue shows them.

use serde::Serialize;
use serde_json::value::to_raw_value;

use super::NAMESPACE;
use super::table::{self, PACKAGES};
use crate::entity::{Action, ActionRanges, Exec, Package, Parameter, Parameters};

/// The built-in packages, the last of lists.
pub fn packages() -> Vec<Package> {
    PACKAGES.iter().map(package_of).collect()
}

/// The actions of all built-in packages.
pub fn actions() -> Vec<Action> {
    PACKAGES
        .iter()
        .flat_map(|package| {
            package
                .actions
                .iter()
                .map(|action| action_of(package, action))
        })
        .collect()
}

/// The actions of the built-in package of a path (`ns/name`).
pub fn actions_of(path: &str) -> Vec<Action> {
    let name = inside(path);
    let package = PACKAGES.iter().find(|package| Some(package.name) == name);
    package.map_or_else(Vec::new, |package| {
        let actions = package.actions.iter();
        actions.map(|action| action_of(package, action)).collect()
    })
}

/// The built-in package of a path (`ns/name`).
pub fn package(path: &str) -> Option<Package> {
    let name = inside(path)?;
    let found = PACKAGES.iter().find(|package| package.name == name)?;
    Some(package_of(found))
}

/// The built-in action of a path (`ns/package/name`).
pub fn action(path: &str) -> Option<Action> {
    let (package, action) = find(path)?;
    Some(action_of(package, action))
}

/// Whether a path is that of a built-in package, or inside one: nothing can be written there.
pub fn holds(path: &str) -> bool {
    let package = inside(path).and_then(|inside| inside.split('/').next());
    package.is_some_and(|name| PACKAGES.iter().any(|package| package.name == name))
}

/// The entry of the table that a path names.
pub(super) fn find(path: &str) -> Option<(&'static table::Package, &'static table::Action)> {
    let (package, name) = inside(path)?.split_once('/')?;
    let package = PACKAGES.iter().find(|known| known.name == package)?;
    let action = package.actions.iter().find(|action| action.name == name)?;
    Some((package, action))
}

/// What stands after the namespace of the built-in entities.
fn inside(path: &str) -> Option<&str> {
    path.strip_prefix(NAMESPACE)?.strip_prefix('/')
}

fn package_of(package: &table::Package) -> Package {
    Package {
        namespace: NAMESPACE.into(),
        name: package.name.into(),
        binding: None,
        parameters: Parameters::default(),
        version: VERSION.into(),
        publish: package.publish,
        annotations: Parameters(vec![annotation("description", package.description)]),
        updated: 0,
        revision: 0,
    }
}

fn action_of(package: &table::Package, action: &table::Action) -> Action {
    let exec = Exec::Builtin;
    let mut annotations = vec![
        annotation("description", action.description),
        annotation("provide-api-key", false),
        annotation("exec", exec.kind()),
    ];
    if !action.parameters.is_empty() {
        let parameters: Vec<_> = action.parameters.iter().map(ParameterView::of).collect();
        annotations.insert(1, annotation("parameters", parameters));
    }
    if action.function.is_web() {
        annotations.push(annotation("web-export", true));
    }
    Action {
        namespace: format!("{NAMESPACE}/{}", package.name),
        name: action.name.into(),
        exec,
        parameters: Parameters::default(),
        limits: ActionRanges::default().defaults(),
        version: VERSION.into(),
        publish: false,
        annotations: Parameters(annotations),
        updated: 0,
        revision: 0,
    }
}

/// The version that the public catalogue has.
const VERSION: &str = "0.0.1";

/// An argument as the annotation `parameters` has it.
#[derive(Serialize)]
struct ParameterView {
    name: &'static str,
    required: bool,
    description: &'static str,
}

impl ParameterView {
    fn of(parameter: &table::Parameter) -> Self {
        ParameterView {
            name: parameter.name,
            required: parameter.required,
            description: parameter.description,
        }
    }
}

fn annotation(key: &str, value: impl Serialize) -> Parameter {
    Parameter {
        key: key.into(),
        value: to_raw_value(&value).expect("texts and truth values are always valid JSON"),
        init: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_is_found_by_its_path_and_no_name_is_there_twice() {
        let paths: Vec<String> = actions().iter().map(Action::path).collect();
        let unique: BTreeSet<&String> = paths.iter().collect();
        assert_eq!(unique.len(), paths.len());
        for path in &paths {
            assert_eq!(&action(path).unwrap().path(), path);
            assert!(holds(path));
        }
        for package in packages() {
            let actions = actions_of(&package.path());
            assert!(!actions.is_empty());
            assert!(
                actions
                    .iter()
                    .all(|action| action.namespace == package.path())
            );
            assert_eq!(super::package(&package.path()).unwrap().name, package.name);
            assert!(action(&package.path()).is_none());
        }
        // Section 10's table, and the three that manage APIs.
        assert_eq!(paths.len(), 9 + 9 + 3);
    }

    #[test]
    fn nothing_else_is_built_in() {
        for path in [
            "whisk.system",
            "whisk.system/utilsx",
            "whisk.systemx/utils",
            "guest/utils/echo",
        ] {
            assert!(!holds(path), "{path}");
            assert!(package(path).is_none() && action(path).is_none());
        }
        assert!(holds("whisk.system/utils/mine"));
        assert!(action("whisk.system/utils/mine").is_none());
    }

    #[test]
    fn documents() {
        let head = action("whisk.system/utils/head").unwrap();
        let document = String::from_utf8(head.document()).unwrap();
        assert!(document.starts_with(
            r#"{"namespace":"whisk.system/utils","name":"head","exec":{"kind":"builtin","binary":false},"#
        ));
        assert!(document.contains(concat!(
            r#"{"key":"parameters","value":[{"name":"lines","required":false,"#,
            r#""description":"Array of lines"},"#
        )));
        assert!(document.contains(r#"{"key":"exec","value":"builtin"}"#));
        assert!(!head.annotations.is_true("web-export"));
        assert!(!head.provides_api_key());
        let web = action("whisk.system/apimgmt/getApi").unwrap();
        assert!(web.annotations.is_true("web-export"));
        assert!(package("whisk.system/utils").unwrap().publish);
        assert!(!package("whisk.system/apimgmt").unwrap().publish);
    }
}
