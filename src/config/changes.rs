//! What differs between two readings of the settings, and what of that can change while the daemon
//! runs.

use super::{Config, Source};

/// Settings that a running daemon takes over; the others hold from its next start on.
pub const LIVE: &[&str] = &[
    "OWL_LOG_LEVEL",
    "OWL_RUNTIMES",
    "OWL_HOST_CAPACITY",
    "OWL_HOST_MEMORY",
    "OWL_PARALLEL_STARTS",
    "OWL_FREEZE_AFTER",
    "OWL_PREEMPTION_ENABLED",
    "OWL_PREEMPTION_PERIOD",
    "OWL_PREEMPTION_HIGH",
    "OWL_PREEMPTION_LOW",
    "OWL_PREEMPTION_IDLE",
    "OWL_IDLE_MEMORY",
    "OWL_MEMORY_FLOOR",
    "OWL_ACTION_INIT_TIMEOUT",
    "OWL_RETRIES_NUMBER",
    "OWL_RETRIES_TIMEOUT",
    "OWL_QUEUE_LENGTH",
    "OWL_BLACKBOX_AUTO_PULL",
    "OWL_INVOCATIONS_PER_MINUTE",
    "OWL_CONCURRENT_INVOCATIONS",
    "OWL_FIRES_PER_MINUTE",
];

/// What a new reading of the settings brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Settings that hold from now on, each as `NAME old to new`.
    pub applied: Vec<String>,
    /// Settings that hold from the next start on.
    pub restart: Vec<&'static str>,
    /// Settings whose line in the file has changed, but which a flag or the environment sets.
    pub hidden: Vec<&'static str>,
}

impl Config {
    /// What this reading brings to a daemon that was started with the settings `first`, and for
    /// which those of `before` were read last.
    pub fn changes(&self, first: &Config, before: &Config) -> Changes {
        let mut changes = Changes::default();
        for (name, value, _) in &self.given {
            let is_live = LIVE.contains(name);
            let old = if is_live { before } else { first };
            let old = old.value(name).unwrap_or_default();
            if value == old {
                continue;
            }
            if !is_live {
                changes.restart.push(name);
            } else {
                let (old, new) = (shown(old), shown(value));
                changes.applied.push(format!("{name} {old} to {new}"));
            }
        }
        for (name, _, source) in &self.given {
            let is_hidden = matches!(source, Source::Flag | Source::Environment);
            if is_hidden && self.in_file(name) != before.in_file(name) {
                changes.hidden.push(name);
            }
        }
        changes
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut given = self.given.iter();
        let (_, value, _) = given.find(|(known, ..)| *known == name)?;
        Some(value)
    }

    fn in_file(&self, name: &str) -> Option<&str> {
        let mut lines = self.file.iter();
        let (_, value) = lines.find(|(known, _)| *known == name)?;
        Some(value)
    }
}

fn shown(value: &str) -> &str {
    match value {
        "" => "(default)",
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SETTINGS;

    fn read(file: &str, environment: &[(&str, &str)]) -> Config {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), file).unwrap();
        let flags = [("OWL_CONFIG", path.path().display().to_string())];
        let environment = |name: &str| {
            let mut set = environment.iter();
            let (_, value) = set.find(|(known, _)| *known == name)?;
            Some((*value).to_owned())
        };
        let mut config = Config::read(&flags, &environment).unwrap();
        // Its name is by chance.
        config.given.retain(|(name, ..)| *name != "OWL_CONFIG");
        config
    }

    #[test]
    fn live_settings_are_settings() {
        for name in LIVE {
            assert!(
                SETTINGS.iter().any(|setting| setting.name == *name),
                "{name}"
            );
        }
    }

    #[test]
    fn what_changes_now_and_what_later() {
        let first = read("OWL_PORT=1\nOWL_HOST_CAPACITY=5", &[]);
        let second = read("OWL_PORT=2\nOWL_HOST_CAPACITY=3\nOWL_HOST_MEMORY=512", &[]);
        let changes = second.changes(&first, &first);
        let applied = [
            "OWL_HOST_CAPACITY 5 to 3",
            "OWL_HOST_MEMORY (default) to 512",
        ];
        assert_eq!(changes.applied, applied);
        assert_eq!(changes.restart, ["OWL_PORT"]);
        // What holds already is told once, what waits for a restart each time.
        let again = second.changes(&first, &second);
        assert_eq!((again.applied.len(), again.restart), (0, vec!["OWL_PORT"]));
        assert_eq!(first.changes(&first, &first), Changes::default());
    }

    #[test]
    fn lines_that_something_else_hides_are_named() {
        let environment = [("OWL_HOST_CAPACITY", "7")];
        let first = read("OWL_HOST_CAPACITY=5", &environment);
        let second = read("OWL_HOST_CAPACITY=3", &environment);
        let changes = second.changes(&first, &first);
        assert_eq!(changes.hidden, ["OWL_HOST_CAPACITY"]);
        assert_eq!((changes.applied.len(), changes.restart.len()), (0, 0));
        let unchanged = second.changes(&first, &second);
        assert_eq!(unchanged, Changes::default());
    }
}
