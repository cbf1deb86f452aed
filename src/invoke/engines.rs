//! Which engine runs a kind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use crate::engine::Engine;

/// The engines of this gateway. The Docker Engine may come, and be told of, later.
pub struct Engines {
    process: Arc<dyn Engine>,
    host_api: String,
    docker: RwLock<Option<Docker>>,
    has_docker: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Docker {
    engine: Arc<dyn Engine>,
    api_host: String,
}

impl Engines {
    /// Only the process engine, for now. Its children reach the API at `host_api`, if they have
    /// a network.
    pub fn new(process: Arc<dyn Engine>, host_api: String) -> Self {
        Engines {
            process,
            host_api,
            docker: RwLock::new(None),
            has_docker: Arc::default(),
        }
    }

    /// A Docker Engine answers; its containers reach the API at `api_host`.
    pub fn set_docker(&self, engine: Arc<dyn Engine>, api_host: String) {
        let mut docker = self
            .docker
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *docker = Some(Docker { engine, api_host });
        self.has_docker.store(true, Ordering::Relaxed);
    }

    /// Whether a Docker Engine has answered; changes when one does.
    pub fn docker_flag(&self) -> Arc<AtomicBool> {
        self.has_docker.clone()
    }

    /// Whether a Docker Engine has answered.
    pub fn has_docker(&self) -> bool {
        self.has_docker.load(Ordering::Relaxed)
    }

    /// The Docker Engine and the URL under which its containers reach the API.
    pub fn docker_engine(&self) -> Option<(Arc<dyn Engine>, String)> {
        self.docker().map(|docker| (docker.engine, docker.api_host))
    }

    /// The process engine.
    pub fn process_engine(&self) -> Arc<dyn Engine> {
        self.process.clone()
    }

    /// The URL under which processes of this machine reach the API.
    pub fn host_api(&self) -> &str {
        &self.host_api
    }

    fn docker(&self) -> Option<Docker> {
        self.docker
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }
}
