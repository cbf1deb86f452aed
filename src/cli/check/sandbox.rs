//! What this kernel lets the process sandbox be locked down with.

use std::path::Path;

use super::{Check, Outcome};
use crate::engine::process::{self, Feature};

pub fn check() -> Vec<Check> {
    process::probe(Path::new("/proc/self/exe"))
        .into_iter()
        .map(|Feature { name, result }| {
            let outcome = match result {
                Ok(()) => Outcome::Good(format!("{name}: in force for QuickJS actions")),
                Err(reason) => Outcome::Note(
                    format!("{name}: not in force: {reason}"),
                    "run OWL as root or on a newer kernel, or trust the code of your actions"
                        .to_string(),
                ),
            };
            Check::new("sandbox", outcome)
        })
        .collect()
}
