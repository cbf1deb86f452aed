//! A running daemon: store, engines, pool, API and servers, put together and taken apart.

mod apply;
mod tell;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::channel::{Receiver, Sender, bounded};
use smol::{Task, Timer};

use super::idle::Activity;
use super::upstreams::{self, Upstreams};
use super::{host_kinds, operator, pool, status};
use crate::Executor;
use crate::api;
use crate::blocking::unblock;
use crate::builtin;
use crate::catalog::{Catalog, Manifest};
use crate::config::{Config, DockerHost};
use crate::engine::docker::{DockerEngine, DockerOptions};
use crate::engine::process::{ProcessEngine, ProcessOptions};
use crate::engine::{Engine, Listener};
use crate::http::client::within;
use crate::http::server::{Server, ServerOptions};
use crate::invoke::{self, Engines, Invoker, Rates, Rooms, Throttles};
use crate::pool::{self as sandboxes, Driver};
use crate::store::{Options, Store};
use crate::sync::Current;

/// Largest result of an action in bytes (reference section 7.6).
const MAX_RESPONSE: u64 = 1 << 20;

/// How much longer than its time limit a component of a sequence may take (reference section 5.2).
const COMPONENT_GRACE: Duration = Duration::from_secs(60);

/// How long a start waits for the Docker Engine's answer before it goes on without.
const DOCKER_ANSWERS: Duration = Duration::from_secs(3);

/// How long calls wait at most for it to be known what an earlier run has left.
const LONGEST_ADOPTION: Duration = Duration::from_secs(30);

/// Longest pause between two attempts to find a Docker Engine that was not there at the start.
const LONGEST_SEARCH_PAUSE: Duration = Duration::from_secs(60);

/// Why the daemon cannot start: what failed, on what, and what to do.
#[derive(Debug)]
pub struct NodeError(String);

impl NodeError {
    /// `what` failed because of `error`.
    pub fn new(what: &str, error: impl fmt::Display) -> Self {
        NodeError(format!("{what}: {error}"))
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NodeError {}

/// A daemon that serves.
pub struct Node {
    shared: Arc<Shared>,
    store: Store,
    addresses: Vec<SocketAddr>,
    drain: Duration,
    /// Looks for a Docker Engine that was not there at the start.
    _search: Option<Task<()>>,
    /// Ask the master and the tiers from time to time, while they are out of reach.
    _watches: Vec<Task<()>>,
    /// Gives the master what was written here without it.
    replay: Option<Task<()>>,
    /// Gives the master the triggers that were fired here without it.
    deliver: Option<Task<()>>,
    /// Tells how the daemon stands to who asks on this machine.
    _status: Option<Task<()>>,
    /// Keep what is known of calls, and start sandboxes ahead of those that are expected.
    ahead: [Task<()>; 2],
}

/// What is needed when a Docker Engine is found, at the start or later.
struct Shared {
    executor: Executor,
    engines: Arc<Engines>,
    invoker: Invoker,
    /// The pool of the invoker.
    pool: Driver,
    /// One of the engines.
    process: Arc<ProcessEngine>,
    /// The kinds, and the rates, that hold now.
    manifest: Current<Arc<Manifest>>,
    rates: Current<Rates>,
    state: api::State,
    started: Instant,
    config: Config,
    /// Port that the daemon really listens on.
    port: u16,
    docker: Mutex<Option<Arc<DockerEngine>>>,
    servers: Mutex<Servers>,
}

/// The servers that run, and how to end them.
struct Servers {
    running: Vec<Task<usize>>,
    /// Each tells how many connections one of them has open.
    connections: Vec<Box<dyn Fn() -> usize + Send>>,
    /// Dropped to end them all.
    end: Option<Sender<()>>,
    ended: Receiver<()>,
}

/// What becomes of warm containers when the daemon ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They are removed.
    Remove,
    /// They are left to the next run.
    Leave,
}

impl Node {
    /// Starts a daemon: opens the store, listens, finds the engines, and settles what an earlier
    /// run has left. It serves on `sockets`, which listen already; without any it makes those that
    /// the settings name.
    pub async fn start(
        executor: Executor,
        mut config: Config,
        sockets: Vec<TcpListener>,
    ) -> Result<Node, NodeError> {
        let manifest = Arc::new(manifest(&config)?);
        let upstreams = Upstreams::new(&config)?;
        let options = Options {
            max_age: config.activations_age,
            max_count: config.activations_count,
            keys_of_master: upstreams.master.is_some(),
            ..Options::with_map_size(config.store_size)
        };
        // What fails here names the folder itself.
        let store = Store::open(&config.data_dir, options)
            .map_err(|error| NodeError::new("cannot start", error))?;
        let operator = operator::find(config.operator_file.as_deref(), &super::environment)?;
        let inherited = !sockets.is_empty();
        let listeners = match inherited {
            true => sockets,
            false => listen(&config.bind, config.port)?,
        };
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        if inherited {
            config.bind = addresses.iter().map(SocketAddr::ip).collect();
        }

        let bounds = pool::settings(&config);
        let live = live(&config, &bounds);
        let pool = Driver::watching(executor.clone(), bounds, Some(pool::watch(&config)));
        let options = ProcessOptions {
            interpreter_kinds: host_kinds::of(&manifest),
            events: pool.listener("process"),
            ..ProcessOptions::default()
        };
        let process = ProcessEngine::new(executor.clone(), options)
            .map_err(|error| NodeError::new("cannot run actions as processes", error))?;
        host_kinds::log(&manifest);
        let manifest = Current::new(manifest);
        let port = addresses.first().map_or(config.port, SocketAddr::port);
        let host_api = config
            .api_host
            .clone()
            .unwrap_or_else(|| local_api(&config.bind, port));
        let watches = upstreams.all().into_iter();
        let watches = watches.map(|upstream| executor.spawn(upstream.watch()));
        let watches = watches.collect();
        let catalog = Catalog::new(store.clone());
        let via = upstreams::via(&store)?;
        let is_alone = upstreams.all().is_empty();
        let master = match upstreams.master {
            Some(upstream) => {
                let rooms = (&catalog, &executor, &pool);
                let master = upstreams::master(upstream, &config, &via, rooms);
                Some(Arc::new(master?))
            }
            None => None,
        };
        let catalog = match &master {
            Some(master) => catalog.supplied_by(Arc::new(master.copies.clone())),
            None => catalog,
        };
        let tiers = upstreams::tiers(upstreams.tiers.clone(), &config, &via);
        let keys = master.as_ref().map(|master| master.keys.clone());
        let replayer = master.as_ref().map(|master| master.replayer());
        let fires = master.as_ref().map(|master| master.fires.clone());
        let builtins = Arc::new(builtin::Services::new(store.clone(), keys, &host_api));
        let engines = Arc::new(Engines::new(process.clone(), host_api));
        let mut settings = api::Settings::with_rates(rates(&config));
        settings.actions.concurrency.max = config.action_concurrency;
        let rates = settings.rates.clone();
        let throttles = Arc::new(Throttles::new(rates.clone()));
        let invoker = Invoker::new(
            Rooms {
                executor: executor.clone(),
                catalog: catalog.clone(),
                pool: pool.clone(),
                engines: engines.clone(),
                manifest: manifest.clone(),
                throttles: throttles.clone(),
                builtins,
                tiers,
            },
            invoke::Settings {
                live: Current::new(live),
                max_response: MAX_RESPONSE,
                actions: settings.actions,
                sequence_length: settings.sequence_length,
                component_grace: COMPONENT_GRACE,
                durable_answers: config.durable_answers,
            },
        );
        let state = api::State::new(
            api::Services {
                store: store.clone(),
                catalog,
                invoker: Arc::new(invoker.clone()),
                throttles,
                manifest: manifest.clone(),
                docker: engines.docker_flag(),
                operations: api::Operations::new(invoker.metrics(), config.metrics, operator),
                master,
                tiers: upstreams.tiers,
                via: (!is_alone).then_some(via),
            },
            settings,
        );
        let (end, ended) = bounded(1);
        let shared = Arc::new(Shared {
            executor: executor.clone(),
            engines,
            invoker,
            pool,
            process,
            manifest,
            rates,
            state,
            started: Instant::now(),
            port,
            config,
            docker: Mutex::new(None),
            servers: Mutex::new(Servers {
                running: Vec::new(),
                connections: Vec::new(),
                end: Some(end),
                ended,
            }),
        });

        let search = shared.clone().find_docker(&store).await?;
        let recovered =
            shared.invoker.recover().await.map_err(|error| {
                NodeError::new("cannot read what an earlier run has left", error)
            })?;
        if recovered != Default::default() {
            log::info!(
                "of an earlier run, {} invocations run now and {} were closed",
                recovered.run,
                recovered.closed
            );
        }
        shared
            .invoker
            .remember_arrivals()
            .map_err(|error| NodeError::new("cannot read what is known of calls", error))?;
        let invoker = &shared.invoker;
        let ahead = [
            executor.spawn(invoker.clone().keep_arrivals()),
            executor.spawn(invoker.clone().prepare_expected()),
        ];
        if !shared.engines.has_docker() {
            shared.invoker.keep_stems();
        }
        shared.serve(listeners)?;
        let replay = replayer.map(|replayer| shared.executor.spawn(replayer.run()));
        let deliver = fires.map(|fires| shared.executor.spawn(fires.deliver()));
        let status = shared.clone().tell_status(&addresses);
        Ok(Node {
            _status: status,
            drain: shared.config.drain_timeout,
            shared,
            store,
            addresses,
            _search: search,
            _watches: watches,
            replay,
            deliver,
            ahead,
        })
    }

    /// Where the daemon listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What there is to do, and what was done.
    pub fn activity(&self) -> Activity {
        let servers = lock(&self.shared.servers);
        let open: usize = servers.connections.iter().map(|open| open()).sum();
        let master = self.shared.state.master();
        let owed = master.map_or(0, |master| {
            master.journal.waiting() + master.fires.waiting()
        });
        let invoker = &self.shared.invoker;
        Activity {
            answered: invoker.metrics().requests.total(),
            under_way: (open + invoker.figures().running) as u64 + owed,
        }
    }

    /// Takes no new work, lets running activations finish within the grace time, removes every
    /// sandbox and closes the store.
    pub async fn stop(self, ending: Ending) {
        // What is being replayed or delivered now is found again.
        drop((self.replay, self.deliver, self.ahead));
        let running = {
            let mut servers = lock(&self.shared.servers);
            servers.end = None;
            std::mem::take(&mut servers.running)
        };
        let servers = async {
            for server in running {
                server.await;
            }
        };
        let invoker = &self.shared.invoker;
        let drained = async {
            match ending {
                Ending::Remove => invoker.drain(self.drain).await,
                Ending::Leave => invoker.give_way(self.drain).await,
            }
        };
        smol::future::zip(drained, servers).await;
        let docker = lock(&self.shared.docker).take();
        if let Some(docker) = docker.filter(|_| ending == Ending::Remove) {
            for error in docker.remove_all().await {
                log::warn!("{error}");
            }
        }
        self.shared.invoker.store_arrivals().await;
        status::remove(&self.shared.config.data_dir);
        let store = self.store;
        if let Err(error) = unblock(move || store.close()).await {
            log::error!("the store was not closed: {error}");
        }
    }
}

impl Shared {
    /// Looks for the Docker Engine. One that is named in the settings is waited for as long as
    /// it takes, like one that may come later at a usual place: in the background.
    async fn find_docker(self: Arc<Self>, store: &Store) -> Result<Option<Task<()>>, NodeError> {
        if self.config.docker == DockerHost::None {
            return Ok(None);
        }
        let daemon_id = store
            .daemon_id()
            .map_err(|error| NodeError::new("cannot read the daemon's id", error))?;
        let options = DockerOptions {
            events: self.invoker.listener("docker"),
            ..docker_options(&self.config, daemon_id)
        };
        let connected = within(
            DOCKER_ANSWERS,
            DockerEngine::connect(self.executor.clone(), options.clone()),
        )
        .await;
        let reason = match connected {
            Ok(Ok(docker)) => {
                self.use_docker(docker);
                return Ok(None);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", DOCKER_ANSWERS.as_secs()),
        };
        log::warn!("no Docker Engine: {reason}; actions run in QuickJS until one answers");
        let shared = self.clone();
        Ok(Some(self.executor.spawn(async move {
            let mut pause = Duration::from_secs(2);
            loop {
                Timer::after(pause).await;
                match DockerEngine::connect(shared.executor.clone(), options.clone()).await {
                    Ok(docker) => return shared.use_docker(docker),
                    Err(error) => log::debug!("no Docker Engine: {error}"),
                }
                pause = (pause * 2).min(LONGEST_SEARCH_PAUSE);
            }
        })))
    }

    /// Puts a Docker Engine to use: listens where its containers can reach the API. The engine
    /// itself sweeps the containers of an earlier run away.
    fn use_docker(self: &Arc<Self>, docker: Arc<DockerEngine>) {
        let gateway = docker.gateway();
        let everywhere = self.config.bind.iter().any(IpAddr::is_unspecified);
        if let Some(address) = gateway.filter(|address| {
            !everywhere && !address.is_loopback() && !self.config.bind.contains(address)
        }) {
            let listening =
                listen(&[address], self.port).and_then(|listeners| self.serve(listeners));
            match listening {
                Ok(()) => log::info!("actions reach the API at http://{address}:{}", self.port),
                Err(error) => log::warn!("actions cannot reach the API: {error}"),
            }
        }
        let api_host = self.config.api_host.clone().unwrap_or_else(|| {
            let address = gateway.unwrap_or(self.config.bind[0]);
            format!("http://{}", SocketAddr::new(address, self.port))
        });
        docker.keep_images(self.invoker.image_book());
        // What comes now waits for what there is: it may be warm, and takes room in any case.
        let settling = self.pool.settle(docker.name());
        self.engines.set_docker(docker.clone(), api_host);
        let (invoker, adopting) = (self.invoker.clone(), docker.clone());
        let adoption = async move {
            let adopted = within(LONGEST_ADOPTION, invoker.adopt(&*adopting)).await;
            if adopted.is_err() {
                log::warn!("what an earlier run has left is still being removed");
            }
            drop(settling);
            invoker.keep_stems();
        };
        self.executor.spawn(adoption).detach();
        let invoker = self.invoker.clone();
        self.executor
            .spawn(async move { invoker.expect_all().await })
            .detach();
        *lock(&self.docker) = Some(docker);
    }

    /// Serves the API on listeners until the daemon stops.
    fn serve(&self, listeners: Vec<TcpListener>) -> Result<(), NodeError> {
        let options = ServerOptions {
            grace: self.config.drain_timeout,
            ..ServerOptions::default()
        };
        let app = api::app(self.state.clone());
        let mut server = Server::new(self.executor.clone(), app, options);
        for listener in listeners {
            server
                .listen(listener)
                .map_err(|error| NodeError::new("cannot listen", error))?;
        }
        let mut servers = lock(&self.servers);
        servers.connections.push(server.connections());
        let ended = servers.ended.clone();
        let task = self.executor.spawn(server.run(async move {
            let _ = ended.recv().await;
        }));
        servers.running.push(task);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The kinds that there are under these settings.
///
/// # Errors
/// The file with them cannot be used.
pub fn manifest(config: &Config) -> Result<Manifest, NodeError> {
    match &config.runtimes {
        Some(file) => Manifest::load(file)
            .map_err(|error| NodeError::new("cannot use the runtimes manifest", error)),
        None => Ok(Manifest::built_in()),
    }
}

/// What namespaces may do under these settings.
const fn rates(config: &Config) -> Rates {
    Rates {
        invocations_per_minute: config.invocations_per_minute,
        concurrent_invocations: config.concurrent_invocations,
        fires_per_minute: config.fires_per_minute,
    }
}

/// What invocations go by under these settings.
fn live(config: &Config, bounds: &sandboxes::Settings) -> invoke::Live {
    invoke::Live {
        longest_wait: config.longest_wait,
        boot_timeout: config.boot_timeout,
        pool_memory: u32::try_from(bounds.memory).unwrap_or(u32::MAX),
        auto_pull: config.blackbox_auto_pull,
    }
}

/// How the Docker Engine is used under these settings.
pub fn docker_options(config: &Config, daemon_id: String) -> DockerOptions {
    DockerOptions {
        host: match &config.docker {
            DockerHost::At(host) => Some(host.clone()),
            DockerHost::Usual | DockerHost::None => None,
        },
        network: config.network.clone(),
        daemon_id,
        images: config.images.clone(),
        events: Listener::default(),
    }
}

/// The URL under which processes of this machine reach a daemon that listens there: over loopback
/// if it can be.
fn local_api(bind: &[IpAddr], port: u16) -> String {
    let reached = |address: &IpAddr| match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => *address,
    };
    let addresses = || bind.iter().map(reached);
    let address = addresses()
        .find(IpAddr::is_loopback)
        .or_else(|| addresses().next())
        .unwrap_or(Ipv4Addr::LOCALHOST.into());
    format!("http://{}", SocketAddr::new(address, port))
}

/// Binds the addresses. With port 0 the first takes a free one, and the others the same.
fn listen(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, NodeError> {
    let mut port = port;
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let address = SocketAddr::new(*address, port);
        let listener = TcpListener::bind(address).map_err(|error| {
            let advice = match error.kind() {
                std::io::ErrorKind::AddrInUse => "; another program has it: set OWL_PORT",
                _ => "",
            };
            NodeError(format!("cannot listen on {address}: {error}{advice}"))
        })?;
        if let Ok(bound) = listener.local_addr() {
            port = bound.port();
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_reach_the_api_over_loopback_if_it_listens_there() {
        for (bind, url) in [
            (&["127.0.0.1"][..], "http://127.0.0.1:3000"),
            (&["0.0.0.0"], "http://127.0.0.1:3000"),
            (&["::"], "http://[::1]:3000"),
            (&["192.0.2.1", "127.0.0.2"], "http://127.0.0.2:3000"),
            (&["192.0.2.1"], "http://192.0.2.1:3000"),
        ] {
            let bind: Vec<IpAddr> = bind.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(local_api(&bind, 3000), url);
        }
    }
}
