//! What any process costs that stands between a client and a sandbox: a relay that does nothing
//! but pass messages on, beside the daemon and beside direct calls.
//!
//! The relay is this program itself, started once more: a thread for each connection, which blocks
//! in reads and makes one write a message, and so does the least that a process can do there.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::json;

use super::daemon::Daemon;
use super::direct::{Engine, Runtime, run_body};
use super::figures::{Report, Times};
use super::http::{Address, Client};
use super::turns::{Turns, Way};
use super::{ECHO, Extent, invoke, parameters, sandboxes};

/// The argument with which this program is a relay; the next one is where it leads.
pub const ARGUMENT: &str = "relay-to";

/// Calls of a round, all connections together.
const CALLS: usize = 800;

/// Compares the three ways to a sandbox of `quickjs:1`, and to one of the kind that was chosen.
pub fn compare(
    extent: Extent,
    engine: Option<&Engine>,
    kind: &str,
    report: &mut Report,
) -> io::Result<()> {
    let host = engine.map_or("none", |engine| &engine.host);
    let daemon = Daemon::start(host, sandboxes::runtimes().as_deref())?;
    for at_a_time in [1, 4] {
        let runtimes: Vec<Runtime> = (0..at_a_time)
            .map(|_| Runtime::start(ECHO))
            .collect::<io::Result<_>>()?;
        let direct = runtimes.iter().map(Runtime::client).collect();
        daemon.create("relay-process", "quickjs:1", ECHO)?;
        let what = format!("quickjs:1 process, 100 B, {at_a_time} at a time");
        ways(extent, &daemon, "relay-process", direct, &what, report)?;
    }
    let Some(engine) = engine else {
        println!("no Docker Engine answers: containers are left out");
        return Ok(());
    };
    daemon.create_exec("relay-container", &json!({"kind": kind, "code": ECHO}))?;
    let (path, body) = (invoke("relay-container"), parameters(100));
    daemon
        .client()
        .expect(200, "POST", &path, body.as_bytes())?;
    let model = engine.container_of("relay-container")?;
    for at_a_time in [1, 4] {
        let containers = (0..at_a_time).map(|_| engine.start_like(&model, ECHO));
        let containers = containers.collect::<io::Result<Vec<_>>>()?;
        let direct = containers.iter().map(|container| container.client());
        let direct = direct.collect::<io::Result<_>>()?;
        let what = format!("{kind}, 100 B, {at_a_time} at a time");
        ways(extent, &daemon, "relay-container", direct, &what, report)?;
    }
    Ok(())
}

/// Calls directly, through relays, and through the daemon, in turns.
fn ways(
    extent: Extent,
    daemon: &Daemon,
    action: &str,
    mut direct: Vec<Client>,
    what: &str,
    report: &mut Report,
) -> io::Result<()> {
    let relays: Vec<Relay> = direct
        .iter()
        .map(|client| Relay::start(client.address()))
        .collect::<io::Result<_>>()?;
    let mut relayed: Vec<Client> = relays.iter().map(|relay| relay.client.another()).collect();
    let mut owl: Vec<Client> = direct.iter().map(|_| daemon.client()).collect();
    let (path, parameters) = (invoke(action), parameters(100));
    let body = run_body(&parameters);
    let calls = CALLS / extent.thinner / direct.len();
    let way = |clients, path, body| Way {
        clients,
        path,
        body,
    };
    let mut ways = [
        way(&mut direct[..], "/run", &body[..]),
        way(&mut relayed, "/run", &body),
        way(&mut owl, &path, parameters.as_bytes()),
    ];
    let turns = Turns::take(&mut ways, calls, extent)?;
    println!("\n{what}");
    for (at, name) in ["directly", "through a relay", "through OWL"]
        .iter()
        .enumerate()
    {
        report.rate(&format!("{what}, {name}"), &turns.all(at));
        report.rate(&format!("{what}, {name}, quiet"), &turns.quiet(at));
    }
    for (at, name) in [(1, "a relay"), (2, "OWL")] {
        for (when, of) in [
            ("", Turns::all as fn(&_, _) -> _),
            (", quiet", Turns::quiet),
        ] {
            let (bare, with): (Times, Times) = (of(&turns, 0), of(&turns, at));
            for percent in [50, 99] {
                let share = with.percentile(percent) - bare.percentile(percent);
                let what = format!("{what}: share of {name}, p{percent}{when}");
                report.value(&what, share, "ms");
            }
        }
    }
    Ok(())
}

/// A relay in a process of its own.
struct Relay {
    child: Child,
    client: Client,
}

impl Relay {
    fn start(to: &Address) -> io::Result<Self> {
        let to = match to {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => path.display().to_string(),
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &to])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other)?;
        let client = Client::new(Address::Tcp(address), "");
        Ok(Relay { child, client })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is a relay until it is killed: prints where it listens, and passes on what it gets.
pub fn serve(to: &str) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for client in listener.incoming() {
        let client = client?;
        client.set_nodelay(true)?;
        match to.parse::<SocketAddr>() {
            Ok(address) => {
                let sandbox = TcpStream::connect(address)?;
                sandbox.set_nodelay(true)?;
                thread::spawn(move || pass(client, sandbox));
            }
            Err(_) => {
                let sandbox = UnixStream::connect(to)?;
                thread::spawn(move || pass(client, sandbox));
            }
        }
    }
    Ok(())
}

/// Requests one way and answers the other, until one side ends.
fn pass(mut client: TcpStream, mut sandbox: impl Read + Write) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        message(&mut client, &mut buffer)?;
        sandbox.write_all(&buffer)?;
        message(&mut sandbox, &mut buffer)?;
        client.write_all(&buffer)?;
    }
}

/// Reads one message with its body, whose length its head tells.
fn message(from: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let mut chunk = [0; 8192];
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length = length.and_then(|length| length.trim().parse::<usize>().ok());
            let length = length.ok_or_else(|| io::Error::other("a message without a length"))?;
            if buffer.len() >= end + 4 + length {
                return Ok(());
            }
        }
        match from.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}
