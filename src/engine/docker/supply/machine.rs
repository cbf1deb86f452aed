//! The machine that the engine runs on.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::emulation::{self, Emulation};
use super::platform::Platform;
use crate::blocking::unblock;
use crate::engine::docker::client::Client;
use crate::engine::docker::error::DockerError;
use crate::engine::docker::host::Host;

/// Where the kernel tells its release.
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// What is known of it.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// What its programs are made for.
    pub(super) platform: Platform,
    /// Whether it is this one: then its kernel and its disk can be looked at.
    is_here: bool,
    /// Where the engine keeps its images.
    root: Option<PathBuf>,
}

impl Machine {
    /// Asks the engine.
    pub(super) async fn ask(client: &Client) -> Result<Self, DockerError> {
        let info = client.info().await?;
        let release = std::fs::read_to_string(RELEASE).ok();
        let same_kernel = match (&info.kernel_version, &release) {
            (Some(engine), Some(here)) => engine == here.trim(),
            _ => false,
        };
        Ok(Machine {
            platform: Platform::new(info.architecture.as_deref().unwrap_or_default(), None),
            // A socket may lead into a virtual machine, which has a kernel of its own.
            is_here: same_kernel && matches!(client.host(), Host::Unix(_)),
            root: info.docker_root_dir.map(PathBuf::from),
        })
    }

    /// Whose programs it emulates.
    pub(super) async fn emulation(&self) -> Emulation {
        if !self.is_here {
            return Emulation::Unknown;
        }
        let read = unblock(|| Emulation::read(Path::new(emulation::FOLDER))).await;
        read.unwrap_or(Emulation::Unknown)
    }

    /// Bytes that are free where the engine keeps its images; none if that is elsewhere.
    pub(super) async fn free(&self) -> Option<u64> {
        let root = self.root.clone().filter(|_| self.is_here)?;
        let found = unblock(move || statvfs(&root)).await.ok()?.ok()?;
        // The types differ between 32 and 64 bits.
        #[allow(clippy::unnecessary_cast)]
        let free = found.blocks_available() as u64 * found.fragment_size() as u64;
        Some(free)
    }
}
