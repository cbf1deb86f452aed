//! What is left of activations: their records, here and at the master.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PATIENCE;
use super::load::{Accepted, Worker};
use crate::client::Client;

/// The records of a client's activations.
pub struct Records<'a> {
    pub client: Client,
    pub worker: &'a Worker,
}

impl Records<'_> {
    /// A record, if there is one.
    pub fn find(&self, activation: &Accepted) -> Option<Value> {
        let path = self.worker.at(&format!("activations/{}", activation.id));
        let answer = self.client.get(&path);
        match answer.status {
            200 => Some(answer.json()),
            404 => None,
            _ => panic!("{path}: {answer}"),
        }
    }

    /// A record that must come.
    pub fn wait_for(&self, activation: &Accepted) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(record) = self.find(activation) {
                return record;
            }
            assert!(Instant::now() < deadline, "{} is lost", activation.id);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Expects that a record is closed: with what it was to say, or as one that the power cut has
    /// interrupted.
    pub fn is_interrupted(&self, activation: &Accepted, record: &Value) -> bool {
        assert_eq!(record["activationId"], *activation.id);
        assert_ne!(record["end"], Value::Null, "{record}");
        let interrupted = record["response"]["status"] == "whisk internal error";
        let result = &record["response"]["result"];
        assert!(
            interrupted || result["nonce"] == activation.nonce,
            "{record}"
        );
        interrupted
    }

    /// Expects that a trigger's rules have been followed here, but for those that the power cut has
    /// interrupted.
    pub fn expect_followed(&self, activation: &Accepted) {
        let record = self.wait_for(activation);
        assert_eq!(
            record["response"]["result"]["nonce"], activation.nonce,
            "{record}"
        );
        let logs = record["logs"].as_array().expect("logs");
        assert_eq!(logs.len(), 1, "its one rule: {record}");
        let log = logs[0].as_str().expect("a text");
        let log: Value = serde_json::from_str(log).expect("JSON");
        let Some(id) = log["activationId"].as_str() else {
            assert_eq!(log["statusCode"], 3, "{record}");
            return;
        };
        let of_rule = Accepted {
            id: id.into(),
            nonce: activation.nonce,
        };
        self.is_interrupted(&of_rule, &self.wait_for(&of_rule));
    }

    /// How often an action has run for which nonce.
    pub fn runs(&self, action: &str) -> BTreeMap<u64, u64> {
        let mut runs = BTreeMap::new();
        let mut skip = 0;
        loop {
            let query = format!("activations?name={action}&docs=true&limit=200&skip={skip}");
            let page = self.client.get(&self.worker.at(&query)).json();
            let page = page.as_array().expect("a list");
            for record in page {
                let nonce = record["response"]["result"]["nonce"].as_u64();
                let nonce = nonce.unwrap_or_else(|| panic!("no nonce: {record}"));
                *runs.entry(nonce).or_default() += 1;
            }
            skip += page.len();
            if page.is_empty() {
                return runs;
            }
        }
    }
}
