//! Actions that are processes of their own, over the ActionLoop convention: one JSON line in on
//! standard input, one JSON line out on descriptor 3. Node and python have launchers for it; a
//! native executable speaks it itself.

mod archive;
mod child;
mod directory;
mod place;
mod relay;

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::kind::Language;
use super::message::InitRequest;
use super::reply::Reply;
use super::signals::{Signals, timeout};
use child::Child;
use directory::PrivateDirectory;

/// Longest answer in bytes. The platform takes 1 MB and wants to know the length of what is longer.
const ANSWER_LIMIT: usize = 32 << 20;

/// How long an executable is watched for an early end, since it does not say when it is ready.
const EARLY_END: Duration = Duration::from_millis(20);

/// How long a child that has closed descriptor 3 may take to end.
const LAST_WORDS: Duration = Duration::from_millis(200);

const OUT_OF_TIME: &str = "The action exceeded its time limits and was interrupted.";
const NO_OBJECT: &str = "The action did not return a dictionary or array.";

/// An action in a child process.
pub struct ActionLoop {
    // Killed before its files go.
    child: Child,
    _files: PrivateDirectory,
    signals: Rc<Signals>,
    /// Whether a `!` before an answer has its meaning: a launcher's, not an action's.
    launched: bool,
}

/// Why there is no answer.
enum Silence {
    /// The child has ended with this code.
    Ended(u8),
    /// The time is up, or the proxy is to end.
    Time,
    /// The answer went over [`ANSWER_LIMIT`].
    TooLong,
}

impl ActionLoop {
    /// Writes the code to disk and starts it. The error is the answer to `/init`.
    pub fn start(
        language: Language,
        request: &InitRequest,
        env: &[(String, String)],
        time: Duration,
        signals: Rc<Signals>,
    ) -> Result<Self, Reply> {
        let files = PrivateDirectory::new().map_err(|error| {
            Reply::init_failed(&format!("there is no place for the code: {error}"))
        })?;
        let program = place::place(language, request, files.path())
            .map_err(|reason| Reply::init_failed(&reason))?;
        let child = Child::start(&program.words, &program.directory, env).map_err(|error| {
            Reply::init_failed(&format!("{} does not start: {error}", program.words[0]))
        })?;
        let mut action = ActionLoop {
            child,
            _files: files,
            signals,
            launched: program.announces,
        };
        if program.announces {
            action.read_announcement(time)?;
        } else {
            action.watch_early_end()?;
        }
        Ok(action)
    }

    /// Stops the action until its next run: what it has left running uses no processor.
    pub fn rest(&mut self) {
        self.child.stop();
    }

    /// Whether it is stopped.
    pub fn rests(&self) -> bool {
        self.child.is_stopped()
    }

    /// Passes on all that the action has printed until now.
    pub fn finish_printing(&mut self) {
        self.child.prints.finish();
    }

    /// Runs the action once: passes the body of `/run` on, and answers with what comes back.
    pub fn run(&mut self, body: &[u8], time: Duration) -> Reply {
        self.child.resume();
        let line = match self.exchange(&one_line(body), time) {
            Ok(line) => line,
            Err(Silence::Ended(code)) => return Reply::Gone(code),
            Err(Silence::Time) => {
                self.child.kill();
                return Reply::error(502, OUT_OF_TIME);
            }
            Err(Silence::TooLong) => {
                self.child.kill();
                let message = format!("The action's answer was longer than {ANSWER_LIMIT} bytes.");
                return Reply::error(502, &message);
            }
        };
        answer(line, self.launched)
    }

    /// The code that the child has ended with, if it has. Also waits for stray processes, and passes
    /// on what is printed. To be called between runs, when one of [`ActionLoop::waits`] is ready or a
    /// signal has come.
    pub fn ended(&mut self) -> Option<u8> {
        self.child.prints.pass();
        let ended = self.child.ended();
        if ended.is_some() {
            return ended;
        }
        // Nothing was asked: whatever it says now is not an answer, and must not become one.
        loop {
            match read_line(&mut self.child.answers, &mut Vec::new()) {
                Ok(Answers::Open) => return None,
                Ok(Answers::Closed) => return Some(self.end_of_silent_child()),
                Ok(Answers::Line) | Err(_) => {}
            }
        }
    }

    /// Ready when the child ends, talks out of turn, or prints.
    pub fn waits(&self) -> impl Iterator<Item = PollFd<'_>> {
        let answers = PollFd::new(self.child.answers.as_fd(), PollFlags::POLLIN);
        std::iter::once(answers).chain(self.child.prints.waits())
    }

    /// The code of a child that has closed descriptor 3: it is about to end, or is made to.
    fn end_of_silent_child(&mut self) -> u8 {
        let end = Instant::now() + LAST_WORDS;
        loop {
            if let Some(code) = self.child.ended() {
                return code;
            }
            if Instant::now() >= end {
                self.child.kill();
                return 1;
            }
            // SIGCHLD wakes it.
            self.signals.wait_for(Duration::from_millis(10));
        }
    }

    fn read_announcement(&mut self, time: Duration) -> Result<(), Reply> {
        #[derive(Deserialize)]
        struct Announcement {
            error: Option<String>,
        }
        let line = self.exchange(b"", time).map_err(|silence| match silence {
            Silence::Ended(code) => Reply::init_failed(&format!(
                "the action's process ended with code {code}; its log may say why."
            )),
            Silence::Time => Reply::error(502, OUT_OF_TIME),
            Silence::TooLong => Reply::init_failed("it did not say how loading went."),
        })?;
        match serde_json::from_slice(&line) {
            Ok(Announcement { error: None }) => Ok(()),
            Ok(Announcement { error: Some(error) }) => Err(Reply::init_failed(&error)),
            Err(_) => Err(Reply::init_failed("it did not say how loading went.")),
        }
    }

    fn watch_early_end(&mut self) -> Result<(), Reply> {
        let end = Instant::now() + EARLY_END;
        loop {
            if let Some(code) = self.child.ended() {
                return Err(Reply::init_failed(&format!(
                    "the executable ended at once with code {code}; its log may say why."
                )));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // SIGCHLD wakes it.
            if !self.signals.wait_for(left) {
                return Ok(());
            }
        }
    }

    /// Writes a line, and reads one. Both at once, so that neither side waits for the other.
    fn exchange(&mut self, line: &[u8], time: Duration) -> Result<Vec<u8>, Silence> {
        let end = Instant::now() + time;
        let mut unsent = line;
        let mut answer = Vec::new();
        loop {
            // Looked at before reading: what it wrote before its end is still read.
            let ended = self.child.ended();
            if !unsent.is_empty() {
                match self.child.calls.write(unsent) {
                    Ok(length) => unsent = &unsent[length..],
                    Err(error) if is_not_now(&error) => {}
                    // It has closed its input: its end or its answer will tell.
                    Err(_) => unsent = &[],
                }
            }
            match read_line(&mut self.child.answers, &mut answer)? {
                Answers::Line => {
                    // What it printed before it answered.
                    self.child.prints.pass();
                    return Ok(answer);
                }
                Answers::Closed => return Err(Silence::Ended(self.end_of_silent_child())),
                Answers::Open => self.child.prints.pass(),
            }
            if let Some(code) = ended {
                return Err(Silence::Ended(code));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.signals.must_end() {
                return Err(Silence::Time);
            }
            let mut waits = vec![
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.child.answers.as_fd(), PollFlags::POLLIN),
            ];
            waits.extend(self.child.prints.waits());
            if !unsent.is_empty() {
                waits.push(PollFd::new(self.child.calls.as_fd(), PollFlags::POLLOUT));
            }
            let _ = poll(&mut waits, timeout(left));
        }
    }
}

/// What there is on descriptor 3.
enum Answers {
    /// A whole line.
    Line,
    /// Not yet a line.
    Open,
    /// Nothing, ever again.
    Closed,
}

/// Reads what is there; a whole line is in `line` without its end.
fn read_line(answers: &mut impl Read, line: &mut Vec<u8>) -> Result<Answers, Silence> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = match answers.read(&mut buffer) {
            Ok(0) => return Ok(Answers::Closed),
            Ok(length) => length,
            Err(error) if is_not_now(&error) => return Ok(Answers::Open),
            Err(_) => return Ok(Answers::Closed),
        };
        // One call, one line: what follows the line end was not asked for.
        if let Some(end) = buffer[..length].iter().position(|&byte| byte == b'\n') {
            line.extend_from_slice(&buffer[..end]);
            return Ok(Answers::Line);
        }
        line.extend_from_slice(&buffer[..length]);
        if line.len() > ANSWER_LIMIT {
            return Err(Silence::TooLong);
        }
    }
}

fn is_not_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// JSON as one line: line ends in it can only be space between tokens.
fn one_line(json: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(json.len() + 1);
    line.extend(json.iter().map(|&byte| match byte {
        b'\n' | b'\r' => b' ',
        byte => byte,
    }));
    line.push(b'\n');
    line
}

/// What a line on descriptor 3 means.
fn answer(mut line: Vec<u8>, launched: bool) -> Reply {
    let failed = launched && line.first() == Some(&b'!');
    if failed {
        line.remove(0);
    }
    let is_json = serde_json::from_slice::<&RawValue>(&line).is_ok();
    match line.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') if is_json => Reply::json(if failed { 502 } else { 200 }, line),
        _ => Reply::error(502, NO_OBJECT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(reply: Reply) -> (u16, String) {
        match reply {
            Reply::Answer { status, body } => (status, String::from_utf8(body.to_vec()).unwrap()),
            Reply::Gone(code) => panic!("the proxy would end with {code}"),
        }
    }

    #[test]
    fn answers_are_objects_or_arrays() {
        let ask = |line: &str, launched| parts(answer(line.as_bytes().to_vec(), launched));
        assert_eq!(
            ask(r#" {"a": 1.50}"#, false),
            (200, r#" {"a": 1.50}"#.into())
        );
        assert_eq!(ask("[1]", false).0, 200);
        assert_eq!(ask(r#"!{"error":1}"#, true), (502, r#"{"error":1}"#.into()));
        for line in ["", "5", "null", "{", r#"!{"error":1}"#, "{} x"] {
            let (status, body) = ask(line, false);
            assert_eq!((status, body.contains(NO_OBJECT)), (502, true), "{line}");
        }
    }

    #[test]
    fn lines_are_lines() {
        assert_eq!(one_line(b"{\r\n \"a\":\n1}"), b"{   \"a\": 1}\n");
    }
}
