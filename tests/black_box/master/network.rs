//! Machines of a test's own: network namespaces, and cables between them.
//!
//! A client, a gateway and a master, where the client reaches the master only through the gateway.
//! The cable between the gateway and the master can be pulled at either end, lose everything on the
//! way there or on the way back, and be slow.

use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Addresses of the gateway, as clients see it, and of the master.
pub const GATEWAY: &str = "10.9.1.2";
pub const MASTER: &str = "10.9.2.2";

/// Nobody's address on the wire.
const NOBODY: &str = "02:00:00:00:00:99";

/// Which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    Client,
    Gateway,
    Master,
}

/// What is wrong with the cable between the gateway and the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The gateway's end is down: it knows that there is no way.
    NearEndDown,
    /// The master's end is down: nobody answers, until the gateway has found out.
    FarEndDown,
    /// What the gateway sends is lost, without a word.
    LostOnTheWayThere,
    /// What the master sends is lost: it gets requests, and its answers do not arrive.
    LostOnTheWayBack,
    /// Everything takes its time.
    Slow,
}

/// The machines, until this is dropped.
pub struct Network {
    name: String,
}

impl Network {
    /// Makes the machines and lays the cables.
    ///
    /// # Panics
    /// If that is not allowed or iproute2 is not installed.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let network = Network {
            name: format!("owl-{}-{number}", std::process::id()),
        };
        let machines = [Machine::Client, Machine::Gateway, Machine::Master];
        for machine in machines {
            ip(&["netns", "add", &network.namespace(machine)]);
            network.ip(machine, "link set lo up");
        }
        network.cable((Machine::Client, "10.9.1.1"), (Machine::Gateway, GATEWAY));
        network.cable((Machine::Gateway, "10.9.2.1"), (Machine::Master, MASTER));
        network
    }

    /// The name of a machine's namespace.
    pub fn namespace(&self, machine: Machine) -> String {
        format!("{}-{machine:?}", self.name).to_lowercase()
    }

    /// Does something on a machine: what it connects to is reached from there.
    pub fn on<T: Send>(&self, machine: Machine, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.namespace(machine));
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        // A thread of its own, so that the caller stays where it is.
        thread::scope(|scope| {
            let worker = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("enter a network namespace");
                work()
            });
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Breaks the cable.
    pub fn fail(&self, fault: Fault) {
        match fault {
            Fault::NearEndDown => self.ip(Machine::Gateway, "link set to-master down"),
            Fault::FarEndDown => self.ip(Machine::Master, "link set to-gateway down"),
            Fault::LostOnTheWayThere => self.lose(Machine::Gateway, MASTER, "to-master"),
            Fault::LostOnTheWayBack => self.lose(Machine::Master, "10.9.2.1", "to-gateway"),
            Fault::Slow => self.slow(),
        }
    }

    /// Mends the cable.
    pub fn mend(&self, fault: Fault) {
        match fault {
            Fault::NearEndDown => self.ip(Machine::Gateway, "link set to-master up"),
            Fault::FarEndDown => self.ip(Machine::Master, "link set to-gateway up"),
            Fault::LostOnTheWayThere => {
                self.ip(
                    Machine::Gateway,
                    &format!("neigh del {MASTER} dev to-master"),
                );
            }
            Fault::LostOnTheWayBack => {
                self.ip(Machine::Master, "neigh del 10.9.2.1 dev to-gateway");
            }
            Fault::Slow => self.tc("qdisc del dev to-master root").expect("tc"),
        }
    }

    /// How many connections a machine has begun to make so far.
    pub fn connections_begun(&self, machine: Machine) -> u64 {
        let statistics = self.on(machine, || {
            // That of the process would show where its first thread is.
            std::fs::read_to_string("/proc/thread-self/net/snmp").expect("read the statistics")
        });
        let mut lines = statistics.lines().filter(|line| line.starts_with("Tcp:"));
        let names = lines.next().expect("names").split_whitespace();
        let values = lines.next().expect("values").split_whitespace();
        let (_, value) = names
            .zip(values)
            .find(|(name, _)| *name == "ActiveOpens")
            .expect("connections are counted");
        value.parse().expect("a number")
    }

    fn cable(&self, near: (Machine, &str), far: (Machine, &str)) {
        let ends = [(near, far), (far, near)];
        let [a, b] = ends.map(|((machine, _), (other, _))| {
            (
                self.namespace(machine),
                format!("to-{other:?}").to_lowercase(),
            )
        });
        ip(&[
            "link", "add", &a.1, "netns", &a.0, "type", "veth", "peer", "name", &b.1, "netns", &b.0,
        ]);
        for ((_, device), ((machine, address), _)) in [a, b].iter().zip(ends) {
            self.ip(machine, &format!("addr add {address}/30 dev {device}"));
            self.ip(machine, &format!("link set {device} up"));
        }
    }

    /// Makes a machine send to nobody what is for an address.
    fn lose(&self, from: Machine, address: &str, device: &str) {
        let to = format!("neigh replace {address} lladdr {NOBODY} dev {device} nud permanent");
        self.ip(from, &to);
    }

    /// Delays packets where the kernel can do that, else lets few through at a time.
    fn slow(&self) {
        let delayed = self.tc("qdisc add dev to-master root netem delay 150ms 50ms");
        let Err(no_delay) = delayed else { return };
        let narrow = "qdisc add dev to-master root tbf rate 256kbit burst 2000 latency 2s";
        if let Err(not_narrow) = self.tc(narrow) {
            panic!("this kernel can slow no link: {no_delay}; {not_narrow}");
        }
    }

    fn ip(&self, machine: Machine, arguments: &str) {
        let namespace = self.namespace(machine);
        let mut all = vec!["-n", &namespace];
        all.extend(arguments.split(' '));
        ip(&all);
    }

    /// Runs `tc` on the gateway.
    fn tc(&self, arguments: &str) -> Result<(), String> {
        let namespace = self.namespace(Machine::Gateway);
        let mut all = vec!["-n", &*namespace];
        all.extend(arguments.split(' '));
        run("tc", &all)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for machine in [Machine::Client, Machine::Gateway, Machine::Master] {
            // Some may not have been made.
            run("ip", &["netns", "del", &self.namespace(machine)]).ok();
        }
    }
}

fn ip(arguments: &[&str]) {
    if let Err(problem) = run("ip", arguments) {
        panic!(
            "{problem}\nThis test needs network namespaces of its own: iproute2 (tests/lib/prepare \
             installs it), and root with CAP_NET_ADMIN and CAP_SYS_ADMIN."
        );
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let command = || format!("{program} {}", arguments.join(" "));
    // Where they are on Debian, whoever asks.
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .output()
        .map_err(|error| format!("{}: {error}", command()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", command(), said.trim()))
}
