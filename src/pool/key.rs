//! What requests ask for, and what sandboxes are good for.

use std::sync::Arc;

/// What a warm sandbox may be used for again: the invoking namespace, the action, and its version
/// (reference section 8.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of one state of an action for one invoking namespace. `revision` tells apart a
    /// deleted and recreated action.
    pub fn new(invoker: &str, action: &str, version: &str, revision: u64) -> Self {
        let revision = revision.to_string();
        Key([action, invoker, version, &revision].join("\0").into())
    }

    /// `ns/[package/]name` of the action.
    pub fn action(&self) -> &str {
        self.part(0)
    }

    /// The invoking namespace.
    pub fn namespace(&self) -> &str {
        self.part(1)
    }

    /// The action and the invoking namespace, whatever the version: what is known of calls holds
    /// for all of them.
    pub fn whose(&self) -> &str {
        match self.0.match_indices('\0').nth(1) {
            Some((end, _)) => &self.0[..end],
            None => &self.0,
        }
    }

    fn part(&self, index: usize) -> &str {
        self.0.split('\0').nth(index).unwrap_or_default()
    }
}

/// What a sandbox is before any code is in it: what a stem cell must match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// Name of the engine that starts it.
    pub engine: &'static str,
    /// Concrete kind, such as `nodejs:20`, `quickjs:1` or `blackbox`.
    pub kind: String,
    /// Its image; none for the process engine.
    pub image: Option<String>,
    /// MB of memory that it may take.
    pub memory: u32,
}

impl Class {
    /// By what the idle time of such a sandbox is divided before the longest idle goes: those that
    /// are costly to start live longer.
    pub(super) fn factor(&self) -> u32 {
        match self.kind.split(':').next() {
            Some("java") => 3,
            Some("blackbox") => 5,
            _ => 1,
        }
    }
}

/// What a request needs, if no sandbox has run its action before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The sandbox.
    pub class: Arc<Class>,
    /// Runs at the same time that a sandbox of the action may have, at least one.
    pub concurrency: u32,
}

impl Needs {
    /// A sandbox of this class for one run at a time.
    pub fn new(class: Class) -> Self {
        Needs::of(class.into())
    }

    /// The same.
    pub(super) const fn of(class: Arc<Class>) -> Self {
        Needs {
            class,
            concurrency: 1,
        }
    }

    /// For so many runs at a time.
    pub const fn with_concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_tells() {
        let key = Key::new("guest", "ns/pkg/name", "0.0.1", 7);
        assert_eq!((key.action(), key.namespace()), ("ns/pkg/name", "guest"));
        assert_eq!(key.whose(), "ns/pkg/name\0guest");
    }

    #[test]
    fn costly_kinds_live_longer() {
        for (kind, factor) in [
            ("java:8", 3),
            ("java:default", 3),
            ("blackbox", 5),
            ("nodejs:20", 1),
            ("javascript:1", 1),
        ] {
            let class = Class {
                engine: "docker",
                kind: kind.into(),
                image: None,
                memory: 256,
            };
            assert_eq!(class.factor(), factor, "{kind}");
        }
    }
}
