//! The table of settings: names, defaults and what they mean.

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
    "OWL_CONFIG", "", "file with settings, a line NAME=value each, for those that neither a flag nor the environment sets; read again on SIGHUP";
    "OWL_BIND", "127.0.0.1", "addresses to listen on, separated by commas";
    "OWL_PORT", "3000", "port to listen on; 0 takes a free one";
    "OWL_DATA_DIR", "", "folder of the store; default: the service's state directory, else the user's data directory";
    "OWL_LOG_LEVEL", "info", "error, warn, info, debug or trace";
    "OWL_RUNTIMES", "", "file with a runtimes manifest; default: the built-in one";
    "DOCKER_HOST", "", "where the Docker Engine is; default: the usual sockets; `none` does without";
    "OWL_NET_NAME", "", "Docker network of the action containers; default: OWL's own container's, else bridge";
    "OWL_HOST_CAPACITY", "5", "sandboxes at the same time; 0 never runs actions here";
    "OWL_HOST_MEMORY", "", "MB that the memory limits of all sandboxes may come to; default: three quarters of the machine's memory";
    "OWL_PARALLEL_STARTS", "", "sandboxes that are started at the same time; default: as many as there are cores";
    "OWL_FREEZE_AFTER", "10", "seconds after which an idle sandbox is frozen, so that it uses no processor until its next run; `off` freezes none";
    "OWL_PREEMPTION_ENABLED", "false", "recycle idle sandboxes by watermarks";
    "OWL_PREEMPTION_PERIOD", "10", "seconds between two checks of the watermarks";
    "OWL_PREEMPTION_HIGH", "0.75", "fraction of the capacity above which recycling starts";
    "OWL_PREEMPTION_LOW", "0.25", "fraction of the capacity below which recycling stops";
    "OWL_PREEMPTION_IDLE", "600", "seconds after which an idle sandbox is removed";
    "OWL_IDLE_MEMORY", "", "MB that the memory limits of idle sandboxes may come to; default: all of OWL_HOST_MEMORY";
    "OWL_MEMORY_FLOOR", "", "MB that stay available on the machine: below, idle sandboxes go and none is started; 0: only stalls count; default: a twentieth of the memory, at most 128";
    "OWL_ACTION_INIT_TIMEOUT", "10", "seconds that a new sandbox may take to accept a connection";
    "OWL_ACTION_CONCURRENCY", "1", "activations that an action may have at the same time in one sandbox, if its limit says so and its runtime can";
    "OWL_RETRIES_NUMBER", "1000", "with OWL_RETRIES_TIMEOUT: how long an invocation waits for a sandbox; 0 does not wait";
    "OWL_RETRIES_TIMEOUT", "100", "milliseconds; times OWL_RETRIES_NUMBER it is the longest wait for a sandbox";
    "OWL_QUEUE_LENGTH", "1000", "invocations that may wait for a sandbox at the same time";
    "OWL_NEXT_OPENWHISK", "", "URL of the master OpenWhisk; unset: OPENWHISK_API or OPENWHISK_HOST; without one: standalone";
    "OWL_TIERS", "", "URLs of the OpenWhisks that take over what cannot run here, nearest first, separated by commas; default: the master";
    "OWL_DELEGATE_ON_FAILURE", "false", "what cannot run here is invoked on the next tier";
    "OWL_CA_FILE", "", "file with certificates (PEM) of authorities that the master's is checked against, besides the system's";
    "OWL_INSECURE", "false", "do not check the certificates of the master and of the tiers";
    "OWL_CONNECT_TIMEOUT", "5", "seconds to reach the master or a tier: name, connection and TLS";
    "OWL_MASTER_TIMEOUT", "15", "seconds that the master or a tier has to answer, beyond what a blocking invocation may take";
    "OWL_FORWARDS", "32", "requests that are under way to the master and the tiers at the same time, each on a thread";
    "OWL_REVALIDATE", "60", "seconds after which the copy of an entity is compared with the master's again";
    "OWL_KEYS_REVALIDATE", "300", "seconds after which a key is shown to the master again";
    "OWL_KEYS_OFFLINE", "2592000", "seconds that a key stays good when the master cannot be asked";
    "OWL_OFFLINE_WRITES", "refuse", "writes while the master is out of reach: refuse (503) or journal (replayed later)";
    "OWL_JOURNAL_SIZE", "8", "MiB of writes that the journal may hold";
    "OWL_FIRES_SIZE", "8", "MiB of fired triggers that may wait for the master";
    "OWL_FIRES_AGE", "604800", "seconds after which a fired trigger that the master has not got is dropped";
    "OWL_MERGE_ACTIVATIONS", "true", "lists of activations have the master's, too, while it can be reached";
    "OWL_BLACKBOX_AUTO_PULL", "true", "pull the images of blackbox actions";
    "OWL_IMAGE_TEMPLATES", "{name}", "names under which the images of blackbox actions are looked for, in this order, separated by commas: {name}, {tag}, {arch}, {variant}";
    "OWL_IMAGES_AGE", "30", "days after which an image goes that OWL has pulled and nobody names or uses; 0 keeps it";
    "OWL_IMAGES_FREE", "512", "MiB below which such images go, as long as no more are free on the Docker Engine's disk; 0 for any";
    "OWL_API_HOST", "", "URL under which actions reach OWL; default: an address of the Docker network";
    "OWL_INVOCATIONS_PER_MINUTE", "60", "invocations of a namespace in a minute";
    "OWL_CONCURRENT_INVOCATIONS", "30", "invocations of a namespace in flight";
    "OWL_FIRES_PER_MINUTE", "60", "trigger fires of a namespace in a minute";
    "OWL_METRICS", "loopback", "who may read /metrics, which names actions of every namespace: loopback, everyone or off";
    "OWL_OPERATOR_FILE", "", "file with name:password of the operator, who may POST to /disable; default: nobody may";
    "OWL_STORE_SIZE", "", "MiB that the store may take; default: 1024, on 32-bit machines 64";
    "OWL_ACTIVATIONS_AGE", "604800", "seconds after which an activation record goes";
    "OWL_ACTIVATIONS_COUNT", "100000", "activation records that are kept";
    "OWL_DURABLE_ANSWERS", "false", "a blocking call is answered when its activation record is on the disk, not some milliseconds before";
    "OWL_DRAIN_TIMEOUT", "30", "seconds that running activations have to finish when the daemon stops";
    "OWL_EXIT_AFTER_IDLE", "0", "seconds without a request or activation after which the daemon ends, if the service manager holds its socket and starts it again; 0 never";
}
