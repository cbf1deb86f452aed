//! Entities as another OpenWhisk tells of them: what it leaves out is what older ones leave out.
//!
//! Nothing is checked against what is allowed here. Whether an entity may be as it is was decided
//! where it was made; whether it can run here is seen when it is to run. But what an entity is
//! called and what it refers to must be names that something can have, as paths are made of them,
//! and nothing may reach into a namespace that it is not of.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::trigger::TriggerLimits;
use super::{
    Action, ActionLimits, ActionRanges, BLACKBOX, Binding, Exec, FullName, Package, Parameters,
    ReducedRule, Rule, RuleStatus, SEQUENCE, Trigger, Version, is_base64, json, names,
};

/// What every entity has.
#[derive(Deserialize)]
struct Common<'a> {
    namespace: String,
    name: String,
    version: String,
    #[serde(default)]
    publish: bool,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    /// OpenWhisks of before 2019 have none.
    #[serde(default)]
    updated: u64,
}

impl<'a> Common<'a> {
    /// What an entity says of itself, if it can be the one of `path`.
    fn of(document: &'a RawValue, path: &str) -> Option<Self> {
        let read: Common = json::object(document)?;
        let (place, name) = names::place_and_name(path);
        let is_it = read.namespace == place && read.name == name;
        (is_it && read.version.parse::<Version>().is_ok()).then_some(read)
    }

    fn parameters(&self) -> Option<Parameters> {
        parsed(self.parameters)
    }

    fn annotations(&self) -> Option<Parameters> {
        parsed(self.annotations)
    }
}

/// Parameters that may be left out; none if they are something else.
fn parsed(told: Option<&RawValue>) -> Option<Parameters> {
    told.map_or_else(
        || Some(Parameters::default()),
        |told| Parameters::parse(told).ok(),
    )
}

/// A whole document.
fn document(bytes: &[u8]) -> Option<&RawValue> {
    json::stored(bytes)
}

/// Whether a document tells of the entity of `path`, whatever it is else.
pub fn is_told_of(bytes: &[u8], path: &str) -> bool {
    document(bytes).is_some_and(|document| Common::of(document, path).is_some())
}

impl Action {
    /// Reads what is told of the action of `path`, with its code if that is there; none if it is
    /// not that. The parameters are those that are shown: what a package gives is among them if it
    /// was read, and not if the document is the answer to a write.
    pub fn told(bytes: &[u8], path: &str) -> Option<(Self, Option<String>)> {
        #[derive(Deserialize)]
        struct Told<'a> {
            #[serde(borrow)]
            exec: &'a RawValue,
            #[serde(default)]
            limits: ToldLimits,
        }
        let document = document(bytes)?;
        let common = Common::of(document, path)?;
        let told: Told = json::object(document)?;
        let (exec, code) = exec(told.exec, names::namespace_and_package(path).0)?;
        let action = Action {
            parameters: common.parameters()?,
            annotations: common.annotations()?,
            namespace: common.namespace,
            name: common.name,
            exec,
            limits: told.limits.into(),
            version: common.version,
            publish: common.publish,
            updated: common.updated,
            revision: 0,
        };
        Some((action, code))
    }
}

/// Limits of which some may be left out.
#[derive(Default, Deserialize)]
struct ToldLimits {
    timeout: Option<u64>,
    memory: Option<u32>,
    logs: Option<u32>,
    concurrency: Option<u32>,
    instances: Option<u32>,
}

impl From<ToldLimits> for ActionLimits {
    fn from(told: ToldLimits) -> Self {
        let defaults = ActionRanges::default().defaults();
        ActionLimits {
            timeout: told.timeout.unwrap_or(defaults.timeout),
            memory: told.memory.unwrap_or(defaults.memory),
            logs: told.logs.unwrap_or(defaults.logs),
            concurrency: told.concurrency.unwrap_or(defaults.concurrency),
            instances: told.instances,
        }
    }
}

/// What an action runs, and its code.
fn exec(told: &RawValue, namespace: &str) -> Option<(Exec, Option<String>)> {
    #[derive(Deserialize)]
    struct Told<'a> {
        kind: String,
        #[serde(borrow)]
        code: Option<&'a RawValue>,
        binary: Option<bool>,
        main: Option<String>,
        image: Option<String>,
        #[serde(borrow)]
        components: Option<Vec<&'a RawValue>>,
    }
    let told: Told = json::object(told)?;
    if told.kind == SEQUENCE {
        let names = told.components?.into_iter().map(FullName::parse);
        let names = names.map(|name| name.map(|name| name.resolved(namespace)));
        let components = names.collect::<Result<_, _>>().ok()?;
        return Some((Exec::Sequence { components }, None));
    }
    let code: Option<String> = told
        .code
        .and_then(|code| serde_json::from_str(code.get()).ok())
        // What a blackbox without code may be told to have.
        .filter(|code: &String| told.kind != BLACKBOX || !code.trim().is_empty());
    let binary = told
        .binary
        .unwrap_or_else(|| code.as_deref().is_some_and(is_base64));
    let exec = if told.kind == BLACKBOX {
        Exec::Blackbox {
            image: told.image?,
            binary,
            main: told.main,
        }
    } else {
        Exec::Code {
            kind: told.kind,
            binary,
            main: told.main,
        }
    };
    Some((exec, code))
}

impl Package {
    /// Reads what is told of the package or binding of `path`; none if it is not that. The
    /// parameters are those that are shown: a binding that was read shows those of its package,
    /// too.
    pub fn told(bytes: &[u8], path: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(default)]
            binding: ToldBinding,
        }
        /// `{}` for a package.
        #[derive(Default, Deserialize)]
        struct ToldBinding {
            namespace: Option<String>,
            name: Option<String>,
        }
        let document = document(bytes)?;
        let common = Common::of(document, path)?;
        let told: Told = json::object(document)?;
        let binding = told.binding.namespace.zip(told.binding.name);
        let binding = binding.map(|(namespace, name)| Binding { namespace, name });
        let is_legal =
            |binding: &Binding| names::is_name(&binding.namespace) && names::is_name(&binding.name);
        if !binding.as_ref().is_none_or(is_legal) {
            return None;
        }
        Some(Package {
            parameters: common.parameters()?,
            annotations: common.annotations()?,
            binding: binding.map(|binding| binding.resolved(&common.namespace)),
            namespace: common.namespace,
            name: common.name,
            version: common.version,
            publish: common.publish,
            updated: common.updated,
            revision: 0,
        })
    }
}

impl Trigger {
    /// Reads what is told of the trigger of `path`; none if it is not that.
    pub fn told(bytes: &[u8], path: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Told {
            rules: Option<BTreeMap<String, ReducedRule>>,
        }
        let document = document(bytes)?;
        let common = Common::of(document, path)?;
        let told: Told = json::object(document)?;
        let rules = told.rules.as_ref();
        if !rules.is_none_or(|rules| rules.iter().all(|rule| is_rule(rule, &common.namespace))) {
            return None;
        }
        Some(Trigger {
            parameters: common.parameters()?,
            annotations: common.annotations()?,
            namespace: common.namespace,
            name: common.name,
            limits: TriggerLimits {},
            version: common.version,
            publish: common.publish,
            rules: told.rules,
            updated: common.updated,
            revision: 0,
        })
    }
}

/// Whether this can be what a trigger of a namespace knows of a rule.
fn is_rule((rule, reduced): (&String, &ReducedRule), namespace: &str) -> bool {
    let (place, name) = names::place_and_name(rule);
    let action = reduced.action.to_string().parse::<FullName>();
    place == namespace && names::is_name(name) && action.as_ref() == Ok(&reduced.action)
}

impl Rule {
    /// Reads what is told of the rule of `path`, with its status; none if it is not that. Its
    /// trigger, whose copy changes with the rule's, is of the same namespace. A status
    /// other than active, such as those that rules had while they were changed, is inactive.
    pub fn told(bytes: &[u8], path: &str) -> Option<(Self, RuleStatus)> {
        #[derive(Deserialize)]
        struct Told<'a> {
            #[serde(borrow)]
            trigger: &'a RawValue,
            #[serde(borrow)]
            action: &'a RawValue,
            status: Option<String>,
        }
        let document = document(bytes)?;
        let common = Common::of(document, path)?;
        let told: Told = json::object(document)?;
        let name = |told: &RawValue| FullName::parse(told).ok();
        let trigger = name(told.trigger)?.resolved(&common.namespace);
        if trigger.path != common.namespace {
            return None;
        }
        let rule = Rule {
            trigger,
            action: name(told.action)?.resolved(&common.namespace),
            annotations: common.annotations()?,
            namespace: common.namespace,
            name: common.name,
            version: common.version,
            publish: common.publish,
            updated: common.updated,
            revision: 0,
        };
        let is_active = told.status.as_deref() == Some("active");
        let status = if is_active {
            RuleStatus::Active
        } else {
            RuleStatus::Inactive
        };
        Some((rule, status))
    }
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
