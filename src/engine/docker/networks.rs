//! Networks of the Engine API.

use std::net::IpAddr;

use hyper::Method;
use miniserde::Deserialize;

use super::client::{Call, Client};
use super::error::DockerError;
use super::json::parse;
use crate::http::percent::encode;

/// A network.
#[derive(Debug, Deserialize)]
pub struct Network {
    /// Its name.
    #[serde(rename = "Name")]
    pub name: String,
    /// Its id.
    #[serde(rename = "Id")]
    pub id: String,
    /// Its driver: `bridge`, `overlay` …
    #[serde(rename = "Driver")]
    pub driver: Option<String>,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
}

#[derive(Debug, Deserialize)]
struct Ipam {
    #[serde(rename = "Config")]
    config: Option<Vec<IpamConfig>>,
}

#[derive(Debug, Deserialize)]
struct IpamConfig {
    #[serde(rename = "Gateway")]
    gateway: Option<String>,
}

impl Network {
    /// The address of the host in this network, as containers see it; IPv4 if there is a choice.
    pub fn gateway(&self) -> Option<IpAddr> {
        let configs = self.ipam.as_ref()?.config.as_ref()?;
        configs
            .iter()
            // Some engines write the address with its prefix length.
            .filter_map(|config| config.gateway.as_deref()?.split('/').next()?.parse().ok())
            .min()
    }
}

impl Client {
    /// All networks.
    pub async fn list_networks(&self) -> Result<Vec<Network>, DockerError> {
        let what = "list networks";
        parse(
            what,
            &self.call(Call::new(Method::GET, "/networks", what)).await?,
        )
    }

    /// Looks at a network; none if it does not exist.
    pub async fn inspect_network(&self, name: &str) -> Result<Option<Network>, DockerError> {
        let what = format!("inspect network {name}");
        let path = format!("/networks/{}", encode(name));
        match self.call(Call::new(Method::GET, path, &*what)).await {
            Ok(document) => parse(&what, &document).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a bridge network.
    pub async fn create_network(&self, name: &str) -> Result<(), DockerError> {
        let mut call = Call::new(
            Method::POST,
            "/networks/create",
            format!("create network {name}"),
        );
        let network =
            serde_json::json!({ "Name": name, "Driver": "bridge", "CheckDuplicate": true });
        call.body = Some(network.to_string());
        self.call(call).await?;
        Ok(())
    }

    /// Removes a network that no container is in. Not existing is no error.
    pub async fn remove_network(&self, name: &str) -> Result<(), DockerError> {
        let path = format!("/networks/{}", encode(name));
        let call = Call::new(Method::DELETE, path, format!("remove network {name}"));
        match self.call(call).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways() {
        let gateway = |config: &str| {
            let document = format!(r#"{{"Name":"n","Id":"i","Driver":"bridge","IPAM":{config}}}"#);
            let network: Network = parse("look", document.as_bytes()).expect("is one");
            network.gateway().map(|address| address.to_string())
        };
        let two = r#"{"Config":[{"Subnet":"fd00::/64","Gateway":"fd00::1"},{"Gateway":"172.17.0.1/16"}]}"#;
        assert_eq!(gateway(two).as_deref(), Some("172.17.0.1"));
        assert_eq!(gateway(r#"{"Config":[{"Subnet":"172.17.0.0/16"}]}"#), None);
        assert_eq!(gateway(r#"{"Config":null}"#), None);
        assert_eq!(gateway("null"), None);
    }
}
