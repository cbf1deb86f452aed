//! What all connections to other OpenWhisks share.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use rustls::ClientConfig;
use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use super::agent::Agents;
use super::client::Client;
use super::names::Names;
use super::proxy::proxy_of;
use super::trust::client_config;
use super::workers::Workers;
use crate::config;
use crate::sync::lock;

/// Why other OpenWhisks cannot be spoken to: what failed, on what, and what to do.
#[derive(Debug)]
pub struct NetworkError(String);

impl NetworkError {
    /// `what` failed because of `reason`.
    pub(super) fn new(what: &str, reason: impl fmt::Display) -> Self {
        NetworkError(format!("{what}: {reason}"))
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NetworkError {}

/// A value of the environment.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The threads, names and certificates that all connections to other OpenWhisks share.
pub struct Network {
    settings: config::Upstream,
    workers: Arc<Workers>,
    names: Names,
    /// For https; none without such a URL.
    tls: Option<Arc<ClientConfig>>,
    /// The connections of each client, which are closed at rest.
    agents: Arc<Mutex<Vec<Weak<Agents>>>>,
}

impl Network {
    /// A network for these URLs. `environment` gives `SSL_CERT_FILE` and the proxies.
    ///
    /// # Errors
    /// The file with authorities (`OWL_CA_FILE`) cannot be used.
    pub fn new(
        settings: config::Upstream,
        urls: &[String],
        environment: Environment<'_>,
    ) -> Result<Self, NetworkError> {
        let is_secure = |url: &String| url.starts_with("https://");
        let tls = match urls.iter().any(is_secure) {
            true => Some(client_config(
                settings.ca_file.as_deref(),
                settings.insecure,
                environment,
            )?),
            false => None,
        };
        if settings.insecure {
            log::warn!(
                "OWL_INSECURE: the certificates of the master and of the tiers are not checked, \
                 so that others can read and change what is sent to them"
            );
        }
        let agents: Arc<Mutex<Vec<Weak<Agents>>>> = Arc::default();
        let all = agents.clone();
        let at_rest = move || {
            for agents in lock(&all).iter().filter_map(Weak::upgrade) {
                agents.close_idle();
            }
        };
        Ok(Network {
            workers: Arc::new(Workers::new(settings.forwards, at_rest)),
            names: Names::default(),
            tls,
            agents,
            settings,
        })
    }

    /// What speaks to the OpenWhisk at a URL, which is without `/api/v1`.
    ///
    /// # Errors
    /// It is no URL, or the environment names a proxy that cannot be used.
    pub fn client(&self, url: &str, environment: Environment<'_>) -> Result<Client, NetworkError> {
        let uri: Uri = url
            .parse()
            .map_err(|error| NetworkError::new(&format!("cannot use {url}"), error))?;
        let proxy = proxy(&uri, environment)?;
        let agents = Agents::new(
            &uri,
            &self.settings,
            self.names.clone(),
            self.tls.clone(),
            proxy,
        );
        let agents = Arc::new(agents);
        lock(&self.agents).push(Arc::downgrade(&agents));
        Ok(Client::new(
            url,
            agents,
            self.workers.clone(),
            &self.settings,
        ))
    }
}

/// The proxy on the way to a URL, and how it is told: without its credentials.
fn proxy(uri: &Uri, environment: Environment<'_>) -> Result<Option<(Proxy, String)>, NetworkError> {
    let Some(named) = proxy_of(uri, environment) else {
        return Ok(None);
    };
    // Without the value: it may hold a password.
    let unusable = || {
        let what = format!("cannot use the proxy of the variable {}", named.variable);
        NetworkError::new(&what, "it is no http:// or https:// URL")
    };
    let proxy = Proxy::new(&named.url).map_err(|_| unusable())?;
    if !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
        return Err(unusable());
    }
    let told = format!("{}:{} ({})", proxy.host(), proxy.port(), named.variable);
    log::info!(
        "{}://{} is reached through the proxy {told}",
        uri.scheme_str().unwrap_or_default(),
        uri.host().unwrap_or_default(),
    );
    Ok(Some((proxy, told)))
}
