//! What the engine says of itself and its machine.

use hyper::Method;
use miniserde::Deserialize;

use super::client::{Call, Client};
use super::error::DockerError;
use super::json::parse;

/// The parts of `GET /info` that matter for running actions.
#[derive(Debug, Deserialize)]
pub struct Info {
    /// Version of the engine.
    #[serde(rename = "ServerVersion")]
    pub server_version: Option<String>,
    /// As `uname -m` names it: `x86_64`, `aarch64`, `armv7l` …
    #[serde(rename = "Architecture")]
    pub architecture: Option<String>,
    /// Release of the kernel, as `uname -r` gives it.
    #[serde(rename = "KernelVersion")]
    pub kernel_version: Option<String>,
    /// Folder of the engine's images and containers, on its machine.
    #[serde(rename = "DockerRootDir")]
    pub docker_root_dir: Option<String>,
    /// Whether memory limits work: the kernels of some boards have that cgroup switched off.
    #[serde(rename = "MemoryLimit")]
    pub memory_limit: Option<bool>,
    /// Bytes of memory.
    #[serde(rename = "MemTotal")]
    pub mem_total: Option<u64>,
    /// Processors.
    #[serde(rename = "NCPU")]
    pub ncpu: Option<u32>,
    /// `1` or `2`.
    #[serde(rename = "CgroupVersion")]
    pub cgroup_version: Option<String>,
    /// What the engine complains about.
    #[serde(rename = "Warnings")]
    pub warnings: Option<Vec<String>>,
}

impl Client {
    /// Asks for what the engine says of itself.
    pub async fn info(&self) -> Result<Info, DockerError> {
        let what = "ask for information";
        parse(
            what,
            &self.call(Call::new(Method::GET, "/info", what)).await?,
        )
    }
}
