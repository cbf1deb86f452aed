//! `owl serve`: the daemon.

use std::io::{IsTerminal, stdin};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use argh::FromArgs;
use async_signal::{Signal, Signals};
use smol::stream::StreamExt;

use super::idle::idle;
use super::node::{Ending, Node, NodeError};
use super::output::say;
use super::reload::Reloader;
use crate::allocator::{do_without_huge_pages, give_large_blocks_back};
use crate::config::{self, Config};
use crate::supervisor::{self, Supervisor};

/// The exit code for settings that cannot be used, sysexits' `EX_CONFIG`: to start again would not
/// help.
const BAD_SETTINGS: u8 = 78;

macro_rules! serve_command {
    ($($(#[doc = $help:literal])* $field:ident => $name:literal;)*) => {
        /// Start the daemon. Settings come from flags, then the environment, then a file
        /// (OWL_CONFIG), then defaults. On SIGHUP the file and the runtimes manifest are read again.
        #[derive(FromArgs)]
        #[argh(subcommand, name = "serve")]
        pub struct ServeCommand {
            /// print every setting with its value and source, and exit
            #[argh(switch)]
            print_config: bool,
            $(
                $(#[doc = $help])*
                #[argh(option, arg_name = "value")]
                $field: Option<String>,
            )*
        }

        impl ServeCommand {
            /// The flags that were given, by the name of their setting.
            fn flags(&self) -> Vec<(&'static str, String)> {
                let mut flags = Vec::new();
                $(
                    if let Some(value) = &self.$field {
                        flags.push(($name, value.clone()));
                    }
                )*
                flags
            }
        }
    };
}

serve_command! {
    /// file with settings (OWL_CONFIG)
    config => "OWL_CONFIG";
    /// addresses to listen on, separated by commas (OWL_BIND, 127.0.0.1)
    bind => "OWL_BIND";
    /// port to listen on; 0 takes a free one (OWL_PORT, 3000)
    port => "OWL_PORT";
    /// folder of the store (OWL_DATA_DIR)
    data_dir => "OWL_DATA_DIR";
    /// error, warn, info, debug or trace (OWL_LOG_LEVEL, info)
    log_level => "OWL_LOG_LEVEL";
    /// file with a runtimes manifest (OWL_RUNTIMES)
    runtimes => "OWL_RUNTIMES";
    /// where the Docker Engine is, or none (DOCKER_HOST)
    docker_host => "DOCKER_HOST";
    /// docker network of the action containers (OWL_NET_NAME)
    net_name => "OWL_NET_NAME";
    /// sandboxes at the same time (OWL_HOST_CAPACITY, 5)
    host_capacity => "OWL_HOST_CAPACITY";
    /// mB that the memory limits of all sandboxes may come to (OWL_HOST_MEMORY, three quarters of the machine's)
    host_memory => "OWL_HOST_MEMORY";
    /// sandboxes that are started at the same time (OWL_PARALLEL_STARTS, as many as there are cores)
    parallel_starts => "OWL_PARALLEL_STARTS";
    /// seconds after which an idle sandbox is frozen, or off (OWL_FREEZE_AFTER, 10)
    freeze_after => "OWL_FREEZE_AFTER";
    /// recycle idle sandboxes by watermarks (OWL_PREEMPTION_ENABLED, false)
    preemption_enabled => "OWL_PREEMPTION_ENABLED";
    /// seconds between two checks (OWL_PREEMPTION_PERIOD, 10)
    preemption_period => "OWL_PREEMPTION_PERIOD";
    /// fraction above which recycling starts (OWL_PREEMPTION_HIGH, 0.75)
    preemption_high => "OWL_PREEMPTION_HIGH";
    /// fraction below which recycling stops (OWL_PREEMPTION_LOW, 0.25)
    preemption_low => "OWL_PREEMPTION_LOW";
    /// seconds after which an idle sandbox goes (OWL_PREEMPTION_IDLE, 600)
    preemption_idle => "OWL_PREEMPTION_IDLE";
    /// MB of idle sandboxes (OWL_IDLE_MEMORY, all of OWL_HOST_MEMORY)
    idle_memory => "OWL_IDLE_MEMORY";
    /// MB that stay available (OWL_MEMORY_FLOOR, a twentieth of the memory)
    memory_floor => "OWL_MEMORY_FLOOR";
    /// seconds that a sandbox has to accept a connection (OWL_ACTION_INIT_TIMEOUT, 10)
    action_init_timeout => "OWL_ACTION_INIT_TIMEOUT";
    /// activations at the same time in one sandbox, at most (OWL_ACTION_CONCURRENCY, 1)
    action_concurrency => "OWL_ACTION_CONCURRENCY";
    /// tries to get a sandbox (OWL_RETRIES_NUMBER, 1000)
    retries_number => "OWL_RETRIES_NUMBER";
    /// milliseconds between tries (OWL_RETRIES_TIMEOUT, 100)
    retries_timeout => "OWL_RETRIES_TIMEOUT";
    /// invocations that may wait (OWL_QUEUE_LENGTH, 1000)
    queue_length => "OWL_QUEUE_LENGTH";
    /// url of the master OpenWhisk (OWL_NEXT_OPENWHISK)
    next_openwhisk => "OWL_NEXT_OPENWHISK";
    /// urls of OpenWhisks that take over, nearest first (OWL_TIERS, the master)
    tiers => "OWL_TIERS";
    /// invoke on the next tier what cannot run here (OWL_DELEGATE_ON_FAILURE, false)
    delegate_on_failure => "OWL_DELEGATE_ON_FAILURE";
    /// file with certificates of further authorities (OWL_CA_FILE)
    ca_file => "OWL_CA_FILE";
    /// do not check certificates of master and tiers (OWL_INSECURE, false)
    insecure => "OWL_INSECURE";
    /// seconds to reach the master or a tier (OWL_CONNECT_TIMEOUT, 5)
    connect_timeout => "OWL_CONNECT_TIMEOUT";
    /// seconds that the master or a tier has to answer (OWL_MASTER_TIMEOUT, 15)
    master_timeout => "OWL_MASTER_TIMEOUT";
    /// requests under way to master and tiers (OWL_FORWARDS, 32)
    forwards => "OWL_FORWARDS";
    /// seconds between comparisons of a copy with the master's (OWL_REVALIDATE, 60)
    revalidate => "OWL_REVALIDATE";
    /// seconds between two questions about a key (OWL_KEYS_REVALIDATE, 300)
    keys_revalidate => "OWL_KEYS_REVALIDATE";
    /// seconds that a key is good without the master (OWL_KEYS_OFFLINE, 2592000)
    keys_offline => "OWL_KEYS_OFFLINE";
    /// writes without the master: refuse or journal (OWL_OFFLINE_WRITES, refuse)
    offline_writes => "OWL_OFFLINE_WRITES";
    /// size of the journal in MiB (OWL_JOURNAL_SIZE, 8)
    journal_size => "OWL_JOURNAL_SIZE";
    /// size of the fired triggers that wait in MiB (OWL_FIRES_SIZE, 8)
    fires_size => "OWL_FIRES_SIZE";
    /// seconds that a fired trigger waits (OWL_FIRES_AGE, 604800)
    fires_age => "OWL_FIRES_AGE";
    /// lists of activations have the master's (OWL_MERGE_ACTIVATIONS, true)
    merge_activations => "OWL_MERGE_ACTIVATIONS";
    /// pull images of blackbox actions (OWL_BLACKBOX_AUTO_PULL, true)
    blackbox_auto_pull => "OWL_BLACKBOX_AUTO_PULL";
    /// names under which images are looked for (OWL_IMAGE_TEMPLATES, {name})
    image_templates => "OWL_IMAGE_TEMPLATES";
    /// days after which unused pulled images go (OWL_IMAGES_AGE, 30)
    images_age => "OWL_IMAGES_AGE";
    /// room that such images leave free in MiB (OWL_IMAGES_FREE, 512)
    images_free => "OWL_IMAGES_FREE";
    /// url under which actions reach OWL (OWL_API_HOST)
    api_host => "OWL_API_HOST";
    /// invocations of a namespace in a minute (OWL_INVOCATIONS_PER_MINUTE, 60)
    invocations_per_minute => "OWL_INVOCATIONS_PER_MINUTE";
    /// invocations of a namespace in flight (OWL_CONCURRENT_INVOCATIONS, 30)
    concurrent_invocations => "OWL_CONCURRENT_INVOCATIONS";
    /// trigger fires of a namespace in a minute (OWL_FIRES_PER_MINUTE, 60)
    fires_per_minute => "OWL_FIRES_PER_MINUTE";
    /// who may read /metrics: loopback, everyone or off (OWL_METRICS, loopback)
    metrics => "OWL_METRICS";
    /// file with name:password of the operator (OWL_OPERATOR_FILE)
    operator_file => "OWL_OPERATOR_FILE";
    /// size of the store in MiB (OWL_STORE_SIZE)
    store_size => "OWL_STORE_SIZE";
    /// seconds that activation records are kept (OWL_ACTIVATIONS_AGE, 604800)
    activations_age => "OWL_ACTIVATIONS_AGE";
    /// activation records that are kept (OWL_ACTIVATIONS_COUNT, 100000)
    activations_count => "OWL_ACTIVATIONS_COUNT";
    /// answer blocking calls when their records are on the disk (OWL_DURABLE_ANSWERS, false)
    durable_answers => "OWL_DURABLE_ANSWERS";
    /// seconds that running activations have to finish at the end (OWL_DRAIN_TIMEOUT, 30)
    drain_timeout => "OWL_DRAIN_TIMEOUT";
    /// seconds of idleness after which a daemon on demand ends (OWL_EXIT_AFTER_IDLE, 0: never)
    exit_after_idle => "OWL_EXIT_AFTER_IDLE";
}

impl ServeCommand {
    /// Runs the daemon until SIGTERM or SIGINT. SIGHUP lets it read its settings again.
    pub fn run(self) -> ExitCode {
        let config = match Config::read(&self.flags(), &super::environment) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("owl: {error}");
                return ExitCode::from(BAD_SETTINGS);
            }
        };
        if self.print_config {
            say(config.to_string().trim_end());
            return ExitCode::SUCCESS;
        }
        super::log_to_stderr(config.log_level);
        give_large_blocks_back();
        do_without_huge_pages();
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in config::unknown_names(names) {
            log::warn!("{name} is not a setting of OWL: see owl serve --print-config");
        }
        match serve(config, self.flags()) {
            Ok(code) => code,
            Err(error) => {
                log::error!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// The exit status of a daemon that has left its warm sandboxes to the next one: not success, so
/// that a supervisor that restarts what has failed starts it (`EX_TEMPFAIL` of sysexits.h).
const SUCCESSOR_WANTED: u8 = 75;

/// Runs the daemon: one thread for everything asynchronous.
fn serve(config: Config, flags: Vec<(&'static str, String)>) -> Result<ExitCode, NodeError> {
    let executor = Arc::new(smol::Executor::new());
    let runs = executor.clone();
    // A task like all others: what is not one is asked anew whenever anything at all has happened.
    let daemon = runs.spawn(async move {
        // From here on a signal is not lost, even if it comes while the node starts.
        let mut signals = Signals::new([Signal::Term, Signal::Int, Signal::Hup, Signal::Usr2])
            .map_err(|error| NodeError::new("cannot listen to signals", error))?;
        let sockets =
            supervisor::inherited().map_err(|error| NodeError::new("cannot listen", error))?;
        let on_demand = !sockets.is_empty();
        let supervisor = Supervisor::from_environment(&super::environment);
        let master = config.next_openwhisk.clone();
        let (grace, after_idle) = (config.drain_timeout, config.exit_after_idle);
        let had_terminal = stdin().is_terminal();
        let mut reloader = Reloader::new(flags, config.clone());
        let node = Node::start(executor.clone(), config, sockets).await?;
        if let Some(url) = master {
            log::info!("the master is {url}");
        }
        for address in node.addresses() {
            log::info!("listening on http://{address}");
        }
        supervisor.ready(&serving(node.addresses())).await;
        let _pulse = executor.spawn(supervisor.clone().pulse());
        let unused = match after_idle {
            Some(time) if on_demand => Some(time),
            Some(_) => {
                log::warn!("OWL_EXIT_AFTER_IDLE does nothing: no socket starts the daemon again");
                None
            }
            None => None,
        };
        let (cause, ending) = smol::future::or(
            async {
                loop {
                    match signals.next().await {
                        // A terminal that was closed has told so by the same signal.
                        Some(Ok(Signal::Hup)) if had_terminal && !stdin().is_terminal() => {
                            break ("SIGHUP: the terminal is gone", Ending::Remove);
                        }
                        Some(Ok(Signal::Hup)) => {
                            supervisor.reloading().await;
                            reloader.reload(&node).await;
                            supervisor.ready(&serving(node.addresses())).await;
                        }
                        Some(Ok(Signal::Int)) => break ("SIGINT", Ending::Remove),
                        Some(Ok(Signal::Usr2)) => break ("SIGUSR2", Ending::Leave),
                        _ => break ("SIGTERM", Ending::Remove),
                    }
                }
            },
            async {
                match unused {
                    Some(time) => idle(time, || node.activity()).await,
                    None => smol::future::pending().await,
                }
                ("having nothing to do", Ending::Remove)
            },
        )
        .await;
        log::info!("stopping on {cause}");
        supervisor.stopping(grace).await;
        node.stop(ending).await;
        log::info!("stopped");
        Ok(match ending {
            Ending::Remove => ExitCode::SUCCESS,
            Ending::Leave => ExitCode::from(SUCCESSOR_WANTED),
        })
    });
    smol::block_on(runs.run(daemon))
}

/// The daemon's state for people, once it serves.
fn serving(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    format!("serving on {}", addresses.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SETTINGS;

    #[test]
    fn every_setting_has_its_flag() {
        for setting in SETTINGS {
            let flag = setting.flag();
            let command = ServeCommand::from_args(&["serve"], &[&flag, "x"])
                .unwrap_or_else(|exit| panic!("{flag}: {}", exit.output));
            assert_eq!(command.flags(), [(setting.name, "x".to_string())]);
        }
    }
}
