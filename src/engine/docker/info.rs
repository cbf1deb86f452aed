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

/// Go's name of an architecture, which Docker uses for images, from that of `uname -m` or Rust.
pub(super) fn go_architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv6l" | "armv7l" | "armv8l" => "arm",
        "i386" | "i486" | "i586" | "i686" | "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_architectures_agree() {
        for (kernel, rust) in [
            ("x86_64", "x86_64"),
            ("aarch64", "aarch64"),
            ("armv7l", "arm"),
            ("riscv64", "riscv64"),
        ] {
            assert_eq!(go_architecture(kernel), go_architecture(rust));
        }
        assert_ne!(go_architecture("aarch64"), go_architecture("arm"));
    }
}
