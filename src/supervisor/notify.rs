//! Telling the service manager how the daemon stands.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use smol::Timer;

use super::watchdog;

/// Pauses before a message is sent again that found no room at the manager's.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
];

/// How much longer than its grace time a stop may take, before the manager gives it up.
const STOP_RESERVE: Duration = Duration::from_secs(15);

/// The service manager, if it wants to be told.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    address: Option<SocketAddr>,
    /// How often it wants a sign of life.
    pulse: Option<Duration>,
}

impl Supervisor {
    /// The manager that this environment names. An address of an unknown kind is logged and left
    /// out: a daemon that cannot tell is better than none.
    pub fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let address = environment("NOTIFY_SOCKET").filter(|text| !text.is_empty());
        let address = address.and_then(|text| match address_of(&text) {
            Ok(address) => Some(address),
            Err(error) => {
                log::warn!(
                    "the service manager is not told anything: NOTIFY_SOCKET {text}: {error}"
                );
                None
            }
        });
        let pulse = watchdog::pulse(environment, std::process::id());
        Supervisor {
            pulse: pulse.filter(|_| address.is_some()),
            address,
        }
    }

    /// The daemon serves, for the first time or after it has read its settings again. `status` is
    /// a line for people.
    pub async fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", line(status)))
            .await;
    }

    /// The daemon reads its settings again. Has to be followed by [`ready`](Self::ready), however
    /// that ends.
    pub async fn reloading(&self) {
        // Tells the manager which of two readings a message is about.
        let now = clock_gettime(ClockId::Monotonic);
        let micros = Duration::try_from(now).map_or(0, |since| since.as_micros());
        let message = format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the settings");
        self.tell(&message).await;
    }

    /// The daemon stops, and what runs has `grace` to finish.
    pub async fn stopping(&self, grace: Duration) {
        let micros = (grace + STOP_RESERVE).as_micros();
        let message = format!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=finishing what runs, for {} s at most",
            grace.as_secs()
        );
        self.tell(&message).await;
    }

    /// Gives signs of life for ever, if the manager wants them; else ends at once. To be run on
    /// the executor of everything else: it shall fall silent if that is stuck.
    pub async fn pulse(self) {
        let Some(pause) = self.pulse else { return };
        loop {
            self.tell("WATCHDOG=1").await;
            Timer::after(pause).await;
        }
    }

    /// Sends a message. Nothing depends on that it comes: what fails is logged.
    async fn tell(&self, message: &str) {
        let Some(address) = &self.address else { return };
        let mut pauses = PAUSES.iter();
        loop {
            let error = match send(address, message) {
                Ok(()) => return,
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if error.kind() == io::ErrorKind::WouldBlock => {
                    Timer::after(*pause).await;
                }
                _ => {
                    log::warn!("cannot tell the service manager how the daemon stands: {error}");
                    return;
                }
            }
        }
    }
}

/// Over a socket of its own each time: the manager may have made its end anew.
fn send(address: &SocketAddr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), address)?;
    Ok(())
}

/// A path, or a name that is in no file system, which begins with an `@`.
fn address_of(text: &str) -> io::Result<SocketAddr> {
    match text.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(text),
        _ => Err(io::Error::other(
            "it is neither a path nor an abstract name",
        )),
    }
}

/// A value, which ends with its line.
fn line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn of(variables: &[(&str, &str)]) -> Supervisor {
        Supervisor::from_environment(&|name| {
            let mut variables = variables.iter();
            let (_, value) = variables.find(|(known, _)| *known == name)?;
            Some((*value).to_string())
        })
    }

    fn next(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_is_told_at_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = of(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
        smol::block_on(async {
            supervisor.ready("two\nlines").await;
            assert_eq!(next(&socket), "READY=1\nSTATUS=two lines");
            supervisor.stopping(Duration::from_secs(30)).await;
            let told = next(&socket);
            assert!(told.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000\nSTATUS="));
        });
    }

    #[test]
    fn a_manager_is_told_at_an_abstract_name() {
        let name = format!("owl-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let supervisor = of(&[("NOTIFY_SOCKET", &format!("@{name}"))]);
        smol::block_on(supervisor.reloading());
        let told = next(&socket);
        let mut lines = told.lines();
        assert_eq!(lines.next(), Some("RELOADING=1"));
        let micros = lines.next().and_then(|l| l.strip_prefix("MONOTONIC_USEC="));
        assert!(micros.unwrap().parse::<u64>().unwrap() > 0, "{told}");
    }

    #[test]
    fn signs_of_life_are_given_only_where_they_are_wanted() {
        let name = format!("owl-test-pulse-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let path = format!("@{name}");
        // Ends, which `block_on` shows.
        smol::block_on(of(&[("NOTIFY_SOCKET", &path)]).pulse());
        smol::block_on(of(&[("WATCHDOG_USEC", "2000")]).pulse());
        let wanted = of(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "2000")]);
        smol::block_on(smol::future::or(wanted.pulse(), async {
            for _ in 0..3 {
                let told = smol::unblock({
                    let socket = socket.try_clone().unwrap();
                    move || next(&socket)
                });
                assert_eq!(told.await, "WATCHDOG=1");
            }
        }));
    }

    #[test]
    fn without_a_manager_or_with_one_that_is_gone_the_daemon_goes_on() {
        let since = Instant::now();
        for supervisor in [
            of(&[]),
            of(&[("NOTIFY_SOCKET", "")]),
            of(&[("NOTIFY_SOCKET", "vsock:2:1234")]),
            of(&[("NOTIFY_SOCKET", "/nonexistent/notify")]),
        ] {
            smol::block_on(supervisor.ready("here"));
        }
        assert!(since.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_manager_without_room_is_asked_again() {
        let name = format!("owl-test-full-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        while send(&address, "earlier").is_ok() {}
        let supervisor = of(&[("NOTIFY_SOCKET", &format!("@{name}"))]);
        let reading = std::thread::spawn(move || while next(&socket) == "earlier" {});
        smol::block_on(supervisor.ready("here"));
        reading.join().unwrap();
    }
}
