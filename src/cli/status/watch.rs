//! `owl status --watch`: the same again and again, in place on a terminal, one after the other
//! elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Moves to the upper left corner, and clears what is below.
const AGAIN: &str = "\x1b[H\x1b[2J";

/// Where it is shown.
pub struct Screen {
    is_terminal: bool,
}

impl Screen {
    /// Standard output.
    pub fn new() -> Self {
        Screen {
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Shows a text in the place of the one before, on a terminal; elsewhere below it. False if nobody reads any more.
    pub fn show(&self, text: &str) -> io::Result<bool> {
        let shown = match self.is_terminal {
            true => format!("{AGAIN}{text}"),
            false => text.to_owned(),
        };
        let mut output = io::stdout().lock();
        let written = output.write_all(shown.as_bytes());
        match written.and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// Whether texts are separated by an empty line.
    pub const fn separates(&self) -> bool {
        !self.is_terminal
    }
}

/// Waits. Ctrl-C ends the process meanwhile: nothing of the terminal has to be restored.
pub fn pause(interval: Duration) {
    std::thread::sleep(interval);
}
