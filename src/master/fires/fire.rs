//! One fired trigger, as it waits for the master.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::entity::{ActivationId, Identity, Parameters, json};
use crate::master::{resource, whose};
use crate::store::Collection;
use crate::upstream::{Outgoing, OutgoingBody, VIA, keep_end_to_end};

/// The annotation of a trigger that says how much it matters that the master gets it.
const PRIORITY: &str = "owl-priority";

/// The priority that a trigger's annotations give it: an integer. 0 if they do not.
pub fn priority(annotations: &Parameters) -> i64 {
    let given = annotations.get(PRIORITY);
    given.map_or(0, |given| given.get().parse().unwrap_or(0))
}

/// A trigger that was fired here and is the master's to follow. Without `Debug`: payloads may be
/// secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredFire {
    /// URL of the master that it is for; empty: of whichever there is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub master: String,
    /// The id of its activation, here and where the master is an OWL.
    pub id: ActivationId,
    /// Who has fired it: uuid of the key that it is sent with.
    pub uuid: String,
    /// Namespace of the trigger and of who has fired it.
    pub namespace: String,
    /// Subject of who has fired it.
    pub subject: String,
    /// Bare name of the trigger.
    pub trigger: String,
    /// Version of the trigger as it is known here.
    pub version: String,
    /// Of those that do not all have room, the ones with the lowest go first.
    pub priority: i64,
    /// When it was fired, in milliseconds since 1970.
    pub at: u64,
    /// What the request said of the OWLs that it has come through, with this one.
    pub via: String,
    /// Headers of the request that the actions get to see: names in lower case.
    pub headers: Vec<(String, String)>,
    /// The payload, a JSON object; none means `{}`.
    pub payload: Option<Box<RawValue>>,
    /// Why it was not sent on at once.
    pub reason: String,
    /// Whether its namespace keeps records of activations.
    pub recorded: bool,
}

impl StoredFire {
    /// The trigger: `ns/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.trigger)
    }

    /// The URL of the master that it is for; `other` if it does not say.
    pub fn master_or<'a>(&'a self, other: &'a str) -> &'a str {
        match self.master.is_empty() {
            true => other,
            false => &self.master,
        }
    }

    /// Whether it is for a master.
    pub fn is_for(&self, master: &str) -> bool {
        whose::is_for(&self.master, master)
    }

    /// What it was given.
    pub fn payload(&self) -> Box<RawValue> {
        let empty = || RawValue::from_string("{}".into()).expect("an empty object is valid JSON");
        self.payload.clone().unwrap_or_else(empty)
    }

    /// The request that fires it at the master, as who has fired it here.
    pub fn request(&self, identity: &Identity) -> Outgoing {
        let target = resource::target(Collection::Triggers, &self.path());
        let mut request = Outgoing::by(identity, Method::POST, target);
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            // Both were checked when they came in.
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                headers.insert(name, value);
            }
        }
        keep_end_to_end(&mut headers);
        for own in [HOST, EXPECT] {
            headers.remove(own);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(via) = HeaderValue::from_str(&self.via) {
            headers.insert(HeaderName::from_static(VIA), via);
        }
        let id = HeaderValue::from_str(&self.id.to_string()).expect("digits may stand in a header");
        headers.insert(HeaderName::from_static(ActivationId::GIVEN), id);
        request.headers.extend(headers);
        request.body = OutgoingBody::Whole(Bytes::from(self.payload().get().to_owned()));
        request
    }

    /// Reads what is stored; none if it is not that.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        json::stored(text)
    }

    /// What is stored of it.
    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always valid JSON")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::entity::Secret;
    use std::sync::Arc;

    /// A fire of `ns/t`.
    pub(in crate::master::fires) fn fire() -> StoredFire {
        StoredFire {
            master: "https://m".into(),
            id: ActivationId::from_bytes([0x41; 16]),
            uuid: "u".into(),
            namespace: "ns".into(),
            subject: "someone".into(),
            trigger: "my t".into(),
            version: "0.0.3".into(),
            priority: -2,
            at: 7,
            via: "a, b".into(),
            headers: vec![
                ("accept".into(), "*/*".into()),
                ("connection".into(), "x-hop".into()),
                ("host".into(), "here".into()),
                ("x-hop".into(), "1".into()),
                ("x-own".into(), "2".into()),
            ],
            payload: Some(RawValue::from_string(r#"{"n":1.50}"#.into()).unwrap()),
            reason: "why".into(),
            recorded: true,
        }
    }

    #[test]
    fn stored_and_read() {
        let read = StoredFire::read(&fire().text()).unwrap();
        assert_eq!(read.text(), fire().text());
        assert_eq!(read.payload().get(), r#"{"n":1.50}"#);
        assert!(StoredFire::read(b"{}").is_none());
    }

    #[test]
    fn one_of_an_earlier_version_is_for_whichever_master_there_is() {
        let stored = br#"{"id":"41414141414141414141414141414141","uuid":"u","namespace":"ns",
            "subject":"s","trigger":"t","version":"0.0.1","priority":0,"at":7,"via":"a",
            "headers":[],"payload":null,"reason":"why","recorded":true}"#;
        let read = StoredFire::read(stored).unwrap();
        assert!(read.is_for("https://m") && read.is_for("https://other"));
        assert!(fire().is_for("https://m") && !fire().is_for("https://other"));
        // Without a master that is set, nobody says that it is another's.
        assert!(fire().is_for(""));
    }

    #[test]
    fn the_request() {
        let identity = Identity {
            subject: "someone".into(),
            namespace: "ns".into(),
            uuid: "u".into(),
            key: Secret::new("k".into()),
            limits: Arc::default(),
        };
        let request = fire().request(&identity);
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.target, "/api/v1/namespaces/ns/triggers/my%20t");
        let mut names: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let sent = [
            "accept",
            "authorization",
            "content-type",
            "x-owl-activation-id",
            "x-owl-via",
            "x-own",
        ];
        assert_eq!(names, sent);
        assert_eq!(request.headers[VIA], "a, b");
        assert_eq!(request.headers["authorization"], "Basic dTpr");
        assert_eq!(request.headers[ActivationId::GIVEN], "41".repeat(16));
        match request.body {
            OutgoingBody::Whole(body) => assert_eq!(body, r#"{"n":1.50}"#),
            body => panic!("{body:?}"),
        }
    }

    #[test]
    fn priorities() {
        for (json, expected) in [
            (r#"[{"key":"owl-priority","value":3}]"#, 3),
            (r#"[{"key":"owl-priority","value":-3}]"#, -3),
            (r#"[{"key":"owl-priority","value":1.5}]"#, 0),
            (r#"[{"key":"owl-priority","value":"9"}]"#, 0),
            ("[]", 0),
        ] {
            let json = RawValue::from_string(json.into()).unwrap();
            let annotations = Parameters::parse(&json).unwrap();
            assert_eq!(priority(&annotations), expected, "{json}");
        }
    }
}
