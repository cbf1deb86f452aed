//! The thread that starts children.
//!
//! Children ask to be killed when their parent ends, and to the kernel the parent is the thread
//! that started them, not the process: it has to be one that stays. It also keeps the milliseconds
//! of a start off the daemon's thread.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc;

use smol::channel;

use super::child::Process;
use crate::engine::Hold;

struct Job {
    command: Command,
    hold: Hold,
    answer: channel::Sender<io::Result<Process>>,
}

/// A thread of its own for starting children; they end with it.
pub struct Spawner {
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    /// Starts the thread. It ends when the spawner is dropped.
    pub fn new() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("owl-spawn".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || {
                for mut job in queue {
                    let spawned = job.command.spawn();
                    let process = spawned.map(|child| Process::new(child, job.hold));
                    // If the start was given up meanwhile, dropping the process ends it.
                    let _ = job.answer.try_send(process);
                }
            })?;
        Ok(Spawner { jobs })
    }

    /// Starts a child in a process group of its own, and in this place.
    pub async fn spawn(&self, mut command: Command, hold: Hold) -> io::Result<Process> {
        command.process_group(0);
        let (answer, result) = channel::bounded(1);
        let job = Job {
            command,
            hold,
            answer,
        };
        let ended = || io::Error::other("the thread that starts children has ended");
        self.jobs.send(job).map_err(|_| ended())?;
        result.recv().await.map_err(|_| ended())?
    }
}
