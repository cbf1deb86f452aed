//! What of the sandbox this machine gives.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Feature;
use crate::runtime::kind::Language;

/// Tries the sandbox of a language out: starts `executable` (the `owl` binary) as a child that confines itself,
/// says how that went, and ends. Takes some milliseconds, blocking.
pub fn probe(executable: &Path, language: Language) -> Vec<Feature> {
    let output = Command::new(executable)
        .args([
            "runtime",
            "--kind",
            language.name(),
            "--sandbox",
            "outer",
            "--report",
        ])
        .env_clear()
        .stdin(Stdio::null())
        .output();
    let failed = |reason: String| {
        vec![Feature {
            name: "sandbox".to_owned(),
            result: Err(reason),
        }]
    };
    match output {
        Err(error) => failed(format!("{} does not start: {error}", executable.display())),
        Ok(output) if !output.status.success() => failed(format!(
            "the child failed with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        )),
        Ok(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect(),
    }
}
