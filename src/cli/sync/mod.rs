//! `owl sync`: the writes and fired triggers that wait for the master, and those that came to
//! nothing there. Works on the store itself, whether the daemon runs or not; a running one obeys within seconds.

mod diff;
mod fires;
mod lines;
mod named;
mod status;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;

use crate::master::journal::{self, Book, JournalError};
use crate::master::{copies, fires as stored, whose};
use crate::store::Store;
use named::Named;

/// Writes and fired triggers that wait for the master, or came to nothing there.
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
    /// number of the write
    #[argh(positional)]
    entry: Named,
}

/// send writes that came to nothing once more, over whatever the master has now; and what waits for
/// another master to the one that is set
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "retry")]
struct Retry {
    /// numbers of writes, and triggers (namespace/name) that were fired
    #[argh(positional)]
    what: Vec<Named>,
}

/// give writes up, with what was kept of them: what the master has counts; and all that waits of
/// triggers
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "drop")]
struct DropEntries {
    /// numbers of writes, and triggers (namespace/name) that were fired
    #[argh(positional)]
    what: Vec<Named>,
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
        let folder = super::data_dir(self.data_dir)?;
        // Opening it would make one, in which nothing waits.
        if !Store::is_in(&folder) {
            let folder = folder.display();
            return Err(format!(
                "there is no store in {folder}: owl serve --print-config shows where it is"
            ));
        }
        let store = Store::open_shared(&folder).map_err(|error| error.to_string())?;
        let fired = stored::Book::new(store.clone());
        let book = Book::new(store);
        let text = |error: JournalError| error.to_string();
        match self.action {
            Action::Status(Status {}) => {
                *output = fires::status(&fired).map_err(|error| error.to_string())?;
                output.push_str(&status::status(&book).map_err(text)?);
            }
            Action::Diff(Diff { entry }) => match entry {
                Named::Entry(entry) => *output = diff::diff(&book, entry).map_err(text)?,
                Named::Trigger(name) => {
                    return Err(format!(
                        "{name} is not the number of a write: owl sync status lists those that \
                         can be shown"
                    ));
                }
            },
            Action::Retry(Retry { what }) => {
                for named in some(what)? {
                    match named {
                        Named::Entry(entry) => {
                            journal::retry(&book, entry).map_err(text)?;
                            output.push_str(&format!("entry {entry} waits for the master again\n"));
                        }
                        Named::Trigger(trigger) => output.push_str(&readdress(&fired, &trigger)?),
                    }
                }
            }
            Action::Drop(DropEntries { what }) => {
                let mut gone = Vec::new();
                for named in some(what)? {
                    match named {
                        // It may have gone with another one that was named.
                        Named::Entry(entry) if gone.contains(&entry) => {}
                        Named::Entry(entry) => {
                            let dropped = journal::discard(&book, entry, &copies::forget);
                            let dropped = dropped.map_err(text)?;
                            for entry in &dropped {
                                output.push_str(&format!("dropped entry {entry}\n"));
                            }
                            gone.extend(dropped);
                        }
                        Named::Trigger(trigger) => output.push_str(&give_up(&fired, &trigger)?),
                    }
                }
            }
        }
        Ok(())
    }
}

/// Sends what waits of a trigger for another master to the one that is set; says what was done.
fn readdress(book: &stored::Book, trigger: &str) -> Result<String, String> {
    let text = |error: crate::store::StoreError| error.to_string();
    let master = whose::of(book.store()).map_err(text)?.unwrap_or_default();
    let stored::Retried { here, without_key } = stored::retry(book, trigger).map_err(text)?;
    if without_key > 0 {
        return Err(format!(
            "the trigger {trigger} was fired {} with a key that {master} has not accepted: make a \
             request with that key at this gateway, and try again",
            fires::times(without_key)
        ));
    }
    match here {
        0 => Err(format!(
            "nothing of the trigger {trigger} waits for another master: owl sync status lists what \
             waits, and what waits for the master that is set is sent as soon as it answers"
        )),
        times => Ok(format!(
            "the trigger {trigger}, fired {}, waits for {master}\n",
            fires::times(times)
        )),
    }
}

/// Gives up what waits of a trigger; says what was done.
fn give_up(book: &stored::Book, trigger: &str) -> Result<String, String> {
    match stored::discard(book, trigger).map_err(|error| error.to_string())? {
        0 => Err(format!(
            "nothing of the trigger {trigger} waits: owl sync status lists what does"
        )),
        times => Ok(format!(
            "dropped the trigger {trigger}, fired {}\n",
            fires::times(times)
        )),
    }
}

fn some(named: Vec<Named>) -> Result<Vec<Named>, String> {
    if named.is_empty() {
        return Err(
            "name the numbers of writes, or triggers as namespace/name: owl sync status lists them"
                .to_owned(),
        );
    }
    Ok(named)
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
