//! Parameters and annotations (reference section 2.1).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{EntityError, json};

/// Parameters, or annotations, of one document: more than a person or a program has use for. A body
/// of 50 MB has room for millions, and each takes about ten times the memory that it has there.
const MOST: usize = 50_000;

/// One parameter or annotation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Parameter {
    /// Its key.
    pub key: String,
    /// Its value: numbers and texts as they were sent, without white space around them.
    pub value: Box<RawValue>,
    /// Delivered at `/init` as an environment variable instead of at `/run`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
}

impl Parameter {
    /// Whether it is the same as another.
    fn is(&self, other: &Self) -> bool {
        self.key == other.key && self.value.get() == other.value.get() && self.init == other.init
    }
}

/// An ordered set of parameters: keys are unique, the last one sent wins.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub Vec<Parameter>);

impl Parameters {
    /// Parses the array that clients send.
    pub fn parse(json: &RawValue) -> Result<Self, EntityError> {
        let malformed = || EntityError::malformed("parameters malformed!");
        let sent = json::first_elements(json, MOST + 1).ok_or_else(malformed)?;
        if sent.len() > MOST {
            return Err(EntityError::Invalid(format!(
                "There are more than {MOST} parameters or annotations."
            )));
        }
        let mut parameters = Vec::with_capacity(sent.len());
        for sent in sent {
            let mut parameter: Parameter = json::object(sent).ok_or_else(malformed)?;
            if let Cow::Owned(value) = json::compact(&parameter.value) {
                parameter.value = value;
            }
            parameters.push(parameter);
        }
        Ok(Self::unique(parameters.into_iter()))
    }

    /// Collects parameters: a later one takes the place of an earlier one of the same key.
    fn unique(all: impl Iterator<Item = Parameter>) -> Self {
        let mut unique: Vec<Parameter> = Vec::new();
        // Clients send tens of parameters at most, but nothing stops a hostile one from sending a
        // megabyte of them: positions by key keep that linear.
        let mut positions = HashMap::new();
        for parameter in all {
            match positions.get(&parameter.key) {
                Some(&at) => unique[at] = parameter,
                None => {
                    positions.insert(parameter.key.clone(), unique.len());
                    unique.push(parameter);
                }
            }
        }
        Parameters(unique)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|p| p.key == key)?;
        Some(&found.value)
    }

    /// Sets an annotation, in its place if it is there, else at the end.
    pub fn annotate(&mut self, key: &str, value: Box<RawValue>) {
        let annotation = Parameter {
            key: key.into(),
            value,
            init: false,
        };
        match self.0.iter_mut().find(|p| p.key == key) {
            Some(old) => *old = annotation,
            None => self.0.push(annotation),
        }
    }

    /// These without some keys.
    #[must_use]
    pub fn without(mut self, keys: &[String]) -> Self {
        let keys: HashSet<&String> = keys.iter().collect();
        self.0.retain(|p| !keys.contains(&p.key));
        self
    }

    /// These with others over them.
    #[must_use]
    pub fn merged(self, over: &Parameters) -> Self {
        Self::unique(self.0.into_iter().chain(over.0.iter().cloned()))
    }

    /// What an action or a binding has of its own, told from what is shown of it: these, without
    /// what is exactly as its package has it. Whether it has set the same itself cannot be seen;
    /// what is `known` to be its own stays.
    #[must_use]
    pub fn own(mut self, inherited: &Parameters, known: &Parameters) -> Self {
        let (inherited, known) = (inherited.by_key(), known.by_key());
        let is_in = |all: &HashMap<&str, &Parameter>, p: &Parameter| {
            all.get(p.key.as_str()).is_some_and(|other| other.is(p))
        };
        self.0.retain(|p| !is_in(&inherited, p) || is_in(&known, p));
        self
    }

    /// Whether these are the same as others, in whatever order.
    pub fn is_same_set(&self, others: &Parameters) -> bool {
        let by_key = others.by_key();
        self.0.len() == others.0.len()
            && self.0.iter().all(|p| {
                let other = by_key.get(p.key.as_str());
                other.is_some_and(|other| other.is(p))
            })
    }

    fn by_key(&self) -> HashMap<&str, &Parameter> {
        self.0.iter().map(|p| (p.key.as_str(), p)).collect()
    }

    /// Keys that have a value other than `null`.
    pub fn defined(&self) -> impl Iterator<Item = &str> {
        let defined = self.0.iter().filter(|p| p.value.get() != "null");
        defined.map(|p| p.key.as_str())
    }

    /// Whether a key has exactly the value `true`, as `final` and `web-export` need it.
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.get() == "true")
    }

    /// Whether a key has a value other than `false`, 0, `""` and `null`, as `conductor` and
    /// `provide-api-key` need it; none if it is not there.
    pub fn is_truthy(&self, key: &str) -> Option<bool> {
        let value = self.get(key)?.get();
        Some(match value {
            "false" | "\"\"" | "null" => false,
            _ => value.parse::<f64>() != Ok(0.0),
        })
    }

    /// Bytes that count against the limit: keys, and values as compact JSON (section 1.9).
    pub fn size(&self) -> u64 {
        self.0
            .iter()
            .map(|p| (p.key.len() + p.value.get().len()) as u64)
            .sum()
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Parameters {
    /// For stored documents, whose keys are unique.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Parameters(Vec::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Parameters, EntityError> {
        Parameters::parse(&RawValue::from_string(text.into()).unwrap())
    }

    fn show(parameters: &Parameters) -> String {
        serde_json::to_string(parameters).unwrap()
    }

    #[test]
    fn order_and_duplicates() {
        let parameters = parse(
            r#"[{"key":"b","value":1},{"key":"a","value":{ "x" : null },"init":true},
                {"key":"b","value":null,"init":false,"encryption":null}]"#,
        )
        .unwrap();
        assert_eq!(
            show(&parameters),
            r#"[{"key":"b","value":null},{"key":"a","value":{"x":null},"init":true}]"#
        );
        assert_eq!(parameters.size(), 1 + 4 + 1 + 10);
    }

    #[test]
    fn their_number_is_bounded() {
        let of = |count: usize| {
            let all: Vec<String> = (0..count)
                .map(|i| format!(r#"{{"key":"{i}","value":1}}"#))
                .collect();
            parse(&format!("[{}]", all.join(",")))
        };
        assert_eq!(of(MOST).unwrap().0.len(), MOST);
        let refused = of(MOST + 1).unwrap_err();
        assert!(matches!(refused, EntityError::Invalid(_)), "{refused}");
    }

    #[test]
    fn malformed() {
        // 11.3-62
        for bad in [
            "{}",
            "{\"a\":1}",
            "1",
            "[1]",
            r#"[["a",1,false]]"#,
            r#"[{"key":"a"}]"#,
            r#"[{"value":1}]"#,
            r#"[{"key":1,"value":1}]"#,
            r#"[{"key":"a","value":1,"init":"true"}]"#,
        ] {
            assert_eq!(
                parse(bad).unwrap_err().to_string(),
                "The request content was malformed:\nparameters malformed!",
                "{bad}"
            );
        }
    }

    #[test]
    fn truth() {
        let p = parse(
            r#"[{"key":"t","value":true},{"key":"s","value":"true"},{"key":"z","value":0.0},
                {"key":"e","value":""},{"key":"n","value":null},{"key":"o","value":{}}]"#,
        )
        .unwrap();
        assert!(p.is_true("t") && !p.is_true("s") && !p.is_true("o"));
        let truthy = |key| p.is_truthy(key);
        assert_eq!(truthy("t"), Some(true));
        assert_eq!(truthy("s"), Some(true));
        assert_eq!(truthy("o"), Some(true));
        assert_eq!(truthy("z"), Some(false));
        assert_eq!(truthy("e"), Some(false));
        assert_eq!(truthy("n"), Some(false));
        assert_eq!(truthy("missing"), None);
        assert_eq!(p.defined().collect::<String>(), "tszeo");
    }

    #[test]
    fn what_is_own_of_what_is_shown() {
        let package = parse(r#"[{"key":"a","value":1},{"key":"b","value":1}]"#).unwrap();
        let action = parse(r#"[{"key":"b","value":2},{"key":"c","value":3}]"#).unwrap();
        let shown = package.clone().merged(&action);
        let none = Parameters::default();
        assert!(shown.clone().own(&package, &none).is_same_set(&action));
        // The same as the package's: not seen, unless it was known before.
        let equal = parse(r#"[{"key":"c","value":3},{"key":"a","value":1}]"#).unwrap();
        let shown = package.clone().merged(&equal);
        let seen = shown.clone().own(&package, &none);
        assert_eq!(show(&seen), r#"[{"key":"c","value":3}]"#);
        assert!(shown.clone().own(&package, &equal).is_same_set(&equal));
        // The package has changed since: what it does not have is the action's.
        let later = parse(r#"[{"key":"a","value":2}]"#).unwrap();
        assert!(equal.clone().own(&later, &none).is_same_set(&equal));
        let init = parse(r#"[{"key":"a","value":2,"init":true}]"#).unwrap();
        assert!(init.clone().own(&later, &none).is_same_set(&init));
        assert!(!init.is_same_set(&later) && !later.is_same_set(&none));
    }

    #[test]
    fn merge_goes_over() {
        let under = parse(r#"[{"key":"a","value":1},{"key":"b","value":1}]"#).unwrap();
        let over = parse(r#"[{"key":"b","value":2},{"key":"c","value":3}]"#).unwrap();
        assert_eq!(
            show(&under.merged(&over)),
            r#"[{"key":"a","value":1},{"key":"b","value":2},{"key":"c","value":3}]"#
        );
        assert_eq!(
            show(&over.without(&["b".into(), "x".into()])),
            r#"[{"key":"c","value":3}]"#
        );
    }
}
