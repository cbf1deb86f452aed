//! An engine that can go away and come back: a socket in front of the real one.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Passes bytes between a socket of its own and the engine's.
pub struct Relay {
    dir: tempfile::TempDir,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Relay {
    /// Listens in front of an engine.
    pub fn start(engine: PathBuf) -> Relay {
        let relay = Relay {
            dir: tempfile::tempdir().expect("is made"),
            open: Arc::default(),
        };
        relay.listen(engine);
        relay
    }

    /// Its address, as for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// As when the engine stops: all connections end and new ones are refused.
    pub fn stop(&self) {
        std::fs::remove_file(self.socket()).expect("was there");
        for stream in self.open.lock().expect("no panic").drain(..) {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// As when the engine is back.
    pub fn listen(&self, engine: PathBuf) {
        let listener = UnixListener::bind(self.socket()).expect("binds");
        let open = self.open.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let here = stream.expect("accepts");
                let there = UnixStream::connect(&engine).expect("the engine answers");
                let copies = [&here, &there].map(|stream| stream.try_clone().expect("is open"));
                open.lock().expect("no panic").extend(copies);
                let pairs = [(here.try_clone(), there.try_clone()), (Ok(there), Ok(here))];
                for (from, to) in pairs {
                    let (mut from, mut to) = (from.expect("is open"), to.expect("is open"));
                    std::thread::spawn(move || {
                        // How a connection ends is none of the relay's business.
                        drop(std::io::copy(&mut from, &mut to));
                        drop(to.shutdown(Shutdown::Write));
                    });
                }
            }
        });
    }
}
