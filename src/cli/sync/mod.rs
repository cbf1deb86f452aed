//! `owl sync`: the writes and fired triggers that wait for the master, and those that came to
//! nothing there. Works on the store itself, whether the daemon runs or not; a running one obeys within seconds.

mod diff;
mod fires;
mod lines;
mod status;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;

use crate::master::journal::{Book, JournalError, discard, retry};
use crate::master::{self, copies};
use crate::store::Store;

/// Writes that wait for the master, or came to nothing there.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "sync")]
pub struct SyncCommand {
    /// folder of the store (default: OWL_DATA_DIR, else that of owl serve)
    #[argh(option)]
    data_dir: Option<PathBuf>,
    #[argh(subcommand)]
    action: Action,
}

#[derive(FromArgs, Debug)]
#[argh(subcommand)]
enum Action {
    Status(Status),
    Diff(Diff),
    Retry(Retry),
    Drop(DropEntries),
}

/// list the writes that wait, those that came to nothing with the reason, and how many fired
/// triggers wait
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "status")]
struct Status {}

/// show what a write asked for, and how what was kept of it differs from what the master has
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "diff")]
struct Diff {
    /// number of the entry
    #[argh(positional)]
    entry: u64,
}

/// send writes that came to nothing once more, over whatever the master has now
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "retry")]
struct Retry {
    /// numbers of the entries
    #[argh(positional)]
    entries: Vec<u64>,
}

/// give writes up, with what was kept of them: what the master has counts
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "drop")]
struct DropEntries {
    /// numbers of the entries
    #[argh(positional)]
    entries: Vec<u64>,
}

impl SyncCommand {
    /// Does it, prints the result or what went wrong, and gives the exit code.
    pub fn run(self) -> ExitCode {
        let mut output = String::new();
        let outcome = self.execute(&mut output);
        let printed = std::io::stdout().write_all(output.as_bytes());
        if let Err(error) = &outcome {
            eprintln!("owl sync: {error}");
        }
        match (outcome, printed) {
            (Ok(()), Ok(())) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    /// What was done is in `output` even if something else then failed.
    fn execute(self, output: &mut String) -> Result<(), String> {
        let folder = super::data_dir(self.data_dir);
        // Opening it would make one, in which nothing waits.
        if !Store::is_in(&folder) {
            let folder = folder.display();
            return Err(format!(
                "there is no store in {folder}: owl serve --print-config shows where it is"
            ));
        }
        let store = Store::open_shared(&folder).map_err(|error| error.to_string())?;
        let book = Book::new(store);
        let text = |error: JournalError| error.to_string();
        match self.action {
            Action::Status(Status {}) => {
                let fires = master::fires::Book::new(book.store().clone());
                *output = fires::status(&fires).map_err(|error| error.to_string())?;
                output.push_str(&status::status(&book).map_err(text)?);
            }
            Action::Diff(Diff { entry }) => *output = diff::diff(&book, entry).map_err(text)?,
            Action::Retry(Retry { entries }) => {
                for entry in some(entries)? {
                    retry(&book, entry).map_err(text)?;
                    output.push_str(&format!("entry {entry} waits for the master again\n"));
                }
            }
            Action::Drop(DropEntries { entries }) => {
                let mut gone = Vec::new();
                for entry in some(entries)? {
                    // It may have gone with another one that was named.
                    if gone.contains(&entry) {
                        continue;
                    }
                    let dropped = discard(&book, entry, &copies::forget).map_err(text)?;
                    for entry in &dropped {
                        output.push_str(&format!("dropped entry {entry}\n"));
                    }
                    gone.extend(dropped);
                }
            }
        }
        Ok(())
    }
}

fn some(entries: Vec<u64>) -> Result<Vec<u64>, String> {
    if entries.is_empty() {
        return Err("name the numbers of entries: owl sync status lists them".to_owned());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_store_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("none");
        let status = SyncCommand {
            data_dir: Some(folder.clone()),
            action: Action::Status(Status {}),
        };
        let refused = status.execute(&mut String::new()).unwrap_err();
        assert!(refused.starts_with("there is no store in "), "{refused}");
        assert!(!folder.exists());
    }
}
