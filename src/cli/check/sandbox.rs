//! What this kernel lets the process sandbox be locked down with.

use super::{Check, Outcome};
use crate::engine::process::{self, Feature, ProcessOptions};
use crate::runtime::kind::Language;

pub fn check() -> Vec<Check> {
    let executable = ProcessOptions::default().executable;
    process::probe(&executable, Language::QuickJs)
        .into_iter()
        .map(|Feature { name, result }| {
            let outcome = match result {
                Ok(()) => Outcome::Good(name),
                Err(reason) => Outcome::Note(
                    format!("{name}: {reason}"),
                    "QuickJS actions are confined without it: run OWL as root or on a newer \
                     kernel, or trust their code"
                        .to_string(),
                ),
            };
            Check::new("sandbox", outcome)
        })
        .collect()
}
