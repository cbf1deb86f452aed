//! The body of `PUT .../actions/{name}`: how it makes or changes an action (reference sections
//! 2.2.3 and 2.2.4).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::action::exec_annotation;
use super::{
    Action, ActionLimits, ActionRanges, EntityError, Exec, FullName, Kinds, NewExec, NewLimits,
    Parameters, Version, json,
};

/// What a client wants an action to be; what it leaves out is `None`.
#[derive(Debug)]
pub struct NewAction {
    /// What it runs.
    pub exec: Option<NewExec>,
    parameters: Option<Parameters>,
    annotations: Option<Parameters>,
    del_annotations: Vec<String>,
    limits: NewLimits,
    version: Option<Version>,
    publish: Option<bool>,
}

/// Largest parts of a document, in bytes (reference section 1.9).
#[derive(Clone, Copy, Debug)]
pub struct SizeLimits {
    /// Code, with `main` and the image's name; names of a sequence's components.
    pub exec: u64,
    /// Parameters; also annotations.
    pub parameters: u64,
}

impl SizeLimits {
    /// Checks parameters and then annotations that were sent, of any entity.
    pub fn check(
        &self,
        parameters: Option<&Parameters>,
        annotations: Option<&Parameters>,
    ) -> Result<(), EntityError> {
        let max = self.parameters;
        within("parameters", parameters.map(Parameters::size), max)?;
        within("annotations", annotations.map(Parameters::size), max)
    }
}

fn within(what: &'static str, is: Option<u64>, max: u64) -> Result<(), EntityError> {
    match is {
        Some(is) if is > max => Err(EntityError::TooLarge { what, is, max }),
        _ => Ok(()),
    }
}

/// Annotations that one change may remove.
const MOST_REMOVED: usize = 10_000;

/// The keys of annotations to be removed.
fn texts(json: &RawValue) -> Result<Vec<String>, EntityError> {
    let syntax = |error: serde_json::Error| EntityError::malformed(error.to_string());
    let first = json::first_elements(json, MOST_REMOVED + 1);
    if first.is_some_and(|first| first.len() > MOST_REMOVED) {
        return Err(EntityError::Invalid(format!(
            "There are more than {MOST_REMOVED} annotations to be removed."
        )));
    }
    serde_json::from_str(json.get()).map_err(syntax)
}

impl NewAction {
    /// Parses a body, with OpenWhisk's messages. Fields that a client may not set are ignored.
    pub fn parse(body: &[u8], kinds: &dyn Kinds) -> Result<Self, EntityError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sent<'a> {
            #[serde(borrow)]
            exec: Option<&'a RawValue>,
            #[serde(borrow)]
            parameters: Option<&'a RawValue>,
            #[serde(borrow)]
            annotations: Option<&'a RawValue>,
            #[serde(borrow)]
            limits: Option<&'a RawValue>,
            #[serde(borrow)]
            del_annotations: Option<&'a RawValue>,
            version: Option<String>,
            publish: Option<bool>,
        }
        let sent: Sent = json::document(body)?;
        let version = sent.version.map(|version| version.parse()).transpose()?;
        Ok(NewAction {
            exec: sent
                .exec
                .map(|exec| NewExec::parse(exec, kinds))
                .transpose()?,
            parameters: sent.parameters.map(Parameters::parse).transpose()?,
            annotations: sent.annotations.map(Parameters::parse).transpose()?,
            del_annotations: sent.del_annotations.map_or_else(|| Ok(Vec::new()), texts)?,
            limits: sent
                .limits
                .map_or(Ok(NewLimits::default()), NewLimits::parse)?,
            version,
            publish: sent.publish,
        })
    }

    /// Checks the sizes of the parts that were sent, in OpenWhisk's order.
    pub fn check_sizes(&self, limits: &SizeLimits) -> Result<(), EntityError> {
        within("exec", self.exec.as_ref().map(NewExec::size), limits.exec)?;
        limits.check(self.parameters.as_ref(), self.annotations.as_ref())
    }

    /// This with `namespace` in the place of `_` in the names of a sequence's components.
    #[must_use]
    pub fn resolved(mut self, namespace: &str) -> Self {
        self.exec = self.exec.map(|exec| exec.resolved(namespace));
        self
    }

    /// The components, if it is to be a sequence.
    pub fn components(&self) -> Option<&[FullName]> {
        self.exec.as_ref()?.exec.components()
    }

    /// Checks the limits that were sent.
    pub fn check_limits(&self, ranges: &ActionRanges) -> Result<(), EntityError> {
        self.limits.over(ranges.defaults(), ranges).map(|_| ())
    }

    /// The action that this makes where there is none. `now` is in milliseconds since 1970.
    pub fn create(
        self,
        namespace: &str,
        name: &str,
        ranges: &ActionRanges,
        now: u64,
    ) -> Result<Action, EntityError> {
        let limits = self.limits(ranges.defaults(), ranges)?;
        let exec = self
            .exec
            .ok_or_else(|| EntityError::Invalid("exec undefined".into()))?
            .exec;
        let mut annotations = self.annotations.unwrap_or_default();
        if annotations.get("provide-api-key").is_none() {
            annotations.annotate("provide-api-key", json::boolean(false));
        }
        annotations.annotate("exec", exec_annotation(&exec));
        Ok(Action {
            namespace: namespace.into(),
            name: name.into(),
            parameters: sequence_parameters(&exec).unwrap_or(self.parameters.unwrap_or_default()),
            exec,
            limits,
            version: self.version.unwrap_or(Version::FIRST).to_string(),
            publish: self.publish.unwrap_or(false),
            annotations,
            updated: now,
            revision: 0,
        })
    }

    /// The action that this makes of an existing one.
    pub fn update(
        self,
        old: &Action,
        ranges: &ActionRanges,
        now: u64,
    ) -> Result<Action, EntityError> {
        let limits = self.limits(old.limits, ranges)?;
        let next = || old.version.parse().map_or(Version::FIRST, Version::next);
        let becomes_sequence = self.components().is_some();
        let parameters = self.parameters_over(old);
        let exec = self.exec.map_or_else(|| old.exec.clone(), |new| new.exec);
        let mut annotations = old.annotations.clone();
        if !becomes_sequence {
            annotations = annotations.without(&self.del_annotations);
        }
        if let Some(new) = &self.annotations {
            annotations = annotations.merged(new);
        }
        annotations.annotate("exec", exec_annotation(&exec));
        Ok(Action {
            namespace: old.namespace.clone(),
            name: old.name.clone(),
            exec,
            parameters,
            limits,
            version: self.version.unwrap_or_else(next).to_string(),
            publish: self.publish.unwrap_or(old.publish),
            annotations,
            // Two updates within a millisecond, or after the clock was set back, still have an
            // order.
            updated: now.max(old.updated + 1),
            revision: old.revision,
        })
    }

    /// The parameters after an update. Those of a sequence are its components and nothing else.
    fn parameters_over(&self, old: &Action) -> Parameters {
        let was_sequence = old.exec.components().is_some();
        match (&self.exec, &self.parameters) {
            (Some(new), sent) => sequence_parameters(&new.exec).unwrap_or_else(|| match sent {
                Some(sent) => sent.clone(),
                None if was_sequence => Parameters::default(),
                None => old.parameters.clone(),
            }),
            (None, Some(sent)) if !was_sequence => sent.clone(),
            (None, _) => old.parameters.clone(),
        }
    }

    fn limits(
        &self,
        base: ActionLimits,
        ranges: &ActionRanges,
    ) -> Result<ActionLimits, EntityError> {
        self.limits.over(base, ranges)
    }
}

/// The parameters of a sequence: the names of its components, under a key that no other
/// parameter stands beside. None for anything else.
fn sequence_parameters(exec: &Exec) -> Option<Parameters> {
    let names: Vec<_> = exec
        .components()?
        .iter()
        .map(|name| format!("/{name}"))
        .collect();
    let names = serde_json::value::to_raw_value(&names).expect("texts are always valid JSON");
    let mut parameters = Parameters::default();
    parameters.annotate("_actions", names);
    Some(parameters)
}

#[cfg(test)]
#[path = "new_action_tests.rs"]
mod tests;
