//! Which network action containers are put into, and where they find the API.

use std::net::IpAddr;
use std::path::Path;

use super::client::Client;
use super::error::DockerError;

/// The network of action containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name.
    pub(super) network: String,
    /// Where containers in it reach this process: its own address if it runs in a container of
    /// that network, else the gateway.
    pub(super) address: Option<IpAddr>,
}

/// Takes the given network, creating it if there is none; or the first one of the container that
/// this process runs in; or the engine's default.
pub(super) async fn choose(client: &Client, given: Option<&str>) -> Result<Place, DockerError> {
    let own = own_places(client).await?;
    if let Some(given) = given {
        let given = client.flavour().network_name(given);
        if let Some(place) = own.iter().find(|place| place.network == given) {
            return Ok(place.clone());
        }
        if client.inspect_network(given).await?.is_none() {
            log::info!("creating network {given}: the engine has none of this name");
            client.create_network(given).await?;
        }
        return on_host(client, given).await;
    }
    if let Some(place) = own.into_iter().next() {
        return Ok(place);
    }
    on_host(client, client.flavour().network_name("bridge")).await
}

async fn on_host(client: &Client, network: &str) -> Result<Place, DockerError> {
    let found = client.inspect_network(network).await?;
    let Some(found) = found else {
        let all = client.list_networks().await?;
        let names: Vec<_> = all.iter().map(|network| network.name.as_str()).collect();
        return Err(DockerError::Refused {
            what: format!("use network {network}"),
            status: 404,
            message: format!("it does not exist; there are: {}", names.join(", ")),
        });
    };
    Ok(Place {
        network: network.to_owned(),
        address: found.gateway(),
    })
}

/// The networks of the container that this process runs in, by name; empty on a host.
async fn own_places(client: &Client) -> Result<Vec<Place>, DockerError> {
    // A host's name may be that of some container by chance.
    let in_container = ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|path| Path::new(path).exists());
    let name = nix::unistd::gethostname().ok();
    let Some(name) = name.filter(|_| in_container) else {
        return Ok(Vec::new());
    };
    let container = match client.inspect_container(&name.to_string_lossy()).await {
        Ok(container) => container,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let networks = container.network_settings.networks.unwrap_or_default();
    Ok(networks
        .into_iter()
        .filter_map(|(network, endpoint)| {
            let address = endpoint.ip_address?.parse().ok()?;
            Some(Place {
                network,
                address: Some(address),
            })
        })
        .collect())
}
