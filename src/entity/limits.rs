//! Limits of actions, and what the system allows (reference section 2.2.2).

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::{EntityError, json};

/// Limits of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionLimits {
    /// Milliseconds, separately for init and for each run.
    pub timeout: u64,
    /// MB of memory of the sandbox.
    pub memory: u32,
    /// MB of log kept per activation; 0 collects none.
    pub logs: u32,
    /// Concurrent activations in one sandbox.
    pub concurrency: u32,
    /// Cap of sandboxes, if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
}

/// What a limit may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Smallest.
    pub min: u32,
    /// Largest.
    pub max: u32,
    /// Value of an action that does not say.
    pub default: u32,
}

/// What the limits of actions may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionRanges {
    /// Milliseconds.
    pub timeout: Range,
    /// MB.
    pub memory: Range,
    /// MB.
    pub logs: Range,
    /// Activations.
    pub concurrency: Range,
    /// Largest cap of sandboxes: the namespace's concurrent activations.
    pub instances: u32,
}

impl Default for ActionRanges {
    /// OpenWhisk's standalone defaults.
    fn default() -> Self {
        let range = |min, max, default| Range { min, max, default };
        ActionRanges {
            timeout: range(100, 300_000, 60_000),
            memory: range(128, 512, 256),
            logs: range(0, 10, 10),
            concurrency: range(1, 1, 1),
            instances: 30,
        }
    }
}

impl ActionRanges {
    /// Limits of an action that sets none.
    pub const fn defaults(&self) -> ActionLimits {
        ActionLimits {
            timeout: self.timeout.default as u64,
            memory: self.memory.default,
            logs: self.logs.default,
            concurrency: self.concurrency.default,
            instances: None,
        }
    }

    /// Checks the limits of an action that was stored earlier (reference section 2.2.2).
    ///
    /// # Errors
    /// [`EntityError::Invalid`] says which of them is outside its range.
    pub fn check(&self, limits: &ActionLimits) -> Result<(), EntityError> {
        let timeout = i64::try_from(limits.timeout).unwrap_or(i64::MAX);
        within(limits.memory.into(), self.memory, "memory size", " MB")?;
        within(timeout, self.timeout, "duration", " milliseconds")?;
        within(limits.logs.into(), self.logs, "log size", " MB")?;
        within(
            limits.concurrency.into(),
            self.concurrency,
            "concurrency",
            "",
        )?;
        Ok(())
    }
}

/// The limits that a client sends; those that it leaves out stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewLimits {
    timeout: Option<i64>,
    memory: Option<i64>,
    logs: Option<i64>,
    concurrency: Option<i64>,
    instances: Option<i64>,
}

impl NewLimits {
    /// Parses what a client sends, with OpenWhisk's messages.
    pub fn parse(json: &RawValue) -> Result<Self, EntityError> {
        #[derive(Deserialize)]
        struct Sent<'a> {
            #[serde(borrow)]
            timeout: Option<&'a RawValue>,
            #[serde(borrow)]
            memory: Option<&'a RawValue>,
            #[serde(borrow)]
            logs: Option<&'a RawValue>,
            #[serde(borrow)]
            concurrency: Option<&'a RawValue>,
            #[serde(borrow)]
            instances: Option<&'a RawValue>,
        }
        let sent: Sent = json::object(json)
            .ok_or_else(|| EntityError::malformed("'limits' must be a JSON object"))?;
        let limits = NewLimits {
            timeout: whole(sent.timeout, "time", "time")?,
            memory: whole(sent.memory, "memory", "memory")?,
            logs: whole(sent.logs, "log", "log")?,
            concurrency: whole(sent.concurrency, "concurrency", "intra concurrency")?,
            instances: whole(
                sent.instances,
                "instance concurrency",
                "instance concurrency",
            )?,
        };
        if limits.instances.is_some_and(|instances| instances < 0) {
            return Err(EntityError::malformed(
                "requirement failed: Action container concurrency must be greater than or equal to 0.",
            ));
        }
        Ok(limits)
    }

    /// Checks the limits that were sent against what is allowed, and lays them over others.
    pub fn over(
        &self,
        mut base: ActionLimits,
        allowed: &ActionRanges,
    ) -> Result<ActionLimits, EntityError> {
        if let Some(is) = self.memory {
            base.memory = within(is, allowed.memory, "memory size", " MB")?;
        }
        if let Some(is) = self.timeout {
            base.timeout = within(is, allowed.timeout, "duration", " milliseconds")?.into();
        }
        if let Some(is) = self.logs {
            base.logs = within(is, allowed.logs, "log size", " MB")?;
        }
        if let Some(is) = self.concurrency {
            base.concurrency = within(is, allowed.concurrency, "concurrency", "")?;
        }
        if let Some(is) = self.instances {
            let instances = u32::try_from(is).ok().filter(|&is| is <= allowed.instances);
            base.instances = Some(instances.ok_or_else(|| {
                EntityError::Invalid(format!(
                    "Max action instance concurrency must not exceed your namespace concurrency of {}.",
                    allowed.instances
                ))
            })?);
        }
        Ok(base)
    }
}

/// The whole number that was sent. Its name is not the same in OpenWhisk's two messages.
fn whole(
    sent: Option<&RawValue>,
    name: &str,
    whole_name: &str,
) -> Result<Option<i64>, EntityError> {
    let Some(sent) = sent else {
        return Ok(None);
    };
    let number: Number = serde_json::from_str(sent.get())
        .map_err(|_| EntityError::malformed(format!("{name} limit malformed")))?;
    if let Some(number) = number.as_i64() {
        return Ok(Some(number));
    }
    match number.as_f64() {
        // The conversion saturates, and whatever is that large is refused by the range.
        #[expect(clippy::cast_possible_truncation)]
        Some(number) if number.fract() == 0.0 => Ok(Some(number as i64)),
        _ => Err(EntityError::malformed(format!(
            "requirement failed: {whole_name} limit must be whole number"
        ))),
    }
}

fn within(is: i64, range: Range, what: &str, unit: &str) -> Result<u32, EntityError> {
    let (relation, bound) = match u32::try_from(is) {
        Ok(is) if (range.min..=range.max).contains(&is) => return Ok(is),
        _ if is < i64::from(range.min) => ("below", range.min),
        _ => ("exceeds", range.max),
    };
    Err(EntityError::Invalid(format!(
        "{what} {is}{unit} {relation} allowed threshold of {bound}{unit}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(json: &str) -> Result<ActionLimits, EntityError> {
        let ranges = ActionRanges::default();
        NewLimits::parse(&RawValue::from_string(json.into()).unwrap())?
            .over(ranges.defaults(), &ranges)
    }

    fn message(json: &str) -> String {
        apply(json).unwrap_err().to_string()
    }

    #[test]
    fn defaults_and_single_fields() {
        let defaults = apply("{}").unwrap();
        assert_eq!(
            serde_json::to_string(&defaults).unwrap(),
            r#"{"timeout":60000,"memory":256,"logs":10,"concurrency":1}"#
        );
        let changed = apply(r#"{"memory":128.0,"logs":null,"instances":3}"#).unwrap();
        assert_eq!(
            changed,
            ActionLimits {
                memory: 128,
                instances: Some(3),
                ..defaults
            }
        );
    }

    #[test]
    fn out_of_range() {
        for (json, expected) in [
            // 11.3-77, 11.3-78, 11.3-79, 11.3-80, 11.3-81, 11.3-82, 11.3-83
            (
                r#"{"memory":513}"#,
                "memory size 513 MB exceeds allowed threshold of 512 MB",
            ),
            (
                r#"{"memory":127}"#,
                "memory size 127 MB below allowed threshold of 128 MB",
            ),
            (
                r#"{"timeout":300001}"#,
                "duration 300001 milliseconds exceeds allowed threshold of 300000 milliseconds",
            ),
            (
                r#"{"timeout":99}"#,
                "duration 99 milliseconds below allowed threshold of 100 milliseconds",
            ),
            (
                r#"{"logs":11}"#,
                "log size 11 MB exceeds allowed threshold of 10 MB",
            ),
            (
                r#"{"concurrency":2}"#,
                "concurrency 2 exceeds allowed threshold of 1",
            ),
            (
                r#"{"concurrency":0}"#,
                "concurrency 0 below allowed threshold of 1",
            ),
            (
                r#"{"instances":31}"#,
                "Max action instance concurrency must not exceed your namespace concurrency of 30.",
            ),
            // Memory is checked before the others.
            (
                r#"{"timeout":1,"memory":-1}"#,
                "memory size -1 MB below allowed threshold of 128 MB",
            ),
            (
                r#"{"memory":4294967424}"#,
                "memory size 4294967424 MB exceeds allowed threshold of 512 MB",
            ),
        ] {
            assert_eq!(message(json), expected);
        }
    }

    #[test]
    fn boundaries() {
        // 11.3-84
        for json in [
            r#"{"timeout":100,"memory":128,"logs":0,"concurrency":1,"instances":0}"#,
            r#"{"timeout":300000,"memory":512,"logs":10,"instances":30}"#,
        ] {
            assert!(apply(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn stored_limits_are_checked_again() {
        let ranges = ActionRanges::default();
        let stored = apply(r#"{"memory":512,"timeout":300000}"#).unwrap();
        assert_eq!(ranges.check(&stored), Ok(()));
        let less = |change: fn(&mut ActionRanges)| {
            let mut ranges = ActionRanges::default();
            change(&mut ranges);
            ranges.check(&stored).unwrap_err().to_string()
        };
        assert_eq!(
            less(|ranges| ranges.memory.max = 256),
            "memory size 512 MB exceeds allowed threshold of 256 MB"
        );
        assert_eq!(
            less(|ranges| ranges.timeout.max = 1000),
            "duration 300000 milliseconds exceeds allowed threshold of 1000 milliseconds"
        );
        assert_eq!(
            less(|ranges| ranges.logs.max = 5),
            "log size 10 MB exceeds allowed threshold of 5 MB"
        );
    }

    #[test]
    fn malformed() {
        let detail = |json| match apply(json) {
            Err(EntityError::Malformed(detail)) => detail,
            other => panic!("{json}: {other:?}"),
        };
        assert_eq!(detail(r#"{"timeout":"1"}"#), "time limit malformed");
        assert_eq!(detail(r#"{"memory":{}}"#), "memory limit malformed");
        assert_eq!(detail(r#"{"logs":true}"#), "log limit malformed");
        assert_eq!(
            detail(r#"{"concurrency":[]}"#),
            "concurrency limit malformed"
        );
        assert_eq!(
            detail(r#"{"instances":""}"#),
            "instance concurrency limit malformed"
        );
        assert_eq!(
            detail(r#"{"timeout":1.5}"#),
            "requirement failed: time limit must be whole number"
        );
        assert_eq!(
            detail(r#"{"concurrency":1.5}"#),
            "requirement failed: intra concurrency limit must be whole number"
        );
        assert_eq!(
            detail(r#"{"instances":-1}"#),
            "requirement failed: Action container concurrency must be greater than or equal to 0."
        );
        assert_eq!(detail("[]"), "'limits' must be a JSON object");
    }
}
