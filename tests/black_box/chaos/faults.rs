//! What goes wrong.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::storm::Storm;
use crate::dice::Dice;
use crate::docker::docker_if_it_can;

/// Something that goes wrong and, where it does not end by itself, ends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The first process of a container is killed.
    ProcessKilled,
    /// The same of an idle container; its next call comes at once.
    IdleKilled,
    /// A container is killed through the engine.
    ContainerKilled,
    /// Somebody removes a container.
    ContainerRemoved,
    /// Somebody restarts a container.
    ContainerRestarted,
    /// Somebody pauses a container for a while.
    ContainerPaused,
    /// The processes of a container stop for a while.
    ProcessStopped,
    /// An action takes more memory than it may have.
    OutOfMemory,
    /// Sandboxes that are processes of the daemon's are killed.
    ChildrenKilled,
    /// An action is changed.
    ActionChanged,
    /// All log streams end.
    LogsCut,
    /// All connections to the engine end, and none can be made for a while.
    EngineCutOff,
    /// Containers that are to be created for a while are created later, and nobody is told.
    CreationsLost,
    /// The engine says nothing for a while.
    EngineHangs,
    /// The engine is killed, and started again after a while. Its containers go on until then.
    EngineKilled,
    /// The engine is stopped in order, with its containers, and started again after a while.
    EngineStopped,
    /// Memory is short for a while.
    MemoryTaken,
}

/// All of them.
pub const FAULTS: [Fault; 17] = [
    Fault::ProcessKilled,
    Fault::IdleKilled,
    Fault::ContainerKilled,
    Fault::ContainerRemoved,
    Fault::ContainerRestarted,
    Fault::ContainerPaused,
    Fault::ProcessStopped,
    Fault::OutOfMemory,
    Fault::ChildrenKilled,
    Fault::ActionChanged,
    Fault::LogsCut,
    Fault::EngineCutOff,
    Fault::CreationsLost,
    Fault::EngineHangs,
    Fault::EngineKilled,
    Fault::EngineStopped,
    Fault::MemoryTaken,
];

impl Storm {
    /// Lets it go wrong.
    pub fn strike(&self, fault: Fault, dice: &mut Dice) {
        match fault {
            Fault::ProcessKilled => self.signal(self.container(dice), Signal::SIGKILL),
            Fault::IdleKilled => self.kill_idle(),
            Fault::ContainerKilled => self.with_container(dice, &["kill"]),
            Fault::ContainerRemoved => self.with_container(dice, &["rm", "--force"]),
            Fault::ContainerRestarted => self.with_container(dice, &["restart", "--time", "0"]),
            Fault::ContainerPaused => {
                let container = self.container(dice);
                self.docker(&["pause"], container.as_deref());
                self.a_while(dice);
                self.docker(&["unpause"], container.as_deref());
            }
            Fault::ProcessStopped => {
                let container = self.container(dice);
                self.signal(container.clone(), Signal::SIGSTOP);
                self.a_while(dice);
                self.signal(container, Signal::SIGCONT);
            }
            Fault::OutOfMemory => self.use_too_much(),
            Fault::ChildrenKilled => self.kill_children(),
            Fault::ActionChanged => self.change(dice),
            Fault::LogsCut => _ = self.relay.cut("/attach?"),
            Fault::EngineCutOff => {
                self.relay.stop();
                self.a_while(dice);
                self.relay.listen(self.engine.socket());
            }
            Fault::CreationsLost => self.lose_creations(dice),
            Fault::EngineHangs => {
                self.engine.send(Signal::SIGSTOP);
                self.a_while(dice);
                self.engine.send(Signal::SIGCONT);
            }
            Fault::EngineKilled => {
                self.engine.kill();
                self.a_while(dice);
                self.engine.restart();
            }
            Fault::EngineStopped => {
                self.engine.stop();
                self.a_while(dice);
                self.engine.restart();
            }
            Fault::MemoryTaken => self.take_memory(dice),
        }
    }

    fn a_while(&self, dice: &mut Dice) {
        thread::sleep(Duration::from_millis(500 + dice.below(2500)));
    }

    /// One of the containers that run, if there are any.
    fn container(&self, dice: &mut Dice) -> Option<String> {
        let list = ["ps", "--quiet", "--no-trunc"];
        let list = docker_if_it_can(&self.engine.host(), &list)?;
        let containers: Vec<&str> = list.lines().collect();
        (!containers.is_empty()).then(|| (*dice.of(&containers)).to_owned())
    }

    fn with_container(&self, dice: &mut Dice, command: &[&str]) {
        self.docker(command, self.container(dice).as_deref());
    }

    /// Has the engine do something with a container, which may be gone by now.
    fn docker(&self, command: &[&str], container: Option<&str>) {
        if let Some(container) = container {
            docker_if_it_can(&self.engine.host(), &[command, &[container]].concat());
        }
    }

    /// Sends a signal to the first process of a container, without the engine.
    fn signal(&self, container: Option<String>, signal: Signal) {
        let Some(container) = container else { return };
        let inspect = ["inspect", "--format", "{{.State.Pid}}", &container];
        let process = docker_if_it_can(&self.engine.host(), &inspect);
        let process = process.and_then(|text| text.parse().ok());
        if let Some(process) = process.filter(|process| *process > 0) {
            kill(Pid::from_raw(process), signal).ok();
        }
    }

    /// Kills what is idle, and expects that the next call does not fail of it: it may have to wait
    /// or be refused as any other.
    fn kill_idle(&self) {
        self.probe("quiet");
        let filter = "label=owl.action=guest/quiet";
        let list = ["ps", "--quiet", "--no-trunc", "--filter", filter];
        let list = docker_if_it_can(&self.engine.host(), &list).unwrap_or_default();
        for container in list.lines() {
            self.signal(Some(container.to_owned()), Signal::SIGKILL);
        }
        self.until("quiet", None, 200, 502);
    }

    fn lose_creations(&self, dice: &mut Dice) {
        let before = self.relay.lost().len();
        let late = Duration::from_millis(dice.below(1500));
        self.relay.lose(Some(("/containers/create?", late)));
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.relay.lost().len() == before {
            // What is idle would do for those that call.
            self.change(dice);
            assert!(Instant::now() < deadline, "none:\n{}", self.owl.log());
            thread::sleep(Duration::from_millis(100));
        }
        self.relay.lose(None);
    }

    fn use_too_much(&self) {
        self.until("fake0", Some("allocate"), 502, 200);
    }

    fn kill_children(&self) {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.owl.id()));
        for thread in threads.expect("the daemon runs").flatten() {
            let children = std::fs::read_to_string(thread.path().join("children"));
            for child in children.unwrap_or_default().split_whitespace() {
                kill(
                    Pid::from_raw(child.parse().expect("a number")),
                    Signal::SIGKILL,
                )
                .ok();
            }
        }
    }

    fn take_memory(&self, dice: &mut Dice) {
        let told = || self.owl.log().matches("memory is short (").count();
        let before = told();
        let taken = self.group.take();
        let deadline = Instant::now() + Duration::from_secs(60);
        while told() == before {
            assert!(Instant::now() < deadline, "not seen:\n{}", self.owl.log());
            thread::sleep(Duration::from_millis(20));
        }
        self.a_while(dice);
        drop(taken);
    }
}
