//! Writes what a package needs besides the binary, from what the binary itself has: the manual
//! pages and the completions of shells.
//!
//! ```sh
//! cargo run --example manual -- FOLDER
//! ```
//!
//! `FOLDER` gets `owl.1`, `owl.conf.5`, `owl.bash`, `_owl` (zsh) and `owl.fish`.

mod commands;
mod completions;
mod pages;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("manual: name the folder to write to");
        return ExitCode::FAILURE;
    };
    let commands = commands::all();
    for (name, text) in [
        ("owl.1", pages::owl(&commands)),
        ("owl.conf.5", pages::settings()),
        ("owl.bash", completions::bash(&commands)),
        ("_owl", completions::zsh(&commands)),
        ("owl.fish", completions::fish(&commands)),
    ] {
        let path = folder.join(name);
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("manual: cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
