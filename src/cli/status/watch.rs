//! `owl status --watch`: the same again and again, in place on a terminal and no larger than that, one
//! after the other elsewhere.

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

    /// Shows a text in the place of the one before, on a terminal, as much of it as has room there;
    /// elsewhere below it. False if nobody reads any more.
    pub fn show(&self, text: &str) -> io::Result<bool> {
        let shown = match self.is_terminal {
            true => format!("{AGAIN}{}", self.fitting(text)),
            false => text.to_owned(),
        };
        let mut output = io::stdout().lock();
        let written = output.write_all(shown.as_bytes());
        match written.and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// What of a text has room on the terminal now: its window may have been made smaller or larger.
    fn fitting(&self, text: &str) -> String {
        match rustix::termios::tcgetwinsize(io::stdout()) {
            // Terminals that do not know their size say 0.
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
                cut(text, size.ws_row.into(), size.ws_col.into())
            }
            _ => text.to_owned(),
        }
    }

    /// Whether texts are separated by an empty line.
    pub const fn separates(&self) -> bool {
        !self.is_terminal
    }
}

/// The first rows of a text that have room in a window, each as far as it has. The last row tells how
/// many there are besides, and the cursor stays in it: a row more would move the others up.
fn cut(text: &str, rows: usize, columns: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let fitting = |line: &&str| line.chars().take(columns).collect::<String>();
    // The cursor is in the row below the last line.
    if lines.len() < rows {
        let lines = lines.iter().map(fitting).map(|line| line + "\n");
        return lines.collect();
    }
    let shown = rows.saturating_sub(1);
    let mut lines_shown: Vec<String> = lines[..shown].iter().map(fitting).collect();
    let more = format!("\u{2026} {} more", lines.len() - shown);
    lines_shown.push(fitting(&more.as_str()));
    lines_shown.join("\n")
}

/// Waits. Ctrl-C ends the process meanwhile: nothing of the terminal has to be restored.
pub fn pause(interval: Duration) {
    std::thread::sleep(interval);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_room_is_shown_whole() {
        assert_eq!(cut("one\ntwo\n", 3, 80), "one\ntwo\n");
        assert_eq!(cut("", 1, 1), "");
    }

    #[test]
    fn rows_that_have_no_room_are_counted() {
        // The cursor would be in the third row, and the first line out of sight.
        assert_eq!(cut("one\ntwo\n", 2, 80), "one\n\u{2026} 1 more");
        assert_eq!(cut("a\nb\nc\nd\ne\n", 3, 80), "a\nb\n\u{2026} 3 more");
        assert_eq!(cut("a\nb\n", 1, 80), "\u{2026} 2 more");
    }

    #[test]
    fn rows_are_no_wider_than_the_window() {
        assert_eq!(
            cut("a line\n\u{e9}t\u{e9}s\n", 9, 3),
            "a l\n\u{e9}t\u{e9}\n"
        );
        assert_eq!(cut("a line\nanother\n", 2, 5), "a lin\n\u{2026} 1 m");
    }
}
