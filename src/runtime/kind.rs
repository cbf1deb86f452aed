//! Which language an action is written in. No I/O.

use std::path::{Path, PathBuf};

/// A way to run actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// JavaScript in the embedded QuickJS.
    QuickJs,
    /// JavaScript in a `node` child.
    Node,
    /// Python in a `python3` child.
    Python,
    /// An executable of the action's own.
    Native,
}

impl Language {
    /// The language of a kind: the part of `nodejs:20` before the colon decides.
    pub fn of_kind(kind: &str) -> Result<Self, String> {
        match kind.split(':').next().unwrap_or(kind) {
            "quickjs" => Ok(Language::QuickJs),
            "nodejs" | "node" => Ok(Language::Node),
            "python" => Ok(Language::Python),
            "native" | "blackbox" => Ok(Language::Native),
            _ => Err(format!(
                "unknown kind {kind}: use quickjs, nodejs, python or native, \
                 with or without a version as in nodejs:20"
            )),
        }
    }

    /// The kind that stands for it, without a version.
    pub const fn name(self) -> &'static str {
        match self {
            Language::QuickJs => "quickjs",
            Language::Node => "nodejs",
            Language::Python => "python",
            Language::Native => "native",
        }
    }

    /// The program that runs its actions, if it is one that is not part of OWL or of the action.
    pub const fn interpreter(self) -> Option<&'static str> {
        match self {
            Language::Node => Some("node"),
            Language::Python => Some("python3"),
            Language::QuickJs | Language::Native => None,
        }
    }

    /// The language of an image that does not say its kind: that of the interpreter on `path`
    /// (in the form of the variable `PATH`), else QuickJS, which needs none.
    pub fn found_in(path: &str) -> Self {
        [Language::Node, Language::Python]
            .into_iter()
            .find(|language| language.program_on(path).is_some())
            .unwrap_or(Language::QuickJs)
    }

    /// Where on `path` its interpreter is.
    pub fn program_on(self, path: &str) -> Option<PathBuf> {
        let name = self.interpreter()?;
        path.split(':')
            .map(|directory| Path::new(directory).join(name))
            .find(|program| program.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_name_their_language() {
        assert_eq!(Language::of_kind("quickjs:1"), Ok(Language::QuickJs));
        assert_eq!(Language::of_kind("nodejs:20"), Ok(Language::Node));
        assert_eq!(Language::of_kind("python:3.11"), Ok(Language::Python));
        assert_eq!(Language::of_kind("blackbox"), Ok(Language::Native));
        assert!(
            Language::of_kind("swift:5")
                .unwrap_err()
                .contains("swift:5")
        );
    }

    #[test]
    fn names_are_kinds() {
        for language in [
            Language::QuickJs,
            Language::Node,
            Language::Python,
            Language::Native,
        ] {
            assert_eq!(Language::of_kind(language.name()), Ok(language));
        }
    }

    #[test]
    fn an_image_is_what_its_interpreter_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = format!("/nonexistent:{}", dir.path().display());
        assert_eq!(Language::found_in(&path), Language::QuickJs);
        std::fs::write(dir.path().join("python3"), "").unwrap();
        assert_eq!(Language::found_in(&path), Language::Python);
        std::fs::write(dir.path().join("node"), "").unwrap();
        assert_eq!(Language::found_in(&path), Language::Node);
    }
}
