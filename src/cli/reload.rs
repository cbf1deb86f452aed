//! SIGHUP: the file of settings (`OWL_CONFIG`) and the runtimes manifest are read again, and what
//! can change is taken over while everything goes on. Flags and the environment of a process do not
//! change; what they set stays.

use crate::blocking::unblock;
use crate::catalog::Manifest;
use crate::config::{Changes, Config};

use super::node::{Node, manifest};

/// Reads settings again.
pub struct Reloader {
    flags: Vec<(&'static str, String)>,
    /// As they were at the start.
    first: Config,
    /// As they were read last.
    last: Config,
}

impl Reloader {
    /// For a daemon that was started with these flags, which came to these settings.
    pub fn new(flags: Vec<(&'static str, String)>, config: Config) -> Self {
        Reloader {
            flags,
            first: config.clone(),
            last: config,
        }
    }

    /// Reads everything, and if all of it is good lets the daemon take over what has changed. The
    /// log tells what, in one line; or why nothing has changed.
    pub async fn reload(&mut self, node: &Node) {
        let flags = self.flags.clone();
        let read = unblock(move || read(&flags)).await;
        let read = read
            .map_err(|error| error.to_string())
            .and_then(|read| read);
        let (config, manifest) = match read {
            Ok(read) => read,
            Err(error) => {
                log::error!("SIGHUP: nothing is changed: {error}");
                return;
            }
        };
        let changes = config.changes(&self.first, &self.last);
        let kinds = node.apply(&config, manifest);
        // The line is told if either level does.
        log::set_max_level(config.log_level.max(self.last.log_level));
        log::info!("{}", told(&changes, &kinds));
        log::set_max_level(config.log_level);
        self.last = config;
    }
}

fn read(flags: &[(&'static str, String)]) -> Result<(Config, Manifest), String> {
    let config = Config::read(flags, &super::environment).map_err(|error| error.to_string())?;
    let manifest = manifest(&config).map_err(|error| error.to_string())?;
    Ok((config, manifest))
}

/// What has changed, in one line.
fn told(changes: &Changes, kinds: &[String]) -> String {
    let mut parts = Vec::new();
    if !changes.applied.is_empty() {
        parts.push(format!("changed: {}", changes.applied.join(", ")));
    }
    if !kinds.is_empty() {
        parts.push(format!("kinds of the manifest: {}", kinds.join(", ")));
    }
    if parts.is_empty() {
        parts.push("nothing to change now".to_owned());
    }
    if !changes.restart.is_empty() {
        parts.push(format!("after a restart: {}", changes.restart.join(", ")));
    }
    if !changes.hidden.is_empty() {
        parts.push(format!(
            "not taken, because a flag or the environment sets it: {}",
            changes.hidden.join(", ")
        ));
    }
    format!("SIGHUP: settings are read again; {}", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_it_all() {
        assert_eq!(
            told(&Changes::default(), &[]),
            "SIGHUP: settings are read again; nothing to change now"
        );
        let changes = Changes {
            applied: vec!["A 1 to 2".to_owned(), "B 3 to 4".to_owned()],
            restart: vec!["C"],
            hidden: vec!["D"],
        };
        assert_eq!(
            told(&changes, &["nodejs:20".to_owned()]),
            "SIGHUP: settings are read again; changed: A 1 to 2, B 3 to 4; kinds of the manifest: \
             nodejs:20; after a restart: C; not taken, because a flag or the environment sets it: D"
        );
    }
}
