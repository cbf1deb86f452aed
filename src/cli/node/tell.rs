//! How a running daemon tells `owl status` of itself.

use std::net::SocketAddr;
use std::sync::Arc;

use smol::{Async, Task};

use super::{Shared, lock, status};

impl Shared {
    /// Tells how the daemon stands to who asks at the socket in its folder. It does without, where
    /// the folder can have none.
    pub(super) fn tell_status(self: Arc<Self>, addresses: &[SocketAddr]) -> Option<Task<()>> {
        let folder = &self.config.data_dir;
        let listener = match status::listen(folder).and_then(Async::new) {
            Ok(listener) => listener,
            Err(error) => {
                let folder = folder.display();
                log::warn!("owl status will not work: no socket can be made in {folder}: {error}");
                return None;
            }
        };
        let addresses: Vec<String> = addresses
            .iter()
            .map(|address| format!("http://{address}"))
            .collect();
        let executor = self.executor.clone();
        let tell = move || {
            let daemon = status::Daemon {
                started: self.started,
                addresses: addresses.clone(),
                has_docker: self.engines.has_docker(),
                figures: self.invoker.figures(),
            };
            let docker = lock(&self.docker).clone();
            let images = docker.map(|docker| docker.images());
            let document = status::document(daemon, self.pool.snapshot(), images);
            serde_json::to_vec(&document).expect("texts and numbers are valid JSON")
        };
        Some(
            executor
                .clone()
                .spawn(status::serve(executor, listener, tell)),
        )
    }
}
