//! What the log says at the start about kinds that run on this machine's own interpreters.

use crate::catalog::{EngineKind, Manifest};
use crate::engine::process::interpreter::{PATH, language};
use crate::runtime::kind::Language;

/// Logs a line for each of them.
pub fn log(manifest: &Manifest) {
    for announcement in announcements(manifest) {
        match announcement {
            Ok(line) => log::info!("{line}"),
            Err(line) => log::warn!("{line}"),
        }
    }
}

/// The kinds that run so.
pub fn of(manifest: &Manifest) -> Vec<String> {
    processes(manifest)
        .filter(|(_, language)| {
            language
                .as_ref()
                .is_ok_and(|language| language.interpreter().is_some())
        })
        .map(|(kind, _)| kind.to_owned())
        .collect()
}

/// A line for each kind of the process engine that is not QuickJS; the error is why its actions
/// will fail.
fn announcements(manifest: &Manifest) -> Vec<Result<String, String>> {
    processes(manifest)
        .filter_map(|(kind, language)| announcement(kind, language).transpose())
        .collect()
}

fn announcement(kind: &str, language: Result<Language, String>) -> Result<Option<String>, String> {
    let language = language?;
    let Some(name) = language.interpreter() else {
        return Ok(None);
    };
    let program = language
        .program_on(PATH)
        .ok_or_else(|| format!("{kind} is to run on this host, which has no {name} in {PATH}"))?;
    Ok(Some(format!(
        "{kind} runs on this host's {}, as the runtimes manifest says",
        program.display()
    )))
}

/// The kinds of the process engine, and what it would run them with.
fn processes(manifest: &Manifest) -> impl Iterator<Item = (&str, Result<Language, String>)> {
    manifest
        .all()
        .filter(|kind| kind.engine == EngineKind::Process)
        .map(|kind| (kind.kind.as_str(), language(&kind.kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_uses_none() {
        assert!(announcements(&Manifest::built_in()).is_empty());
        assert!(of(&Manifest::built_in()).is_empty());
    }

    #[test]
    fn each_kind_on_the_host_is_announced() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"runtimes": {
            "mine": [
                {"kind": "python:3.11", "engine": "process", "default": true},
                {"kind": "cobol:1", "engine": "process"}
            ],
            "python": []
        }}"#;
        std::fs::write(file.path(), text).unwrap();
        let manifest = Manifest::load(file.path()).unwrap();
        let [Ok(python) | Err(python), Err(cobol)] = &announcements(&manifest)[..] else {
            panic!("two announcements, of which one is a refusal");
        };
        assert!(python.starts_with("python:3.11 "), "{python}");
        assert_eq!(of(&manifest), ["python:3.11"]);
        assert!(cobol.contains("cobol:1"), "{cobol}");
    }
}
