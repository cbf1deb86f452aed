//! A way between two programs that can be cut.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Carries connections to a server, until it is cut: then those that are open break, and new ones
/// are refused.
pub struct Link {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_up: bool,
    /// `host:port` of its far end.
    to: String,
    /// Both ends of what is open.
    open: Vec<TcpStream>,
}

impl Link {
    /// A link to `host:port`.
    pub fn to(address: &str) -> Self {
        let link = Self::nowhere();
        link.lead_to(address);
        link
    }

    /// A link that leads nowhere yet: to somebody who must know its near end before it starts.
    pub fn nowhere() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let link = Link {
            address: listener.local_addr().expect("the port of the link"),
            state: Arc::default(),
        };
        link.carry(listener);
        link
    }

    /// From now on it leads to `host:port`.
    pub fn lead_to(&self, address: &str) {
        self.state.lock().expect("the link's lock").to = address.into();
    }

    /// The URL at its near end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks it.
    pub fn cut(&self) {
        {
            let mut state = self.state.lock().expect("the link's lock");
            state.is_up = false;
            for stream in state.open.drain(..) {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
        // The listener looks at it when somebody comes, and goes.
        while TcpStream::connect(self.address).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Mends it, at the same address.
    pub fn restore(&self) {
        self.carry(TcpListener::bind(self.address).expect("the port of the link again"));
    }

    fn carry(&self, listener: TcpListener) {
        self.state.lock().expect("the link's lock").is_up = true;
        let state = self.state.clone();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut state = state.lock().expect("the link's lock");
                if !state.is_up {
                    return;
                }
                let Ok(far) = TcpStream::connect(&state.to) else {
                    continue;
                };
                near.set_nodelay(true).ok();
                far.set_nodelay(true).ok();
                for stream in [&near, &far] {
                    state
                        .open
                        .push(stream.try_clone().expect("a second handle"));
                }
                one_way(&near, &far);
                one_way(&far, &near);
            }
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Carries what comes from one end to the other, until it ends.
fn one_way(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("a second handle");
    let mut to = to.try_clone().expect("a second handle");
    thread::spawn(move || {
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
}
