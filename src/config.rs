//! One `Config`: flags over environment over a file over defaults.
//!
//! The environment names are those of the 2017 prototype where it had them. Every value is
//! checked when the daemon starts; a bad one is refused with the name it was given under.

mod changes;
mod file;
mod images;
mod openwhisk;
mod pool;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

pub use changes::{Changes, LIVE};
pub use pool::{Pool, Preemption};
pub use settings::{SETTINGS, Setting};

use crate::engine::docker::ImageOptions;
use crate::metrics::Readers;

/// Where a value came from, for messages and `--print-config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A command-line flag.
    Flag,
    /// An environment variable.
    Environment,
    /// A line of the file of settings.
    File,
    /// Nobody set it.
    Default,
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on.
    pub bind: Vec<IpAddr>,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Folder of the store.
    pub data_dir: PathBuf,
    /// What is logged.
    pub log_level: LevelFilter,
    /// The user's runtimes manifest.
    pub runtimes: Option<PathBuf>,
    /// Where the Docker Engine is.
    pub docker: DockerHost,
    /// Docker network of the action containers.
    pub network: Option<String>,
    /// How many sandboxes there may be, and for how long.
    pub pool: Pool,
    /// Time that a new sandbox has to accept a connection.
    pub boot_timeout: Duration,
    /// Longest wait of an invocation for a sandbox.
    pub longest_wait: Duration,
    /// Invocations that may wait for a sandbox.
    pub queue_length: usize,
    /// Largest `concurrency` of an action's limits.
    pub action_concurrency: u32,
    /// URL of the master OpenWhisk, without `/api/v1` and without a slash at its end.
    pub next_openwhisk: Option<String>,
    /// URLs of the OpenWhisks that take over what cannot run here, in the same form.
    pub tiers: Vec<String>,
    /// Whether to invoke on the next tier what cannot run here.
    pub delegate_on_failure: bool,
    /// How the master and the tiers are spoken to.
    pub upstream: Upstream,
    /// What is kept of the master's, and for how long.
    pub master: Master,
    /// Whether images of blackbox actions are pulled.
    pub blackbox_auto_pull: bool,
    /// How images are chosen and kept.
    pub images: ImageOptions,
    /// URL under which actions reach OWL.
    pub api_host: Option<String>,
    /// Invocations of a namespace in a minute.
    pub invocations_per_minute: u32,
    /// Invocations of a namespace in flight.
    pub concurrent_invocations: u32,
    /// Trigger fires of a namespace in a minute.
    pub fires_per_minute: u32,
    /// Who may read the metrics.
    pub metrics: Readers,
    /// File with name and password of the operator.
    pub operator_file: Option<PathBuf>,
    /// Bytes that the store may take.
    pub store_size: usize,
    /// Age at which activation records go.
    pub activations_age: Duration,
    /// How many activation records are kept.
    pub activations_count: u64,
    /// Whether answers of blocking invocations wait for their records.
    pub durable_answers: bool,
    /// Time that running activations have to finish when the daemon stops.
    pub drain_timeout: Duration,
    /// Time without anything to do after which a daemon ends that is started on demand.
    pub exit_after_idle: Option<Duration>,
    /// The values as they were given, for `--print-config`.
    given: Vec<(&'static str, String, Source)>,
    /// What the file of settings has, whether it counts or not.
    file: file::Values,
}

/// Where the Docker Engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerHost {
    /// Where it usually is: the well-known sockets are tried.
    Usual,
    /// There: `unix://…` or `tcp://…`.
    At(String),
    /// Docker is not to be used.
    None,
}

/// How the master and the tiers are spoken to.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// File with certificates of further authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether certificates are taken as they come.
    pub insecure: bool,
    /// Time to reach one.
    pub connect_timeout: Duration,
    /// Time that one has to answer.
    pub answer_timeout: Duration,
    /// Requests that are under way at the same time.
    pub forwards: usize,
}

/// What is kept of the master's, and for how long.
#[derive(Clone, Debug)]
pub struct Master {
    /// Age at which the copy of an entity is compared again.
    pub revalidate: Duration,
    /// Age at which a key is shown to the master again.
    pub keys_revalidate: Duration,
    /// How long a key stays good when the master cannot be asked.
    pub keys_offline: Duration,
    /// Whether writes are kept while the master is out of reach; else they are refused.
    pub journal: bool,
    /// Bytes of writes that are kept.
    pub journal_bytes: u64,
    /// Bytes of fired triggers that wait for the master.
    pub fires_bytes: u64,
    /// Age at which a fired trigger is dropped.
    pub fires_age: Duration,
    /// Whether lists of activations have the master's, too.
    pub merge_activations: bool,
}

/// A setting that cannot be used: which, what it was, and what it may be.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The values on their way to a [`Config`].
struct Reader<'a> {
    flags: &'a [(&'static str, String)],
    environment: &'a dyn Fn(&str) -> Option<String>,
    file: file::Values,
    given: Vec<(&'static str, String, Source)>,
}

impl Reader<'_> {
    /// The value of a setting; `None` if it is not set and has no default. An empty environment
    /// variable counts as unset, as in unit files and shells.
    fn text(&mut self, name: &'static str) -> (Option<String>, Source) {
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.name == name)
            .expect("every name that is read is in SETTINGS");
        let (value, source) = match self.flags.iter().find(|(flag, _)| *flag == name) {
            Some((_, value)) => (value.clone(), Source::Flag),
            None => match (self.environment)(name).filter(|value| !value.trim().is_empty()) {
                Some(value) => (value.trim().to_string(), Source::Environment),
                None => match self
                    .file
                    .iter()
                    .find(|(line, value)| *line == name && !value.is_empty())
                {
                    Some((_, value)) => (value.clone(), Source::File),
                    None => (setting.default.to_string(), Source::Default),
                },
            },
        };
        self.given.push((name, value.clone(), source));
        (Some(value).filter(|value| !value.is_empty()), source)
    }

    /// The value of a setting, read by `parse`, which returns `None` for what it does not take.
    fn optional<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let (text, source) = self.text(name);
        let Some(text) = text else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            let given_as = match (source, setting) {
                (Source::Flag, Some(setting)) => setting.flag(),
                (Source::File, _) => format!("{name} (in the file of {})", file::NAME),
                _ => name.to_string(),
            };
            let text = openwhisk::without_user(&text);
            ConfigError(format!("{given_as}: '{text}' is not {expected}"))
        })
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        self.optional(name, expected, parse)?
            .ok_or_else(|| ConfigError(format!("{name}: must be set to {expected}")))
    }

    fn number(&mut self, name: &'static str, min: u64, max: u64) -> Result<u64, ConfigError> {
        self.required(
            name,
            &format!("a whole number from {min} to {max}"),
            |text| {
                text.parse()
                    .ok()
                    .filter(|number| (min..=max).contains(number))
            },
        )
    }

    fn seconds(&mut self, name: &'static str, min: u64) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs(self.number(
            name,
            min,
            10 * 365 * 86_400,
        )?))
    }

    fn boolean(&mut self, name: &'static str) -> Result<bool, ConfigError> {
        self.required(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            }
        })
    }

    fn fraction(&mut self, name: &'static str) -> Result<f64, ConfigError> {
        self.required(name, "a fraction from 0 to 1", |text| {
            text.parse()
                .ok()
                .filter(|fraction| (0.0..=1.0).contains(fraction))
        })
    }
}

impl Config {
    /// Reads every setting from flags (by their environment name), then the environment, then the
    /// file that `OWL_CONFIG` names.
    ///
    /// # Errors
    /// The first value that cannot be used, with the name it was given under.
    pub fn read(
        flags: &[(&'static str, String)],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let mut reader = Reader {
            flags,
            environment,
            file: Vec::new(),
            given: Vec::with_capacity(SETTINGS.len()),
        };
        let read = &mut reader;
        let url = |text: &str| {
            (text.starts_with("http://") || text.starts_with("https://")).then(|| text.to_string())
        };
        let config = read.optional(file::NAME, "a file", |text| Some(PathBuf::from(text)))?;
        if let Some(path) = config {
            read.file = file::read(&path)?;
        }
        let bind = read.required("OWL_BIND", "a list of IP addresses", |text| {
            text.split(',')
                .map(|address| address.trim().parse().ok())
                .collect()
        })?;
        let port = read.number("OWL_PORT", 0, 65_535)?;
        let data_dir =
            read.optional("OWL_DATA_DIR", "a folder", |text| Some(PathBuf::from(text)))?;
        let log_level = read.required(
            "OWL_LOG_LEVEL",
            "one of error, warn, info, debug, trace",
            |text| text.parse().ok(),
        )?;
        let runtimes = read.optional("OWL_RUNTIMES", "a file", |text| Some(PathBuf::from(text)))?;
        let docker = read.optional(
            "DOCKER_HOST",
            "unix:///PATH, tcp://HOST:PORT or none",
            |text| match text {
                "none" => Some(DockerHost::None),
                _ if text.starts_with("unix://") || text.starts_with("tcp://") => {
                    Some(DockerHost::At(text.to_string()))
                }
                _ if text.starts_with('/') => Some(DockerHost::At(format!("unix://{text}"))),
                _ => None,
            },
        )?;
        let network = read.optional("OWL_NET_NAME", "a network", |text| Some(text.to_string()))?;
        let pool = read.pool()?;
        let boot_timeout = read.seconds("OWL_ACTION_INIT_TIMEOUT", 1)?;
        let tries = read.number("OWL_RETRIES_NUMBER", 0, 1_000_000)?;
        let between = read.number("OWL_RETRIES_TIMEOUT", 0, 3_600_000)?;
        let queue_length = read.number("OWL_QUEUE_LENGTH", 0, 1_000_000)?;
        let action_concurrency = read.number("OWL_ACTION_CONCURRENCY", 1, 500)?;
        let next_openwhisk = read.master()?;
        let tiers = read.optional(
            "OWL_TIERS",
            "a list of http:// or https:// URLs without a user",
            |text| {
                text.split(',')
                    .map(openwhisk::url)
                    .collect::<Option<Vec<_>>>()
            },
        )?;
        let tiers = tiers.unwrap_or_else(|| next_openwhisk.iter().cloned().collect());
        let delegate_on_failure = read.boolean("OWL_DELEGATE_ON_FAILURE")?;
        let upstream = read.upstream()?;
        let master = read.kept_of_master()?;
        let blackbox_auto_pull = read.boolean("OWL_BLACKBOX_AUTO_PULL")?;
        let images = read.images()?;
        let api_host = read.optional("OWL_API_HOST", "an http:// or https:// URL", url)?;
        let invocations_per_minute = read.number("OWL_INVOCATIONS_PER_MINUTE", 0, 1 << 31)?;
        let concurrent_invocations = read.number("OWL_CONCURRENT_INVOCATIONS", 0, 1 << 31)?;
        let fires_per_minute = read.number("OWL_FIRES_PER_MINUTE", 0, 1 << 31)?;
        let metrics =
            read.required(
                "OWL_METRICS",
                "one of loopback, everyone, off",
                |text| match text {
                    "loopback" => Some(Readers::Loopback),
                    "everyone" => Some(Readers::Everyone),
                    "off" => Some(Readers::Nobody),
                    _ => None,
                },
            )?;
        let operator_file = read.optional("OWL_OPERATOR_FILE", "a file", |text| {
            Some(PathBuf::from(text))
        })?;
        let largest_store = if cfg!(target_pointer_width = "32") {
            1024
        } else {
            1 << 20
        };
        let store_size = read.optional(
            "OWL_STORE_SIZE",
            &format!("a whole number of MiB from 8 to {largest_store}"),
            |text| {
                text.parse::<usize>()
                    .ok()
                    .filter(|mib| (8..=largest_store).contains(mib))
            },
        )?;
        let activations_age = read.seconds("OWL_ACTIVATIONS_AGE", 1)?;
        let activations_count = read.number("OWL_ACTIVATIONS_COUNT", 1, 1 << 40)?;
        let durable_answers = read.boolean("OWL_DURABLE_ANSWERS")?;
        let drain_timeout = read.seconds("OWL_DRAIN_TIMEOUT", 0)?;
        let exit_after_idle = read.seconds("OWL_EXIT_AFTER_IDLE", 0)?;

        let data_dir = data_dir.unwrap_or_else(|| default_data_dir(environment));
        let Reader {
            file, mut given, ..
        } = reader;
        if let Some((_, value, _)) = given.iter_mut().find(|(name, ..)| *name == "OWL_DATA_DIR") {
            *value = data_dir.display().to_string();
        }
        Ok(Config {
            bind,
            port: port as u16,
            data_dir,
            log_level,
            runtimes,
            docker: docker.unwrap_or(DockerHost::Usual),
            network,
            pool,
            boot_timeout,
            longest_wait: Duration::from_millis(tries * between),
            action_concurrency: action_concurrency as u32,
            queue_length: if tries == 0 { 0 } else { queue_length as usize },
            next_openwhisk,
            tiers,
            delegate_on_failure,
            upstream,
            master,
            blackbox_auto_pull,
            images,
            api_host,
            invocations_per_minute: invocations_per_minute as u32,
            concurrent_invocations: concurrent_invocations as u32,
            fires_per_minute: fires_per_minute as u32,
            metrics,
            operator_file,
            store_size: store_size.unwrap_or(default_store_size()) << 20,
            activations_age,
            activations_count,
            durable_answers,
            drain_timeout,
            exit_after_idle: Some(exit_after_idle).filter(|idle| !idle.is_zero()),
            given,
            file,
        })
    }
}

/// `NAME=value` lines with the source of each value, as `--print-config` shows them.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value, source) in &self.given {
            let source = match source {
                Source::Flag => "flag",
                Source::Environment => "environment",
                Source::File => "file",
                Source::Default => "default",
            };
            writeln!(f, "{:<44} # {source}", format!("{name}={value}"))?;
        }
        Ok(())
    }
}

/// MiB of the store when nobody says: on 32 bits the map needs contiguous address space.
const fn default_store_size() -> usize {
    if cfg!(target_pointer_width = "32") {
        64
    } else {
        1024
    }
}

/// Where the store is, for commands that need no other setting.
///
/// # Errors
/// The file of settings cannot be used.
pub fn data_dir(environment: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, ConfigError> {
    let set = |name| environment(name).filter(|value| !value.trim().is_empty());
    if let Some(folder) = set("OWL_DATA_DIR") {
        return Ok(PathBuf::from(folder.trim()));
    }
    let values = match set(file::NAME) {
        Some(path) => file::read(Path::new(path.trim()))?,
        None => Vec::new(),
    };
    let mut values = values.into_iter();
    let folder = values.find(|(name, value)| *name == "OWL_DATA_DIR" && !value.is_empty());
    Ok(folder.map_or_else(
        || default_data_dir(environment),
        |(_, folder)| PathBuf::from(folder),
    ))
}

/// Where the store is when nobody says: the service's state directory (`STATE_DIRECTORY`, set by
/// systemd), else the user's data directory.
pub fn default_data_dir(environment: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let set = |name| environment(name).filter(|value| !value.is_empty());
    if let Some(state) = set("STATE_DIRECTORY") {
        // systemd joins several by colons; the first is ours.
        return PathBuf::from(state.split(':').next().unwrap_or_default());
    }
    if let Some(data) = set("XDG_DATA_HOME") {
        return Path::new(&data).join("owl");
    }
    match set("HOME") {
        Some(home) => Path::new(&home).join(".local/share/owl"),
        None => PathBuf::from("/var/lib/owl"),
    }
}

/// Names in an environment that look like ours but are not: most likely misspelt.
pub fn unknown_names(names: impl Iterator<Item = String>) -> Vec<String> {
    names
        .filter(|name| name.starts_with("OWL_") && !name.starts_with("OWL_TEST_"))
        .filter(|name| !SETTINGS.iter().any(|setting| setting.name == name))
        .collect()
}
