//! Whether the master's entity is already what a write makes of it.
//!
//! Asked when a write was sent and no answer came, and when the master has moved on, perhaps to
//! the same. What the master adds on its own (annotations, merged parameters of a package) does
//! not count; numbers are compared as numbers.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::entry::{Base, Entry, Operation};
use crate::entity::{FullName, Members, RuleStatus, Version, json, names, wanted_status};
use crate::store::Collection;

/// Whether a document of the master, with code, shows what the entry's request asks for.
pub fn shows(entry: &Entry, body: &[u8], document: &[u8]) -> bool {
    match entry.operation {
        // It is there.
        Operation::Delete => false,
        Operation::Status => {
            #[derive(Deserialize)]
            struct Shown {
                status: RuleStatus,
            }
            let wanted = wanted_status(body).ok();
            let shown: Option<Shown> = json::stored(document);
            wanted.is_some() && wanted == shown.map(|shown| shown.status)
        }
        Operation::Put => shows_put(entry, body, document).unwrap_or(false),
    }
}

fn shows_put(entry: &Entry, body: &[u8], document: &[u8]) -> Option<bool> {
    let (body, document): (&RawValue, &RawValue) = (json::stored(body)?, json::stored(document)?);
    let (asked, shown) = (Members::of(body).ok()?, Members::of(document).ok()?);
    if !version_fits(&entry.base, &asked, &shown) {
        return Some(false);
    }
    // Parameters of a package are merged into those of what is in it, or bound to it.
    let merged = match entry.collection {
        Collection::Actions => names::segments(&entry.path).count() > 2,
        Collection::Packages => asked.get("binding").is_some_and(|it| it.get().len() > 2),
        _ => false,
    };
    let own = entry.namespace();
    let all = asked.0.iter().filter(|(_, value)| value.get() != "null");
    let mut fits = true;
    for (name, asked) in all {
        let shown = shown.get(name);
        fits = fits
            && match &**name {
                "exec" => exec_fits(asked, shown?, own)?,
                // The server sets those of a sequence.
                "parameters" if is_sequence(document) => true,
                "parameters" => pairs_fit(asked, shown?, merged)?,
                // The server adds its own, and merges those of actions.
                "annotations" => pairs_fit(asked, shown?, true)?,
                "limits" if entry.collection == Collection::Actions => members_fit(asked, shown?)?,
                "publish" => shown.is_some_and(|shown| shown.get() == asked.get()),
                "trigger" | "action" if entry.collection == Collection::Rules => {
                    name_of(asked, own)? == name_of(shown?, own)?
                }
                "binding" if entry.collection == Collection::Packages => {
                    binding_of(asked, own) == binding_of(shown?, own)
                }
                _ => true,
            };
    }
    Some(fits)
}

/// Whether the version is the one that the write gives. Whoever replaces anything takes any.
fn version_fits(base: &Base, asked: &Members<'_>, shown: &Members<'_>) -> bool {
    let version = |members: &Members<'_>| -> Option<Version> {
        json::text(members.get("version")?)?.parse().ok()
    };
    let next = match base {
        Base::Any | Base::Before => return true,
        Base::Absent => Some(Version::FIRST),
        Base::At(stamp) => stamp.version().parse().ok().map(Version::next),
    };
    version(shown) == version(asked).or(next)
}

fn is_sequence(document: &RawValue) -> bool {
    let exec = Members::of(document).ok().and_then(|all| all.get("exec"));
    let components = exec.and_then(|exec| Members::of(exec).ok()?.get("components"));
    components.is_some()
}

fn exec_fits(asked: &RawValue, shown: &RawValue, own: &str) -> Option<bool> {
    let (asked, shown) = (Members::of(asked).ok()?, Members::of(shown).ok()?);
    let text = |members: &Members<'_>, name: &str| members.get(name).and_then(json::text);
    let kind = text(&asked, "kind")?.trim().to_ascii_lowercase();
    let shown_kind = text(&shown, "kind")?;
    let same_kind = match kind.strip_suffix(":default") {
        // Which one that is, is the master's to say.
        Some(family) => shown_kind.split(':').next() == Some(family),
        None => shown_kind == kind,
    };
    let code = text(&asked, "code").or_else(|| text(&asked, "jar"));
    let code = code.unwrap_or_default();
    let same_code = code == text(&shown, "code").unwrap_or_default();
    let components = |members: &Members<'_>| -> Option<Vec<FullName>> {
        let all: Vec<&RawValue> = serde_json::from_str(members.get("components")?.get()).ok()?;
        all.into_iter().map(|name| name_of(name, own)).collect()
    };
    Some(
        same_kind
            && (same_code || code.trim().is_empty())
            && text(&asked, "main") == text(&shown, "main")
            && text(&asked, "image") == text(&shown, "image")
            && components(&asked) == components(&shown),
    )
}

/// Parameters or annotations by their keys; the last of a key counts.
fn pairs(list: &RawValue) -> Option<HashMap<String, (Value, bool)>> {
    #[derive(Deserialize)]
    struct Pair {
        key: String,
        #[serde(default)]
        value: Value,
        #[serde(default)]
        init: bool,
    }
    let all: Vec<Pair> = serde_json::from_str(list.get()).ok()?;
    let pairs = all.into_iter();
    Some(
        pairs
            .map(|pair| (pair.key, (pair.value, pair.init)))
            .collect(),
    )
}

/// Whether all that was asked for is shown; with `more`, others may be there, too. What the server
/// says about an action or a binding itself is not compared.
fn pairs_fit(asked: &RawValue, shown: &RawValue, more: bool) -> Option<bool> {
    let (mut asked, shown) = (pairs(asked)?, pairs(shown)?);
    for own in ["exec", "binding"] {
        if more {
            asked.remove(own);
        }
    }
    let fit = asked.iter().all(|(key, (value, init))| {
        let there = shown.get(key);
        there.is_some_and(|(other, other_init)| equal(value, other) && init == other_init)
    });
    Some(fit && (more || asked.len() == shown.len()))
}

fn members_fit(asked: &RawValue, shown: &RawValue) -> Option<bool> {
    let values = |object: &RawValue| serde_json::from_str::<Value>(object.get()).ok();
    let (asked, shown) = (values(asked)?, values(shown)?);
    let mut all = asked.as_object()?.iter();
    Some(all.all(|(name, value)| {
        value.is_null() || shown.get(name).is_some_and(|there| equal(value, there))
    }))
}

fn name_of(name: &RawValue, own: &str) -> Option<FullName> {
    Some(FullName::parse(name).ok()?.resolved(own))
}

/// Namespace and name of what a binding refers to; none for a package.
fn binding_of(binding: &RawValue, own: &str) -> Option<(String, String)> {
    let members = Members::of(binding).ok()?;
    let namespace = json::text(members.get("namespace")?)?;
    let namespace = if namespace == "_" {
        own.to_owned()
    } else {
        namespace
    };
    Some((namespace, json::text(members.get("name")?)?))
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|there| equal(value, there)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::super::stamp::Stamp;
    use super::*;

    fn shown(entry: &Entry, body: &str, document: &str) -> bool {
        shows(entry, body.as_bytes(), document.as_bytes())
    }

    const ACTION: &str = r#"{"namespace":"ns","name":"a","version":"0.0.1","publish":false,
        "exec":{"kind":"nodejs:20","code":"x\n","binary":false},"limits":{"timeout":60000,"memory":256},
        "parameters":[{"key":"p","value":{"a":1.0,"b":[2]}}],
        "annotations":[{"key":"provide-api-key","value":false},{"key":"exec","value":"nodejs:20"}]}"#;

    #[test]
    fn an_action_that_is_there_already() {
        let entry = entry(1);
        for body in [
            r#"{"exec":{"kind":"nodejs:20","code":"x\n"}}"#,
            r#"{"exec":{"kind":" NodeJS:default","code":"x\u000a"},"limits":{"memory":256,"logs":null}}"#,
            r#"{"parameters":[{"key":"p","value":1},{"key":"p","value":{"b":[2.0],"a":1}}]}"#,
            r#"{"annotations":[{"key":"exec","value":"what"}],"publish":false,"version":"0.0.1"}"#,
        ] {
            assert!(shown(&entry, body, ACTION), "{body}");
        }
        for body in [
            r#"{"exec":{"kind":"nodejs:20","code":"y"}}"#,
            r#"{"exec":{"kind":"python:3","code":"x\n"}}"#,
            r#"{"exec":{"kind":"python:default","code":"x\n"}}"#,
            r#"{"exec":{"kind":"nodejs:20","code":"x\n","main":"m"}}"#,
            r#"{"limits":{"memory":128}}"#,
            r#"{"parameters":[]}"#,
            r#"{"parameters":[{"key":"p","value":{"a":1,"b":[3]}}]}"#,
            r#"{"annotations":[{"key":"more","value":1}]}"#,
            r#"{"publish":true}"#,
            r#"{"version":"0.0.2"}"#,
            "no JSON",
        ] {
            assert!(!shown(&entry, body, ACTION), "{body}");
        }
    }

    #[test]
    fn only_in_the_version_that_the_write_gives() {
        let stamp = Stamp::of(Collection::Actions, br#"{"version":"0.0.1"}"#).unwrap();
        let mut entry = entry(1);
        entry.base = Base::At(stamp);
        assert!(!shown(&entry, "{}", ACTION));
        entry.base = Base::Any;
        assert!(shown(&entry, "{}", ACTION));
    }

    #[test]
    fn parameters_of_a_package_are_merged_into_its_actions() {
        let mut entry = entry(1);
        let none = r#"{"parameters":[]}"#;
        assert!(!shown(&entry, none, ACTION));
        entry.path = "ns/p/a".into();
        assert!(shown(&entry, none, ACTION));
        let other = r#"{"parameters":[{"key":"p","value":2}]}"#;
        assert!(!shown(&entry, other, ACTION));
    }

    #[test]
    fn sequences_rules_and_bindings() {
        let mut entry = entry(1);
        let sequence = r#"{"version":"0.0.1","exec":{"kind":"sequence","components":["/ns/a","/ns/p/b"]},
            "parameters":[{"key":"_actions","value":["/ns/a","/ns/p/b"]}]}"#;
        let asked = |first: &str| {
            format!(
                r#"{{"exec":{{"kind":"sequence","components":["{first}","/_/p/b"]}},"parameters":[]}}"#
            )
        };
        assert!(shown(&entry, &asked("/_/a"), sequence));
        assert!(!shown(&entry, &asked("/_/b"), sequence));

        entry.collection = Collection::Rules;
        let rule = r#"{"version":"0.0.1","status":"active","trigger":{"path":"ns","name":"t"},
            "action":{"path":"ns/p","name":"a"}}"#;
        assert!(shown(
            &entry,
            r#"{"trigger":"/_/t","action":"/ns/p/a"}"#,
            rule
        ));
        assert!(!shown(
            &entry,
            r#"{"trigger":"/_/u","action":"/ns/p/a"}"#,
            rule
        ));
        entry.operation = Operation::Status;
        assert!(shown(&entry, r#"{"status":"active"}"#, rule));
        assert!(!shown(&entry, r#"{"status":"inactive"}"#, rule));

        entry.operation = Operation::Put;
        entry.collection = Collection::Packages;
        let binding = r#"{"version":"0.0.1","binding":{"namespace":"ns","name":"q"},"parameters":[
            {"key":"of q","value":1},{"key":"own","value":2}],
            "annotations":[{"key":"binding","value":{}}]}"#;
        let asked =
            r#"{"binding":{"namespace":"_","name":"q"},"parameters":[{"key":"own","value":2}]}"#;
        assert!(shown(&entry, asked, binding));
        assert!(!shown(
            &entry,
            r#"{"binding":{"namespace":"_","name":"r"}}"#,
            binding
        ));
        assert!(!shown(&entry, r#"{"parameters":[]}"#, binding));
    }
}
