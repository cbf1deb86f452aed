//! What this kernel lets the process sandbox be locked down with.

use super::{Check, Outcome};
use crate::engine::process;

pub fn check() -> Vec<Check> {
    process::probe()
        .into_iter()
        .map(|(feature, applied)| {
            let outcome = match applied {
                Ok(()) => Outcome::Good(format!("{feature}: in force for QuickJS actions")),
                Err(reason) => Outcome::Note(
                    format!("{feature}: not in force: {reason}"),
                    "run OWL as root or on a newer kernel, or trust the code of your actions"
                        .to_string(),
                ),
            };
            Check::new("sandbox", outcome)
        })
        .collect()
}
