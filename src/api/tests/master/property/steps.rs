//! What may happen, chosen by chance.

use serde_json::{Value, json};

use super::*;

/// Small and good enough to choose what happens.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn is_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// What happens to a request on its way to the master, and to the answer on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// There is no connection.
    Unsent,
    /// It is lost before it has an effect.
    LostThere,
    /// It has its effect, and the answer is lost.
    LostBack,
    /// Somebody on the way answers, and it has no effect.
    Refused(u16),
    /// It has its effect, and somebody on the way answers.
    Instead(u16),
    /// It takes so many turns of others until it arrives.
    Late(u8),
}

/// Kinds of entities, and what is special about some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Action,
    /// A sequence, in place of an action.
    Sequence,
    Package,
    /// A binding, in place of a package.
    Binding,
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
    /// Without its namespace.
    pub(super) name: &'static str,
    pub(super) change: Change,
    pub(super) overwrite: bool,
    /// Stands in what is written, and nowhere else.
    pub(super) token: String,
}

impl Write {
    pub(super) fn path(&self) -> String {
        format!("guest/{}", self.name)
    }

    pub(super) fn is_put(&self) -> bool {
        !matches!(self.change, Change::Delete { .. } | Change::Enable(_))
    }

    pub(super) fn method(&self) -> Method {
        match self.change {
            Change::Delete { .. } => Method::Delete,
            Change::Enable(_) => Method::Post,
            _ => Method::Put,
        }
    }

    pub(super) fn target(&self) -> String {
        let mut target = target(self.collection, self.name);
        match self.change {
            Change::Delete { force: true } => target.push_str("?force=true"),
            Change::Delete { .. } | Change::Enable(_) => {}
            _ if self.overwrite => target.push_str("?overwrite=true"),
            _ => {}
        }
        target
    }

    pub(super) fn body(&self) -> Option<Value> {
        let token = json!([{"key": "token", "value": self.token}]);
        Some(match self.change {
            Change::Action => json!({
                "exec": {"kind": "nodejs:20", "code": self.token},
                "parameters": token,
            }),
            Change::Sequence => json!({
                "exec": {"kind": "sequence", "components": ["/_/a", "/_/p/a"]},
                "annotations": token,
            }),
            Change::Package | Change::Trigger => json!({"parameters": token}),
            Change::Binding => json!({
                "binding": {"namespace": "_", "name": "p"},
                "parameters": token,
            }),
            Change::Rule { trigger, action } => json!({
                "trigger": format!("/_/{trigger}"),
                "action": format!("/_/{action}"),
                "annotations": token,
            }),
            Change::Enable(active) => {
                json!({"status": if active { "active" } else { "inactive" }})
            }
            Change::Delete { .. } => return None,
        })
    }
}

/// Where an entity is.
pub(super) fn target(collection: Collection, name: &str) -> String {
    format!("/api/v1/namespaces/_/{}/{name}", collection.name())
}

/// One of what happens at a time.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// At the gateway.
    Here(Write),
    /// At the master, by somebody else.
    There(Write),
    /// At the gateway.
    Read(Collection, &'static str),
    Invoke(&'static str),
    /// The first entry of the journal.
    Replay,
    /// The master is asked whether it is there.
    Probe,
}

/// What happens, one after another.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// These at the same time, with what happens to the requests to the master. With a number, the
    /// gateway is gone after it has been given so many turns, and begins anew.
    Acts(Vec<Act>, Vec<Fault>, Option<u64>),
    /// From now on there is no way to the master, or there is one again.
    Cut(bool),
    /// The gateway is stopped and begins anew; its copies are fresh for long or never.
    Restart { fresh: bool },
}

/// What is written to.
pub(super) const PLACES: [(Collection, &str); 12] = [
    (Collection::Packages, "p"),
    (Collection::Packages, "q"),
    (Collection::Actions, "a"),
    (Collection::Actions, "b"),
    (Collection::Actions, "p/a"),
    (Collection::Actions, "q/a"),
    (Collection::Actions, "s"),
    (Collection::Triggers, "t"),
    (Collection::Triggers, "u"),
    (Collection::Rules, "r"),
    (Collection::Rules, "v"),
    (Collection::Actions, "p/b"),
];

fn write(random: &mut Random, number: &mut u64) -> Write {
    let (collection, name) = random.one(&PLACES);
    *number += 1;
    let change = match collection {
        _ if random.is_in(5) => Change::Delete {
            force: collection == Collection::Packages && random.is_in(2),
        },
        Collection::Packages if name == "q" && random.is_in(2) => Change::Binding,
        Collection::Packages => Change::Package,
        Collection::Actions if name == "s" => Change::Sequence,
        Collection::Actions => Change::Action,
        Collection::Triggers => Change::Trigger,
        _ if random.is_in(2) => Change::Enable(random.is_in(2)),
        _ => Change::Rule {
            trigger: random.one(&["t", "u"]),
            action: random.one(&["a", "p/a"]),
        },
    };
    Write {
        collection,
        name,
        change,
        overwrite: !random.is_in(4),
        token: format!("token{number}"),
    }
}

fn fault(random: &mut Random) -> Fault {
    match random.below(14) {
        0 => Fault::Unsent,
        1 | 2 => Fault::LostThere,
        3..=6 => Fault::LostBack,
        7 => Fault::Refused(503),
        8 => Fault::Refused(429),
        9 => Fault::Refused(500),
        10 => Fault::Instead(502),
        11 => Fault::Instead(504),
        _ => Fault::Late(1 + random.below(20) as u8),
    }
}

/// Faults of the next requests: as a rule none, or one at any of them.
fn faults(random: &mut Random) -> Vec<Fault> {
    if random.is_in(2) {
        return Vec::new();
    }
    let mut faults = vec![Fault::None; random.below(5) as usize];
    faults.push(fault(random));
    faults
}

fn act(random: &mut Random, number: &mut u64) -> Act {
    match random.below(20) {
        0..=6 => Act::Here(write(random, number)),
        7 | 8 => Act::There(write(random, number)),
        9..=11 => {
            let (collection, name) = random.one(&PLACES);
            Act::Read(collection, name)
        }
        12 => Act::Invoke(random.one(&["a", "p/a", "q/a", "s"])),
        13 | 14 => Act::Probe,
        _ => Act::Replay,
    }
}

/// What happens with a seed.
pub(super) fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut number = 0;
    let mut steps = Vec::new();
    // Something is there at the beginning.
    for (collection, name) in PLACES {
        let mut write = write(&mut random, &mut number);
        (write.collection, write.name, write.overwrite) = (collection, name, true);
        write.change = match collection {
            Collection::Packages => Change::Package,
            Collection::Triggers => Change::Trigger,
            Collection::Rules => Change::Rule {
                trigger: "t",
                action: "a",
            },
            _ if name == "s" => Change::Sequence,
            _ => Change::Action,
        };
        let act = match random.below(3) {
            0 => Act::Here(write),
            1 => Act::There(write),
            _ => continue,
        };
        steps.push(Step::Acts(vec![act], Vec::new(), None));
    }
    while steps.len() < count {
        steps.push(match random.below(16) {
            0 | 1 => Step::Cut(true),
            2 | 3 => Step::Cut(false),
            4 => Step::Restart {
                fresh: random.is_in(2),
            },
            _ => {
                let at_once = 1 + [0, 0, 0, 1, 1, 2][random.below(6) as usize];
                let acts = (0..at_once).map(|_| act(&mut random, &mut number));
                let acts = acts.collect();
                let turns = random.is_in(5).then(|| 1 + random.below(24));
                Step::Acts(acts, faults(&mut random), turns)
            }
        });
    }
    steps
}
