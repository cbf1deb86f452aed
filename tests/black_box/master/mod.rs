//! A gateway in front of a master: a second OWL behind a link that can be cut, or a server that
//! plays a script.

mod activations;
mod another;
mod before;
mod bursting;
mod composing;
mod fake;
mod fires;
mod forwarding;
mod hostile;
mod journal;
mod keys;
mod kill9;
mod large;
mod link;
mod many_bursts;
mod network;
mod outage;
mod outages;
mod rings;
mod running;
mod silent;
mod taken_over;
mod writing;

use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::daemon::{Daemon, Setup};

pub use fake::{Fake, Reply, Seen};
pub use link::Link;

/// Two OWLs, and the link between them.
pub struct Both {
    /// The one that clients speak to.
    pub gateway: Daemon,
    /// The one that it has as its master.
    pub master: Daemon,
    /// The way from one to the other.
    pub link: Link,
}

impl Both {
    /// A master, and a gateway that is set up so.
    pub fn start(gateway: Setup) -> Self {
        Self::of(Setup::new(), gateway)
    }

    /// Both set up so.
    pub fn of(master: Setup, gateway: Setup) -> Self {
        let master = master.start();
        let link = Link::to(master.address());
        let gateway = gateway.env("OWL_NEXT_OPENWHISK", link.url()).start();
        Both {
            gateway,
            master,
            link,
        }
    }

    /// A client of the gateway, and one of the master, both with the key of `guest`.
    pub fn clients(&self) -> (Client, Client) {
        (self.gateway.client(), self.master.client())
    }
}

/// Waits for what comes by itself.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}
