//! Limits of a namespace as text: `owl key limits` (reference section 3.2).

use crate::catalog::units;
use crate::entity::{ActionRanges, NamespaceLimits};

/// The limits that there are, by the names that `GET .../limits` has for them.
const NAMES: [&str; 16] = [
    "invocationsPerMinute",
    "concurrentInvocations",
    "firesPerMinute",
    "minActionMemory",
    "maxActionMemory",
    "minActionLogs",
    "maxActionLogs",
    "minActionTimeout",
    "maxActionTimeout",
    "minActionConcurrency",
    "maxActionConcurrency",
    "maxParameterSize",
    "maxPayloadSize",
    "truncationSize",
    "allowedKinds",
    "storeActivations",
];

/// Sets limits from texts such as `maxActionMemory=256`.
///
/// # Errors
/// The first that there is not, or that cannot have its value.
pub(super) fn set(limits: &mut NamespaceLimits, settings: &[String]) -> Result<(), String> {
    if settings.is_empty() {
        return Err(format!(
            "nothing to set: give limits as NAME=VALUE, of {}",
            NAMES.join(", ")
        ));
    }
    for setting in settings {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| format!("{setting}: a limit is set as NAME=VALUE"))?;
        change(limits, name, Some(value.trim()))?;
    }
    limits
        .check(&ActionRanges::default())
        .map_err(|error| error.to_string())
}

/// Puts limits back to what holds for everybody; all of them if none is named.
///
/// # Errors
/// The first that there is not.
pub(super) fn clear(limits: &mut NamespaceLimits, names: &[String]) -> Result<(), String> {
    if names.is_empty() {
        *limits = NamespaceLimits::default();
    }
    names.iter().try_for_each(|name| change(limits, name, None))
}

/// The limits that are set, a line each, in the form that [`set`] takes.
pub(super) fn show(limits: &NamespaceLimits) -> String {
    let set = serde_json::to_value(limits).expect("numbers and texts are always valid JSON");
    let line = |name: &&str| {
        let value = match set.get(name)? {
            serde_json::Value::Array(kinds) => {
                let kinds: Vec<&str> = kinds.iter().filter_map(|kind| kind.as_str()).collect();
                kinds.join(",")
            }
            other => other.to_string(),
        };
        Some(format!("{name}={value}\n"))
    };
    NAMES.iter().filter_map(line).collect()
}

fn change(limits: &mut NamespaceLimits, name: &str, value: Option<&str>) -> Result<(), String> {
    let number = || parsed(name, value, "a whole number", |text| text.parse().ok());
    let size = || parsed(name, value, "a size such as 65536, 64 KB or 1 MB", size);
    match name {
        "invocationsPerMinute" => limits.invocations_per_minute = number()?,
        "concurrentInvocations" => limits.concurrent_invocations = number()?,
        "firesPerMinute" => limits.fires_per_minute = number()?,
        "minActionMemory" => limits.min_action_memory = number()?,
        "maxActionMemory" => limits.max_action_memory = number()?,
        "minActionLogs" => limits.min_action_logs = number()?,
        "maxActionLogs" => limits.max_action_logs = number()?,
        "minActionTimeout" => limits.min_action_timeout = number()?,
        "maxActionTimeout" => limits.max_action_timeout = number()?,
        "minActionConcurrency" => limits.min_action_concurrency = number()?,
        "maxActionConcurrency" => limits.max_action_concurrency = number()?,
        "maxParameterSize" => limits.max_parameter_size = size()?,
        "maxPayloadSize" => limits.max_payload_size = size()?,
        "truncationSize" => limits.truncation_size = size()?,
        "allowedKinds" => {
            limits.allowed_kinds = parsed(name, value, "kinds, separated by commas", kinds)?;
        }
        "storeActivations" => {
            let truth = |text: &str| text.parse().ok();
            limits.store_activations = parsed(name, value, "true or false", truth)?;
        }
        _ => {
            let names = NAMES.join(", ");
            return Err(format!("there is no limit {name:?}: there are {names}"));
        }
    }
    Ok(())
}

/// The value of a limit; none to clear it.
fn parsed<T>(
    name: &str,
    value: Option<&str>,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    let Some(text) = value else {
        return Ok(None);
    };
    match parse(text) {
        Some(value) => Ok(Some(value)),
        None => Err(format!("{name}: {text:?} is not {expected}")),
    }
}

fn size(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| units::bytes(text))
}

fn kinds(text: &str) -> Option<Vec<String>> {
    let kinds: Vec<String> = text.split(',').map(|kind| kind.trim().into()).collect();
    kinds
        .iter()
        .all(|kind: &String| !kind.is_empty())
        .then_some(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.into()).collect()
    }

    fn of(settings: &[&str]) -> Result<NamespaceLimits, String> {
        let mut limits = NamespaceLimits::default();
        set(&mut limits, &texts(settings)).map(|()| limits)
    }

    #[test]
    fn every_limit_is_set_shown_and_cleared() {
        let lines = NAMES.map(|name| match name {
            "allowedKinds" => format!("{name}=quickjs:1,nodejs:20"),
            "storeActivations" => format!("{name}=false"),
            "minActionTimeout" | "maxActionTimeout" => format!("{name}=100"),
            "minActionMemory" | "maxActionMemory" => format!("{name}=128"),
            _ => format!("{name}=1"),
        });
        let mut limits = NamespaceLimits::default();
        set(&mut limits, &lines).unwrap();
        assert_eq!(show(&limits), lines.join("\n") + "\n");
        clear(&mut limits, &texts(&["allowedKinds"])).unwrap();
        assert_eq!(limits.allowed_kinds, None);
        assert_eq!(limits.store_activations, Some(false));
        for name in NAMES {
            clear(&mut limits, &texts(&[name])).unwrap();
        }
        assert_eq!(limits, NamespaceLimits::default());
        set(&mut limits, &lines).unwrap();
        clear(&mut limits, &[]).unwrap();
        assert_eq!(show(&limits), "");
    }

    #[test]
    fn what_is_no_limit() {
        let refused = |text| of(&[text]).unwrap_err();
        assert!(refused("maxMemory=1").starts_with("there is no limit \"maxMemory\": there are "));
        assert_eq!(
            refused("maxActionMemory=-1"),
            "maxActionMemory: \"-1\" is not a whole number"
        );
        assert!(refused("firesPerMinute=").ends_with("is not a whole number"));
        assert!(refused("firesPerMinute").contains("NAME=VALUE"));
        assert!(of(&[]).unwrap_err().starts_with("nothing to set"));
        assert!(refused("maxPayloadSize=1 TB").contains("is not a size such as"));
        assert!(refused("storeActivations=no").contains("is not true or false"));
        assert!(refused("allowedKinds=a,,b").contains("is not kinds"));
        assert!(refused("maxActionMemory=127").contains("no action could be created"));
        assert!(clear(&mut NamespaceLimits::default(), &texts(&["x"])).is_err());
    }

    #[test]
    fn sizes_with_and_without_units() {
        let bytes = |text: &str| {
            let limits = of(&[&format!("maxPayloadSize={text}")]);
            limits.unwrap().max_payload_size
        };
        assert_eq!(bytes("65536"), Some(65_536));
        assert_eq!(bytes("64 KB"), Some(64 << 10));
        assert_eq!(bytes(" 2m "), Some(2 << 20));
    }
}
