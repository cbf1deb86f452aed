//! The service manager that may have started the daemon: what it is told, and what it hands over.
//!
//! systemd's protocols, of which each part is left out where its environment variable is not set:
//! readiness and state (`NOTIFY_SOCKET`, sd_notify(3)), signs of life (`WATCHDOG_USEC`,
//! sd_watchdog_enabled(3)) and sockets that it listens on for the daemon (`LISTEN_FDS`,
//! sd_listen_fds(3)).

mod notify;
mod sockets;
mod watchdog;

pub use notify::Supervisor;
pub use sockets::{SocketError, inherited};
