//! `owl status`: what a running daemon holds and has done. Asks the daemon itself, through a
//! socket in the folder of its store.

mod collect;
mod document;
mod socket;
mod table;
mod watch;
mod words;

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;

pub use collect::{Daemon, document};
pub use socket::{listen, remove, serve};

use crate::store::Store;
use document::Document;
use watch::Screen;

/// How long a daemon may take to answer.
const ANSWERS: Duration = Duration::from_secs(10);

/// Largest answer that is read, in bytes: 10,000 sandboxes take less.
const MOST: u64 = 16 << 20;

/// What a running daemon holds and has done: sandboxes, queue, memory, starts, images.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "status")]
pub struct StatusCommand {
    /// folder of the daemon's store (default: OWL_DATA_DIR, else that of owl serve)
    #[argh(option)]
    data_dir: Option<PathBuf>,
    /// print a JSON object, for programs
    #[argh(switch)]
    json: bool,
    /// show it again and again, until Ctrl-C
    #[argh(switch)]
    watch: bool,
    /// seconds between two looks of --watch (2)
    #[argh(option, default = "2.0")]
    interval: f64,
}

impl StatusCommand {
    /// Prints it, or what went wrong, and gives the exit code.
    pub fn run(self) -> ExitCode {
        match self.execute() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("owl status: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn execute(self) -> Result<(), String> {
        let interval = interval(self.interval)?;
        let folder = super::data_dir(self.data_dir)?;
        let screen = Screen::new();
        let mut text = look(&folder, self.json)?;
        if !self.watch {
            super::output::say(text.trim_end());
            return Ok(());
        }
        loop {
            let is_read = screen.show(&text);
            if !is_read.map_err(|error| format!("cannot write the status: {error}"))? {
                return Ok(());
            }
            watch::pause(interval);
            // A daemon that is away may be on its way back.
            text = match look(&folder, self.json) {
                Ok(text) if screen.separates() && !self.json => format!("\n{text}"),
                Ok(text) => text,
                Err(error) if screen.separates() => {
                    eprintln!("owl status: {error}");
                    String::new()
                }
                Err(error) => format!("{error}\n"),
            };
        }
    }
}

/// The pause of `--watch`: from a tenth of a second to a day.
fn interval(seconds: f64) -> Result<Duration, String> {
    match (0.1..=86_400.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(format!(
            "--interval: '{seconds}' is not a number of seconds from 0.1 to 86400"
        )),
    }
}

/// How the daemon of a folder stands, in lines.
fn look(folder: &Path, json: bool) -> Result<String, String> {
    let mut text = ask(folder)?;
    if json {
        text.push('\n');
        return Ok(text);
    }
    let document: Document = serde_json::from_str(&text)
        .map_err(|error| format!("the daemon's answer is not understood ({error}): is it of another version? --json shows it"))?;
    Ok(table::table(&document))
}

fn ask(folder: &Path) -> Result<String, String> {
    let shown = folder.display();
    let mut stream = socket::connect(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound if !Store::is_in(folder) => format!(
            "there is no store in {shown}: name the daemon's folder with --data-dir (owl serve \
             --print-config shows it)"
        ),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
            "no daemon runs with the store in {shown}: start it with owl serve, or name the folder \
             of the one that runs with --data-dir"
        ),
        ErrorKind::PermissionDenied => format!(
            "the daemon in {shown} tells its status to its own user and to root only: try sudo owl \
             status --data-dir {shown}"
        ),
        _ => format!("cannot ask the daemon in {shown}: {error}"),
    })?;
    let mut text = String::new();
    let read = stream.set_read_timeout(Some(ANSWERS));
    let read = read.and_then(|()| (&mut stream).take(MOST).read_to_string(&mut text));
    match read {
        Ok(0) => Err(format!("the daemon in {shown} is just stopping")),
        Ok(_) => Ok(text),
        Err(error) => Err(format!(
            "the daemon in {shown} has not answered: {error}; its log may say why"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        assert_eq!(interval(0.5), Ok(Duration::from_millis(500)));
        for refused in [0.0, -1.0, f64::NAN, 1e9] {
            assert!(interval(refused).unwrap_err().contains("--interval"));
        }
    }

    #[test]
    fn a_folder_without_a_store_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("none");
        let refused = ask(&folder).unwrap_err();
        assert!(refused.starts_with("there is no store in "), "{refused}");
        assert!(refused.contains("--data-dir"), "{refused}");
        assert!(!folder.exists());
    }
}
