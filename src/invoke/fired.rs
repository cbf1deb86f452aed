//! A fired trigger: what is stored of it until its rules have been followed, and its record
//! (reference sections 2.6, 3.6.2 and 3.6.3).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::follow::Failure;
use crate::entity::{
    Activation, ActivationId, FullName, Identity, Parameters, Response, RuleStatus, Status,
    Trigger, fire_entry,
};

/// What the API asks for, after its own checks: rights, throttle, sizes.
pub struct Fire {
    /// Who fires; gets the record, and invokes the actions.
    pub identity: Arc<Identity>,
    /// What is fired.
    pub trigger: Trigger,
    /// The payload, a JSON object; none means `{}`.
    pub payload: Option<Box<RawValue>>,
    /// Headers of the request that the actions get to see: names in lower case, once each.
    pub headers: Vec<(String, String)>,
    /// Transaction id of the request.
    pub transaction_id: String,
    /// The id that its activation is to have; none: a new one. With an id that was used for the
    /// same trigger before, nothing is fired.
    pub id: Option<ActivationId>,
    /// The OWLs that the request has come through: see [`Call::via`](super::Call).
    pub via: Option<Box<str>>,
}

/// A fired trigger.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Fired {
    /// Its bare name.
    trigger: String,
    version: String,
    /// Namespace of the caller.
    pub(super) namespace: String,
    /// Milliseconds since 1970.
    start: u64,
    /// Parameters of the trigger, and the headers of the request as one of them.
    parameters: Parameters,
    payload: Option<Box<RawValue>>,
    pub(super) transaction_id: String,
    pub(super) rules: Vec<FiredRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) via: Option<Box<str>>,
}

/// A rule of a fired trigger.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FiredRule {
    /// `ns/name`
    rule: String,
    pub(super) action: FullName,
    /// The id that its activation will have; none if it is inactive.
    pub(super) activation: Option<ActivationId>,
}

/// The parameter that holds the headers of the request.
const HEADERS: &str = "__ow_headers";

impl Fired {
    /// What a request makes of a trigger. `now` is in milliseconds since 1970.
    pub(super) fn new(fire: Fire, now: u64) -> Self {
        let mut parameters = fire.trigger.parameters;
        for parameter in &mut parameters.0 {
            // Whether something is given at `/init` is for the action to say.
            parameter.init = false;
        }
        let headers = serde_json::value::to_raw_value(&Headers(&fire.headers));
        parameters.annotate(HEADERS, headers.expect("texts are always valid JSON"));
        let rules = fire.trigger.rules.unwrap_or_default().into_iter();
        Fired {
            trigger: fire.trigger.name,
            version: fire.trigger.version,
            namespace: fire.identity.namespace.clone(),
            start: now,
            parameters,
            payload: fire.payload,
            transaction_id: fire.transaction_id,
            via: fire.via,
            rules: rules
                .map(|(rule, reduced)| FiredRule {
                    rule,
                    action: reduced.action,
                    activation: (reduced.status == RuleStatus::Active).then(ActivationId::random),
                })
                .collect(),
        }
    }

    /// Whether it is a trigger of this bare name, fired in this namespace.
    pub(super) fn is_of(&self, namespace: &str, trigger: &str) -> bool {
        self.namespace == namespace && self.trigger == trigger
    }

    /// What the actions are given: the trigger's parameters, the headers over them, the payload
    /// over both. A payload that is no object is given as it is: the records of the activations
    /// tell what is wrong with it.
    pub(super) fn arguments(&self) -> Box<RawValue> {
        let merged = Arguments::merge(&self.parameters, self.payload.as_deref());
        let merged = merged.and_then(Arguments::into_payload);
        merged.unwrap_or_else(|_| self.payload())
    }

    fn payload(&self) -> Box<RawValue> {
        let empty = || RawValue::from_string("{}".into()).expect("an empty object is valid JSON");
        self.payload.clone().unwrap_or_else(empty)
    }

    /// The record: without an end, because nothing is waited for.
    pub(super) fn record(&self, id: ActivationId, identity: &Identity) -> Activation {
        Activation {
            id,
            namespace: identity.namespace.clone(),
            name: self.trigger.clone(),
            filter_name: self.trigger.clone(),
            subject: identity.subject.clone(),
            version: self.version.clone(),
            cause: None,
            start: self.start,
            end: None,
            duration: None,
            response: Response {
                status: Status::Success,
                result: Some(self.payload()),
                size: None,
            },
            logs: Vec::new(),
            annotations: Vec::new(),
        }
    }
}

impl FiredRule {
    /// Why an inactive one is not followed.
    pub(super) fn inactive(&self) -> Failure {
        let FiredRule { rule, action, .. } = self;
        Failure {
            status: Status::ApplicationError,
            message: format!("Rule '{rule}' is inactive, action '{action}' was not activated."),
        }
    }

    /// The entry of the log that tells what came of it.
    pub(super) fn entry(&self, outcome: &Result<ActivationId, Failure>) -> String {
        let followed = outcome.as_ref().map(Some);
        let followed = followed.map_err(|failure| (failure.status, &*failure.message));
        fire_entry::of_rule(&self.rule, &self.action.to_string(), followed)
    }
}

/// Headers as a JSON object.
struct Headers<'a>(&'a [(String, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{NewTrigger, ReducedRule, Secret};

    fn fire(payload: Option<&str>) -> Fire {
        let body = br#"{"parameters":[{"key":"place","value":"Rome","init":true},
            {"key":"name","value":null},{"key":"__ow_headers","value":1}]}"#;
        let mut trigger = NewTrigger::parse(body)
            .unwrap()
            .create("ns", "t", 1)
            .unwrap();
        let action: FullName = "ns/p/a".parse().unwrap();
        for (rule, status) in [
            ("ns/off", RuleStatus::Inactive),
            ("ns/on", RuleStatus::Active),
        ] {
            let action = action.clone();
            trigger.attach(rule.into(), ReducedRule { action, status }, 2);
        }
        Fire {
            identity: Arc::new(Identity {
                subject: "someone".into(),
                namespace: "ns".into(),
                uuid: String::new(),
                key: Secret::new(String::new()),
                limits: Arc::default(),
            }),
            trigger,
            payload: payload.map(|text| RawValue::from_string(text.into()).unwrap()),
            headers: vec![("host".into(), "here".into())],
            transaction_id: "tid".into(),
            id: None,
            via: Some("a \"b\"".into()),
        }
    }

    #[test]
    fn arguments() {
        let arguments = |payload| {
            let fired = Fired::new(fire(payload), 1);
            fired.arguments().get().to_string()
        };
        assert_eq!(
            arguments(None),
            r#"{"place":"Rome","name":null,"__ow_headers":{"host":"here"}}"#
        );
        // 11.5-138
        assert_eq!(
            arguments(Some(r#"{"n": 1.50,"place":"Oslo"}"#)),
            r#"{"name":null,"__ow_headers":{"host":"here"},"n":1.50,"place":"Oslo"}"#
        );
        assert_eq!(
            arguments(Some(r#"{"__ow_headers":{}}"#)),
            r#"{"place":"Rome","name":null,"__ow_headers":{}}"#
        );
        assert_eq!(arguments(Some("[1]")), "[1]");
    }

    #[test]
    fn stored_and_read() {
        let fired = Fired::new(fire(Some(r#"{"n":1}"#)), 7);
        let stored = serde_json::to_string(&fired).unwrap();
        let read: Fired = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
        assert_eq!(read.arguments().get(), fired.arguments().get());
        assert_eq!(read.via, fired.via);
    }

    #[test]
    fn record() {
        let fire = fire(None);
        let identity = fire.identity.clone();
        let fired = Fired::new(fire, 7);
        let id = ActivationId::from_bytes([0x41; 16]);
        // 11.5-134
        assert_eq!(
            String::from_utf8(fired.record(id, &identity).full_record()).unwrap(),
            concat!(
                r#"{"namespace":"ns","name":"t","version":"0.0.1","publish":false,"#,
                r#""annotations":[],"activationId":"41414141414141414141414141414141","start":7,"#,
                r#""subject":"someone","response":{"status":"success","success":true,"#,
                r#""result":{}},"logs":[]}"#
            )
        );
    }

    #[test]
    fn entries() {
        let fired = Fired::new(fire(None), 7);
        let [off, on] = fired.rules.as_slice() else {
            panic!("one entry for each rule");
        };
        assert!(off.activation.is_none() && on.activation.is_some());
        // 11.5-137
        assert_eq!(
            off.entry(&Err(off.inactive())),
            concat!(
                r#"{"rule":"ns/off","action":"ns/p/a","statusCode":1,"success":false,"#,
                r#""error":"Rule 'ns/off' is inactive, action 'ns/p/a' was not activated."}"#
            )
        );
        // 11.5-135
        assert_eq!(
            on.entry(&Ok(ActivationId::from_bytes([0x41; 16]))),
            concat!(
                r#"{"rule":"ns/on","action":"ns/p/a","statusCode":0,"success":true,"#,
                r#""activationId":"41414141414141414141414141414141"}"#
            )
        );
    }
}
