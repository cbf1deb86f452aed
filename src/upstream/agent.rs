//! ureq as it is used here: it adds nothing to a request, follows nothing, and unpacks nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ClientConfig;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _};
use ureq::{Agent, Proxy};

use super::names::Names;
use super::reach::{Later, Reach};
use super::socket::Pace;
use super::tls::Tls;
use super::watch::{RATE, Watch};
use crate::config;
use crate::sync::lock;

/// Bytes of the largest head of an answer. There are as many for what comes in on a connection.
const HEAD: usize = 32 * 1024;

/// Bytes for what goes out on a connection: a line of a request's head must fit, which the server
/// takes up to 16 KiB of.
const OUT: usize = 20 * 1024;

/// Connections that wait for a next call.
const IDLE: usize = 4;

/// How long one waits at most.
const IDLE_AGE: Duration = Duration::from_secs(10);

/// The connections to one OpenWhisk.
pub(super) struct Agents {
    config: Config,
    host: String,
    /// The proxy on the way, without its credentials, and the variable that names it.
    proxy: Option<String>,
    stall: Duration,
    names: Names,
    tls: Option<Arc<ClientConfig>>,
    current: Mutex<Agent>,
}

impl Agents {
    pub(super) fn new(
        uri: &Uri,
        settings: &config::Upstream,
        names: Names,
        tls: Option<Arc<ClientConfig>>,
        proxy: Option<(Proxy, String)>,
    ) -> Self {
        let (proxy, told) = proxy.unzip();
        let config = Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            // Names are looked up in here, too.
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_send_request(Some(settings.answer_timeout))
            .timeout_per_write(Some(settings.answer_timeout))
            // A byte less, so that a head that is too large is told from an end.
            .max_response_header_size(HEAD - 1)
            .input_buffer_size(HEAD)
            .output_buffer_size(OUT)
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE)
            .max_idle_age(IDLE_AGE)
            .build();
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let host = host.to_owned();
        let stall = settings.answer_timeout;
        let current = Mutex::new(agent(&config, &host, stall, &names, tls.as_ref()));
        Agents {
            config,
            host,
            proxy: told,
            stall,
            names,
            tls,
            current,
        }
    }

    /// The proxy on the way, as it may be told.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// What carries a call.
    pub(super) fn agent(&self) -> Agent {
        lock(&self.current).clone()
    }

    /// Closes the connections that wait for a next call: ureq does so only when there is one.
    pub(super) fn close_idle(&self) {
        let tls = self.tls.as_ref();
        let fresh = agent(&self.config, &self.host, self.stall, &self.names, tls);
        *lock(&self.current) = fresh;
    }
}

fn agent(
    config: &Config,
    host: &str,
    stall: Duration,
    names: &Names,
    tls: Option<&Arc<ClientConfig>>,
) -> Agent {
    let watch = Watch {
        host: host.to_owned(),
        stall,
    };
    let pace = Pace { stall, rate: RATE };
    let reach = Reach::new(names.clone(), pace);
    let socket = ().chain(ConnectProxyConnector::default()).chain(reach);
    match tls {
        Some(tls) => {
            let chain = socket.chain(Tls(tls.clone())).chain(watch);
            Agent::with_parts(config.clone(), chain, Later)
        }
        None => Agent::with_parts(config.clone(), socket.chain(watch), Later),
    }
}
