//! What clients write, and to what.

use serde_json::{Value, json};

use super::random::Random;
use super::*;

/// What is written to, by those whose namespace it is in.
pub(super) const PLACES: [(Collection, &str); 17] = [
    (Collection::Packages, "guest/p"),
    (Collection::Packages, "guest/q"),
    (Collection::Actions, "guest/a"),
    (Collection::Actions, "guest/b"),
    (Collection::Actions, "guest/p/a"),
    (Collection::Actions, "guest/q/a"),
    (Collection::Actions, "guest/s"),
    (Collection::Triggers, "guest/t"),
    (Collection::Triggers, "guest/u"),
    (Collection::Rules, "guest/r"),
    (Collection::Rules, "guest/v"),
    (Collection::Actions, "guest/p/b"),
    (Collection::Packages, "other/p"),
    (Collection::Actions, "other/a"),
    (Collection::Actions, "other/p/a"),
    (Collection::Triggers, "other/t"),
    (Collection::Rules, "other/r"),
];

/// Kinds of entities, and what is special about some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Action,
    /// A sequence with this as its second component, in place of an action.
    Sequence(&'static str),
    Package {
        publish: bool,
    },
    /// A binding to this, in place of a package.
    Binding(&'static str),
    Trigger,
    Rule {
        trigger: &'static str,
        action: &'static str,
    },
    Delete {
        force: bool,
    },
    Enable(bool),
}

/// A client's request that changes something.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) collection: Collection,
    /// `ns/[package/]name`, by whose namespace it is.
    pub(super) path: &'static str,
    pub(super) change: Change,
    pub(super) overwrite: bool,
    /// Stands in what is written, and nowhere else.
    pub(super) token: String,
}

impl Write {
    pub(super) fn by_chance(random: &mut Random, number: &mut u64) -> Self {
        let (collection, path) = random.one(&PLACES);
        *number += 1;
        let change = match collection {
            _ if random.is_in(5) => Change::Delete {
                force: collection == Collection::Packages && random.is_in(2),
            },
            Collection::Packages if path == "guest/q" && random.is_in(2) => {
                Change::Binding(random.one(&["guest/p", "guest/p", "other/p"]))
            }
            Collection::Rules if random.is_in(2) => Change::Enable(random.is_in(2)),
            _ => Change::creation(random, collection, path),
        };
        Write {
            collection,
            path,
            change,
            overwrite: !random.is_in(4),
            token: format!("token{number}"),
        }
    }

    /// The first of something.
    pub(super) fn first(
        random: &mut Random,
        number: &mut u64,
        (collection, path): (Collection, &'static str),
    ) -> Self {
        *number += 1;
        Write {
            collection,
            path,
            change: Change::creation(random, collection, path),
            overwrite: true,
            token: format!("token{number}"),
        }
    }

    pub(super) fn namespace(&self) -> &'static str {
        namespace(self.path)
    }

    pub(super) fn is_put(&self) -> bool {
        !matches!(self.change, Change::Delete { .. } | Change::Enable(_))
    }

    pub(super) fn is_delete(&self) -> bool {
        matches!(self.change, Change::Delete { .. })
    }

    pub(super) fn method(&self) -> Method {
        match self.change {
            Change::Delete { .. } => Method::Delete,
            Change::Enable(_) => Method::Post,
            _ => Method::Put,
        }
    }

    /// Whether this is the token of a document.
    pub(super) fn is_in(&self, document: &str) -> bool {
        document.contains(&format!("\"{}\"", self.token))
    }

    /// Whether after this, if it is a deletion, what another has made is not there.
    pub(super) fn removes(&self, other: &Write) -> bool {
        let is_around = self.collection == Collection::Packages && is_inside(other.path, self.path);
        self.is_delete()
            && (is_around || self.path == other.path && self.collection == other.collection)
    }

    /// The request for it.
    pub(super) fn ask(&self) -> Ask {
        let mut target = target(self.collection, self.path, true);
        match self.change {
            Change::Delete { force: true } => target.push_str("?force=true"),
            Change::Delete { .. } | Change::Enable(_) => {}
            _ if self.overwrite => target.push_str("?overwrite=true"),
            _ => {}
        }
        let ask = by(self.namespace(), Ask::new(self.method(), &target));
        match self.body() {
            Some(body) => ask.json(body),
            None => ask,
        }
    }

    fn body(&self) -> Option<Value> {
        let token = json!([{"key": "token", "value": self.token}]);
        Some(match self.change {
            Change::Action => json!({
                "exec": {"kind": "nodejs:20", "code": self.token},
                "parameters": token,
            }),
            Change::Sequence(second) => json!({
                "exec": {"kind": "sequence", "components": ["/_/a", format!("/{second}")]},
                "annotations": token,
            }),
            Change::Package { publish } => json!({"parameters": token, "publish": publish}),
            Change::Trigger => json!({"parameters": token}),
            Change::Binding(to) => {
                let (namespace, name) = to.split_once('/').unwrap();
                let binding = json!({"namespace": namespace, "name": name});
                json!({"binding": binding, "parameters": token})
            }
            Change::Rule { trigger, action } => json!({
                "trigger": format!("/_/{trigger}"),
                "action": format!("/{action}"),
                "annotations": token,
            }),
            Change::Enable(active) => {
                json!({"status": if active { "active" } else { "inactive" }})
            }
            Change::Delete { .. } => return None,
        })
    }
}

impl Change {
    /// What makes something of a collection.
    fn creation(random: &mut Random, collection: Collection, path: &str) -> Self {
        let is_others = namespace(path) == "other";
        match collection {
            Collection::Packages => Change::Package {
                // What others may bind to, most of the time.
                publish: is_others && !random.is_in(6),
            },
            Collection::Actions if path == "guest/s" => {
                Change::Sequence(random.one(&["guest/p/a", "guest/p/a", "other/p/a"]))
            }
            Collection::Actions => Change::Action,
            Collection::Triggers => Change::Trigger,
            _ if is_others => Change::Rule {
                trigger: "t",
                action: random.one(&["other/a", "other/p/a"]),
            },
            _ => Change::Rule {
                trigger: random.one(&["t", "u"]),
                action: random.one(&["guest/a", "guest/p/a", "guest/q/a", "other/p/a"]),
            },
        }
    }
}

/// The namespace that something is in.
pub(super) fn namespace(path: &str) -> &str {
    path.split('/').next().unwrap()
}

/// Whether something is in a package.
pub(super) fn is_inside(path: &str, package: &str) -> bool {
    let behind = path.strip_prefix(package);
    behind.is_some_and(|behind| behind.starts_with('/'))
}

/// Where an entity is, for those whose it is or for others.
pub(super) fn target(collection: Collection, path: &str, is_own: bool) -> String {
    let (namespace, name) = path.split_once('/').unwrap();
    let namespace = if is_own { "_" } else { namespace };
    format!(
        "/api/v1/namespaces/{namespace}/{}/{name}",
        collection.name()
    )
}

/// A request with the key of a namespace.
pub(super) fn by(namespace: &str, ask: Ask) -> Ask {
    match namespace {
        "other" => ask.other(),
        _ => ask,
    }
}
