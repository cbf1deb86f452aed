//! One `Config`: flags over environment over defaults.
//!
//! The environment names are those of the 2017 prototype where it had them. Every value is
//! checked when the daemon starts; a bad one is refused with the name it was given under.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

/// Where a value came from, for messages and `--print-config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A command-line flag.
    Flag,
    /// An environment variable.
    Environment,
    /// Nobody set it.
    Default,
}

/// One setting: how it is named and what it is when nobody sets it.
pub struct Setting {
    /// Environment variable; the flag is derived from it.
    pub name: &'static str,
    /// Default, as it would be written; empty for "none".
    pub default: &'static str,
    /// What it means, with its unit.
    pub help: &'static str,
}

impl Setting {
    /// The flag of this setting: `OWL_HOST_CAPACITY` is `--host-capacity`.
    pub fn flag(&self) -> String {
        let name = self.name.strip_prefix("OWL_").unwrap_or(self.name);
        format!("--{}", name.to_ascii_lowercase().replace('_', "-"))
    }
}

macro_rules! settings {
    ($($name:literal, $default:literal, $help:literal;)*) => {
        /// Every setting, in the order of `--print-config`.
        pub const SETTINGS: &[Setting] = &[$(Setting { name: $name, default: $default, help: $help }),*];
    };
}

settings! {
    "OWL_BIND", "127.0.0.1", "addresses to listen on, separated by commas";
    "OWL_PORT", "3000", "port to listen on; 0 takes a free one";
    "OWL_DATA_DIR", "", "folder of the store; default: the service's state directory, else the user's data directory";
    "OWL_LOG_LEVEL", "info", "error, warn, info, debug or trace";
    "OWL_RUNTIMES", "", "file with a runtimes manifest; default: the built-in one";
    "DOCKER_HOST", "", "where the Docker Engine is; default: the usual sockets; `none` does without";
    "OWL_NET_NAME", "", "Docker network of the action containers; default: OWL's own container's, else bridge";
    "OWL_HOST_CAPACITY", "5", "sandboxes at the same time; 0 never runs actions here";
    "OWL_PREEMPTION_ENABLED", "false", "recycle idle sandboxes by watermarks";
    "OWL_PREEMPTION_PERIOD", "10", "seconds between two checks of the watermarks";
    "OWL_PREEMPTION_HIGH", "0.75", "fraction of the capacity at which recycling starts";
    "OWL_PREEMPTION_LOW", "0.25", "fraction of the capacity at which recycling stops";
    "OWL_PREEMPTION_IDLE", "600", "seconds after which an idle sandbox is removed";
    "OWL_ACTION_INIT_TIMEOUT", "10", "seconds that a new sandbox may take to accept a connection";
    "OWL_RETRIES_NUMBER", "1000", "with OWL_RETRIES_TIMEOUT: how long an invocation waits for a sandbox; 0 does not wait";
    "OWL_RETRIES_TIMEOUT", "100", "milliseconds; times OWL_RETRIES_NUMBER it is the longest wait for a sandbox";
    "OWL_QUEUE_LENGTH", "1000", "invocations that may wait for a sandbox at the same time";
    "OWL_NEXT_OPENWHISK", "", "URL of the master OpenWhisk; unset: standalone";
    "OWL_DELEGATE_ON_FAILURE", "false", "out of capacity: invoke on the master";
    "OWL_BLACKBOX_AUTO_PULL", "true", "pull the images of blackbox actions";
    "OWL_API_HOST", "", "URL under which actions reach OWL; default: an address of the Docker network";
    "OWL_INVOCATIONS_PER_MINUTE", "60", "invocations of a namespace in a minute";
    "OWL_CONCURRENT_INVOCATIONS", "30", "invocations of a namespace in flight";
    "OWL_FIRES_PER_MINUTE", "60", "trigger fires of a namespace in a minute";
    "OWL_STORE_SIZE", "", "MiB that the store may take; default: 1024, on 32-bit machines 64";
    "OWL_ACTIVATIONS_AGE", "604800", "seconds after which an activation record goes";
    "OWL_ACTIVATIONS_COUNT", "100000", "activation records that are kept";
    "OWL_DRAIN_TIMEOUT", "30", "seconds that running activations have to finish when the daemon stops";
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
    /// Sandboxes at the same time.
    pub host_capacity: usize,
    /// Recycling of idle sandboxes.
    pub preemption: Preemption,
    /// Time that a new sandbox has to accept a connection.
    pub boot_timeout: Duration,
    /// Longest wait of an invocation for a sandbox.
    pub longest_wait: Duration,
    /// Invocations that may wait for a sandbox.
    pub queue_length: usize,
    /// URL of the master OpenWhisk.
    pub next_openwhisk: Option<String>,
    /// Whether to invoke on the master when out of capacity.
    pub delegate_on_failure: bool,
    /// Whether images of blackbox actions are pulled.
    pub blackbox_auto_pull: bool,
    /// URL under which actions reach OWL.
    pub api_host: Option<String>,
    /// Invocations of a namespace in a minute.
    pub invocations_per_minute: u32,
    /// Invocations of a namespace in flight.
    pub concurrent_invocations: u32,
    /// Trigger fires of a namespace in a minute.
    pub fires_per_minute: u32,
    /// Bytes that the store may take.
    pub store_size: usize,
    /// Age at which activation records go.
    pub activations_age: Duration,
    /// How many activation records are kept.
    pub activations_count: u64,
    /// Time that running activations have to finish when the daemon stops.
    pub drain_timeout: Duration,
    /// The values as they were given, for `--print-config`.
    given: Vec<(&'static str, String, Source)>,
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

/// Recycling of idle sandboxes.
#[derive(Clone, Copy, Debug)]
pub struct Preemption {
    /// Whether the watermarks are in force.
    pub enabled: bool,
    /// Time between two checks.
    pub period: Duration,
    /// Fraction of the capacity at which recycling starts.
    pub high: f64,
    /// Fraction of the capacity at which it stops.
    pub low: f64,
    /// Time after which an idle sandbox goes in any case.
    pub idle: Duration,
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
                None => (setting.default.to_string(), Source::Default),
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
                _ => name.to_string(),
            };
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
    /// Reads every setting from flags (by their environment name), then the environment.
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
            given: Vec::with_capacity(SETTINGS.len()),
        };
        let read = &mut reader;
        let url = |text: &str| {
            (text.starts_with("http://") || text.starts_with("https://")).then(|| text.to_string())
        };
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
        let host_capacity = read.number("OWL_HOST_CAPACITY", 0, 10_000)?;
        let preemption = Preemption {
            enabled: read.boolean("OWL_PREEMPTION_ENABLED")?,
            period: read.seconds("OWL_PREEMPTION_PERIOD", 1)?,
            high: read.fraction("OWL_PREEMPTION_HIGH")?,
            low: read.fraction("OWL_PREEMPTION_LOW")?,
            idle: read.seconds("OWL_PREEMPTION_IDLE", 1)?,
        };
        if preemption.low > preemption.high {
            return Err(ConfigError(format!(
                "OWL_PREEMPTION_LOW: {} is above OWL_PREEMPTION_HIGH ({})",
                preemption.low, preemption.high
            )));
        }
        let boot_timeout = read.seconds("OWL_ACTION_INIT_TIMEOUT", 1)?;
        let tries = read.number("OWL_RETRIES_NUMBER", 0, 1_000_000)?;
        let between = read.number("OWL_RETRIES_TIMEOUT", 0, 3_600_000)?;
        let queue_length = read.number("OWL_QUEUE_LENGTH", 0, 1_000_000)?;
        let next_openwhisk =
            read.optional("OWL_NEXT_OPENWHISK", "an http:// or https:// URL", url)?;
        let delegate_on_failure = read.boolean("OWL_DELEGATE_ON_FAILURE")?;
        let blackbox_auto_pull = read.boolean("OWL_BLACKBOX_AUTO_PULL")?;
        let api_host = read.optional("OWL_API_HOST", "an http:// or https:// URL", url)?;
        let invocations_per_minute = read.number("OWL_INVOCATIONS_PER_MINUTE", 0, 1 << 31)?;
        let concurrent_invocations = read.number("OWL_CONCURRENT_INVOCATIONS", 0, 1 << 31)?;
        let fires_per_minute = read.number("OWL_FIRES_PER_MINUTE", 0, 1 << 31)?;
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
        let drain_timeout = read.seconds("OWL_DRAIN_TIMEOUT", 0)?;

        let data_dir = data_dir.unwrap_or_else(|| default_data_dir(environment));
        let mut given = reader.given;
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
            host_capacity: host_capacity as usize,
            preemption,
            boot_timeout,
            longest_wait: Duration::from_millis(tries * between),
            queue_length: if tries == 0 { 0 } else { queue_length as usize },
            next_openwhisk,
            delegate_on_failure,
            blackbox_auto_pull,
            api_host,
            invocations_per_minute: invocations_per_minute as u32,
            concurrent_invocations: concurrent_invocations as u32,
            fires_per_minute: fires_per_minute as u32,
            store_size: store_size.unwrap_or(default_store_size()) << 20,
            activations_age,
            activations_count,
            drain_timeout,
            given,
        })
    }

    /// The settings that were read and checked, but whose feature is not in this version.
    pub fn without_effect(&self) -> Vec<&'static str> {
        const LATER: &[&str] = &[
            "OWL_NEXT_OPENWHISK",
            "OWL_DELEGATE_ON_FAILURE",
            "OWL_PREEMPTION_ENABLED",
            "OWL_PREEMPTION_PERIOD",
            "OWL_PREEMPTION_HIGH",
            "OWL_PREEMPTION_LOW",
            "OWL_FIRES_PER_MINUTE",
        ];
        self.given
            .iter()
            .filter(|(name, _, source)| *source != Source::Default && LATER.contains(name))
            .map(|(name, ..)| *name)
            .collect()
    }
}

/// `NAME=value` lines with the source of each value, as `--print-config` shows them.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let later = self.without_effect();
        for (name, value, source) in &self.given {
            let source = match source {
                Source::Flag => "flag",
                Source::Environment => "environment",
                Source::Default => "default",
            };
            let note = if later.contains(name) {
                "; no effect in this version"
            } else {
                ""
            };
            writeln!(f, "{:<44} # {source}{note}", format!("{name}={value}"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        flags: &[(&'static str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<Config, ConfigError> {
        let flags: Vec<_> = flags
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        Config::read(&flags, &|name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn defaults_are_the_prototypes() {
        let config = read(&[], &[("HOME", "/home/pi")]).unwrap();
        assert_eq!(config.port, 3000);
        assert_eq!(config.host_capacity, 5);
        assert_eq!(config.longest_wait, Duration::from_secs(100));
        assert_eq!(config.preemption.idle, Duration::from_secs(600));
        assert_eq!(config.boot_timeout, Duration::from_secs(10));
        assert!(config.blackbox_auto_pull);
        assert!(!config.delegate_on_failure);
        assert_eq!(config.docker, DockerHost::Usual);
        assert_eq!(config.data_dir, Path::new("/home/pi/.local/share/owl"));
        assert_eq!(config.bind, [IpAddr::from([127, 0, 0, 1])]);
    }

    #[test]
    fn flags_win_over_environment() {
        let environment = [("OWL_PORT", "4000"), ("OWL_HOST_CAPACITY", "7")];
        let config = read(&[("OWL_PORT", "5000")], &environment).unwrap();
        assert_eq!((config.port, config.host_capacity), (5000, 7));
        let shown = config.to_string();
        assert!(shown.contains("OWL_PORT=5000"), "{shown}");
        assert_eq!(
            shown.lines().count(),
            SETTINGS.len(),
            "each setting is read once"
        );
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (name, value, message) in [
            ("OWL_PORT", "http", "a whole number from 0 to 65535"),
            ("OWL_PORT", "65536", "a whole number from 0 to 65535"),
            ("OWL_BIND", "localhost", "a list of IP addresses"),
            ("OWL_PREEMPTION_HIGH", "1.5", "a fraction from 0 to 1"),
            ("OWL_PREEMPTION_HIGH", "NaN", "a fraction from 0 to 1"),
            ("OWL_DELEGATE_ON_FAILURE", "perhaps", "true or false"),
            (
                "OWL_NEXT_OPENWHISK",
                "cloud.example",
                "an http:// or https:// URL",
            ),
            (
                "DOCKER_HOST",
                "npipe://x",
                "unix:///PATH, tcp://HOST:PORT or none",
            ),
            (
                "OWL_LOG_LEVEL",
                "loud",
                "one of error, warn, info, debug, trace",
            ),
        ] {
            let error = read(&[], &[(name, value)]).unwrap_err().to_string();
            assert_eq!(error, format!("{name}: '{value}' is not {message}"));
        }
        let error = read(&[("OWL_PORT", "x")], &[]).unwrap_err().to_string();
        assert!(error.starts_with("--port: 'x'"), "{error}");
        assert!(read(&[], &[("OWL_PREEMPTION_LOW", "0.9")]).is_err());
    }

    #[test]
    fn no_tries_means_no_waiting() {
        let config = read(&[], &[("OWL_RETRIES_NUMBER", "0")]).unwrap();
        assert_eq!(
            (config.longest_wait, config.queue_length),
            (Duration::ZERO, 0)
        );
    }

    #[test]
    fn settings_without_effect_are_named() {
        let config = read(&[], &[("OWL_NEXT_OPENWHISK", "https://cloud.example")]).unwrap();
        assert_eq!(config.without_effect(), ["OWL_NEXT_OPENWHISK"]);
    }

    #[test]
    fn systemd_says_where_the_state_is() {
        let config = read(
            &[],
            &[
                ("STATE_DIRECTORY", "/var/lib/owl:/var/lib/x"),
                ("HOME", "/root"),
            ],
        );
        assert_eq!(config.unwrap().data_dir, Path::new("/var/lib/owl"));
    }

    #[test]
    fn misspelt_names_are_found() {
        let names = ["OWL_PROT", "OWL_PORT", "PATH", "OWL_TEST_X"].map(String::from);
        assert_eq!(unknown_names(names.into_iter()), ["OWL_PROT"]);
    }
}
