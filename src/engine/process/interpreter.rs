//! Kinds that run on interpreters of this machine, because the runtimes manifest says so.

use crate::runtime::kind::Language;

/// Where interpreters are looked for: the directories that a sandbox can see, in the form of the
/// variable `PATH`.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The language of a kind that the process engine is to run. The error says what it can run.
pub fn language(kind: &str) -> Result<Language, String> {
    match Language::of_kind(kind) {
        Ok(Language::Native) | Err(_) => Err(format!(
            "the process engine runs quickjs, nodejs and python kinds only, not {kind}: give it \
             an image in the runtimes manifest"
        )),
        Ok(language) => Ok(language),
    }
}

/// The environment of a sandbox besides that of its action, whose memory is in MB. QuickJS gets
/// none.
pub fn environment(language: Language, memory: u32) -> Vec<(&'static str, String)> {
    if language.interpreter().is_none() {
        return Vec::new();
    }
    let mut environment = vec![
        ("PATH", PATH.to_owned()),
        ("HOME", "/tmp".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
    ];
    if language == Language::Node {
        // V8 goes by the machine's memory else, and meets the limit without a word.
        let heap = format!("--max-old-space-size={memory}");
        environment.push(("NODE_OPTIONS", heap));
    }
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_without_a_sandbox_are_refused() {
        assert_eq!(language("nodejs:20"), Ok(Language::Node));
        assert_eq!(language("python:3.11"), Ok(Language::Python));
        assert_eq!(language("quickjs:1"), Ok(Language::QuickJs));
        for kind in ["cobol:1", "native:1", "blackbox"] {
            assert!(language(kind).unwrap_err().contains(kind));
        }
    }

    #[test]
    fn only_interpreters_get_an_environment() {
        assert!(environment(Language::QuickJs, 256).is_empty());
        let node = environment(Language::Node, 128);
        assert!(node.contains(&("NODE_OPTIONS", "--max-old-space-size=128".to_owned())));
        assert!(node.contains(&("HOME", "/tmp".to_owned())));
        let python = environment(Language::Python, 128);
        assert!(python.iter().all(|(name, _)| *name != "NODE_OPTIONS"));
    }
}
