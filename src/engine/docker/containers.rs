//! Containers of the Engine API.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use hyper::Method;
use miniserde::Deserialize;
use serde::Serialize;

use crate::http::client::ResponseStream;

use super::client::{Call, Client};
use super::error::DockerError;
use super::json::parse;
use crate::http::percent::encode;

/// What is to be created. Field names are Docker's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateContainer {
    pub(super) image: String,
    pub(super) env: Vec<String>,
    pub(super) labels: BTreeMap<&'static str, String>,
    pub(super) host_config: HostConfig,
}

/// The part of it that concerns the host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HostConfig {
    pub(super) network_mode: String,
    /// Bytes.
    pub(super) memory: u64,
    /// Bytes of memory and swap together.
    pub(super) memory_swap: u64,
    pub(super) cpu_shares: u32,
    pub(super) pids_limit: u32,
    pub(super) ulimits: Vec<Ulimit>,
    pub(super) cap_drop: Vec<&'static str>,
    pub(super) cap_add: Vec<&'static str>,
    pub(super) security_opt: Vec<&'static str>,
    pub(super) log_config: LogConfig,
}

/// A resource limit of the processes in a container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ulimit {
    pub(super) name: &'static str,
    pub(super) soft: u32,
    pub(super) hard: u32,
}

/// Where the engine keeps what a container prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LogConfig {
    pub(super) r#type: &'static str,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
}

/// A container as it is now.
#[derive(Debug, Deserialize)]
pub struct InspectedContainer {
    /// Its full id.
    #[serde(rename = "Id")]
    pub id: String,
    /// Id of its image.
    #[serde(rename = "Image")]
    pub image: Option<String>,
    /// What its process does.
    #[serde(rename = "State")]
    pub state: ContainerState,
    /// Where it can be reached.
    #[serde(rename = "NetworkSettings")]
    pub network_settings: NetworkSettings,
}

impl InspectedContainer {
    /// Its address in a network, while it runs.
    pub(super) fn address_in(&self, network: &str) -> Option<IpAddr> {
        let networks = self.network_settings.networks.as_ref()?;
        networks.get(network)?.ip_address.as_deref()?.parse().ok()
    }
}

/// State of a container.
#[derive(Debug, Deserialize)]
pub struct ContainerState {
    /// Its process runs, or would if it were not paused.
    #[serde(rename = "Running")]
    pub running: bool,
    /// The engine has stopped its processes where they are.
    #[serde(rename = "Paused")]
    pub paused: Option<bool>,
    /// Number of its first process on the engine's machine; 0 while there is none.
    #[serde(rename = "Pid")]
    pub pid: Option<i64>,
    /// The kernel killed a process in it for memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: Option<bool>,
    /// Of its ended process.
    #[serde(rename = "ExitCode")]
    pub exit_code: i64,
}

/// Networks of a container.
#[derive(Debug, Deserialize)]
pub struct NetworkSettings {
    /// By name. (The addresses beside this field go away in API 1.52.)
    #[serde(rename = "Networks")]
    pub networks: Option<BTreeMap<String, EndpointSettings>>,
}

/// A container's place in one network.
#[derive(Debug, Deserialize)]
pub struct EndpointSettings {
    /// Its address; empty while it does not run.
    #[serde(rename = "IPAddress")]
    pub ip_address: Option<String>,
}

/// A container in a list.
#[derive(Debug, Deserialize)]
pub struct ContainerSummary {
    /// Its full id.
    #[serde(rename = "Id")]
    pub id: String,
    /// Its names, each with a slash in front.
    #[serde(rename = "Names")]
    pub names: Option<Vec<String>>,
    /// `running`, `exited`, `paused` …
    #[serde(rename = "State")]
    pub state: Option<String>,
    /// Its labels.
    #[serde(rename = "Labels")]
    pub labels: Option<HashMap<String, String>>,
    /// Id of its image.
    #[serde(rename = "ImageID")]
    pub image_id: Option<String>,
}

impl ContainerSummary {
    /// Its first name, without the slash.
    pub fn name(&self) -> &str {
        let names = self.names.as_deref().unwrap_or_default();
        names
            .first()
            .map_or("", |name| name.trim_start_matches('/'))
    }

    /// Whether its process has run and does not any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_deref(), Some("exited" | "dead" | "stopped"))
    }
}

impl Client {
    /// Creates a container and gives its id. A missing image is a 404, a name in use a 409.
    pub(super) async fn create_container(
        &self,
        name: &str,
        container: &CreateContainer,
    ) -> Result<String, DockerError> {
        let what = format!("create container {name}");
        let path = format!("/containers/create?name={}", encode(name));
        let mut call = Call::new(Method::POST, path, &*what);
        let body = serde_json::to_string(container).expect("texts and numbers are valid JSON");
        call.body = Some(body);
        let created: Created = parse(&what, &self.call(call).await?)?;
        Ok(created.id)
    }

    /// Starts a container.
    pub(super) async fn start_container(&self, name: &str) -> Result<(), DockerError> {
        let path = format!("/containers/{}/start", encode(name));
        let what = format!("start container {name}");
        self.call(Call::new(Method::POST, path, what)).await?;
        Ok(())
    }

    /// Looks at a container, by id or name.
    pub async fn inspect_container(&self, name: &str) -> Result<InspectedContainer, DockerError> {
        let what = format!("inspect container {name}");
        let path = format!("/containers/{}/json", encode(name));
        parse(
            &what,
            &self.call(Call::new(Method::GET, path, &*what)).await?,
        )
    }

    /// Sends a signal, such as `KILL`, to a container's process.
    pub async fn kill_container(&self, name: &str, signal: &str) -> Result<(), DockerError> {
        let path = format!(
            "/containers/{}/kill?signal={}",
            encode(name),
            encode(signal)
        );
        let what = format!("send signal {signal} to container {name}");
        self.call(Call::new(Method::POST, path, what)).await?;
        Ok(())
    }

    /// Stops the processes of a container where they are. One that does not run, or is paused
    /// already, is a conflict.
    pub async fn pause_container(&self, name: &str) -> Result<(), DockerError> {
        let path = format!("/containers/{}/pause", encode(name));
        let what = format!("pause container {name}");
        self.call(Call::new(Method::POST, path, what)).await?;
        Ok(())
    }

    /// Lets a paused container go on. One that is not paused is a conflict.
    pub async fn unpause_container(&self, name: &str) -> Result<(), DockerError> {
        let path = format!("/containers/{}/unpause", encode(name));
        let what = format!("unpause container {name}");
        self.call(Call::new(Method::POST, path, what)).await?;
        Ok(())
    }

    /// Kills a container, if it runs, and removes it with its volumes. Tells whether it was there;
    /// one that is being removed already is a conflict.
    pub(super) async fn remove_container(&self, name: &str) -> Result<bool, DockerError> {
        let path = format!("/containers/{}?force=1&v=1", encode(name));
        let what = format!("remove container {name}");
        match self.call(Call::new(Method::DELETE, path, what)).await {
            Err(error) if error.is_not_found() => Ok(false),
            result => result.map(|_| true),
        }
    }

    /// All containers, running or not, that have a label with this value.
    pub async fn list_containers(
        &self,
        label: &str,
        value: &str,
    ) -> Result<Vec<ContainerSummary>, DockerError> {
        let what = format!("list containers with label {label}={value}");
        let filters = serde_json::json!({ "label": [format!("{label}={value}")] }).to_string();
        let path = format!("/containers/json?all=1&filters={}", encode(&filters));
        parse(
            &what,
            &self.call(Call::new(Method::GET, path, &*what)).await?,
        )
    }

    /// All containers, running or not, whoever's they are.
    pub(super) async fn all_containers(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        let what = "list all containers";
        let call = Call::new(Method::GET, "/containers/json?all=1", what);
        parse(what, &self.call(call).await?)
    }

    /// Opens the stream of what a container prints from now on, in frames.
    pub(super) async fn attach_container(&self, name: &str) -> Result<ResponseStream, DockerError> {
        let path = format!(
            "/containers/{}/attach?stream=1&stdout=1&stderr=1",
            encode(name)
        );
        let mut call = Call::new(Method::POST, path, format!("attach to container {name}"));
        call.limit = Duration::from_secs(10);
        self.stream(call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_inspect_says() {
        // As of API 1.52, and of a container that has ended.
        let document = br#"{"Id":"c1","Name":"/a","State":{"Status":"exited","Running":false,
            "OOMKilled":true,"ExitCode":137,"Error":""},
            "NetworkSettings":{"SandboxID":"","Networks":{"bridge":{"IPAMConfig":null,"IPAddress":""}}}}"#;
        let container: InspectedContainer = parse("inspect", document).expect("is one");
        assert!(!container.state.running && container.state.oom_killed == Some(true));
        assert_eq!(container.state.exit_code, 137);
        let networks = container.network_settings.networks.expect("has networks");
        assert_eq!(networks["bridge"].ip_address.as_deref(), Some(""));
    }

    #[test]
    fn names_in_lists() {
        let document =
            br#"[{"Id":"c1","Names":["/owl_1"],"State":"exited"},{"Id":"c2","Names":null}]"#;
        let list: Vec<ContainerSummary> = parse("list", document).expect("is one");
        assert_eq!((list[0].name(), list[0].has_ended()), ("owl_1", true));
        assert_eq!((list[1].name(), list[1].has_ended()), ("", false));
    }
}
