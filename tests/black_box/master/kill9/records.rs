//! What is left of activations: their records, here and at the master.

use std::collections::BTreeMap;

use serde_json::Value;
use surf::http::Method;

use super::Checked;
use super::load::{Accepted, Worker};
use super::patience::Patience;
use crate::client::Client;

/// The records of a client's activations.
pub struct Records<'a> {
    pub client: Client,
    pub worker: &'a Worker,
}

impl Records<'_> {
    /// A record, if there is one.
    pub fn find(&self, activation: &Accepted) -> Checked<Option<Value>> {
        let path = self.worker.at(&format!("activations/{}", activation.id));
        let answer = self.client.attempt(Method::Get, &path, &[], None)?;
        match answer.status {
            200 => Ok(Some(answer.json())),
            404 => Ok(None),
            _ => Err(format!("{path}: {answer}")),
        }
    }

    /// A record that must come.
    pub fn wait_for(&self, activation: &Accepted) -> Checked<Value> {
        let mut patience = Patience::default();
        loop {
            if let Some(record) = self.find(activation)? {
                return Ok(record);
            }
            if !patience.lasts(1) {
                return Err(format!("{} is lost", activation.id));
            }
        }
    }

    /// Expects that a record is closed: with what it was to say, or as one that the power cut has
    /// interrupted.
    pub fn is_interrupted(&self, activation: &Accepted, record: &Value) -> Checked<bool> {
        let interrupted = record["response"]["status"] == "whisk internal error";
        let said = interrupted || says(record, activation);
        let is_it = record["activationId"] == *activation.id;
        match said && is_it && !record["end"].is_null() {
            true => Ok(interrupted),
            false => Err(format!(
                "{activation:?} is not closed as it ended: {record}"
            )),
        }
    }

    /// Expects that a trigger's rules have been followed here, but for those that the power cut has
    /// interrupted.
    pub fn expect_followed(&self, activation: &Accepted) -> Checked {
        let record = self.wait_for(activation)?;
        let wrong = |what: &str| Err(format!("{activation:?}, {what}: {record}"));
        if !says(&record, activation) {
            return wrong("fired with something else");
        }
        let [log] = record["logs"].as_array().map_or(&[][..], Vec::as_slice) else {
            return wrong("not with its one rule");
        };
        let log: Value = serde_json::from_str(log.as_str().unwrap_or_default())
            .map_err(|error| format!("{activation:?}, {error}: {record}"))?;
        let Some(id) = log["activationId"].as_str() else {
            return match log["statusCode"] == 3 {
                true => Ok(()),
                false => wrong("not followed"),
            };
        };
        let of_rule = Accepted {
            id: id.into(),
            nonce: activation.nonce,
        };
        let followed = self.wait_for(&of_rule)?;
        self.is_interrupted(&of_rule, &followed).map(drop)
    }

    /// How often an action has run for which nonce.
    pub fn runs(&self, action: &str) -> Checked<BTreeMap<u64, u64>> {
        let mut runs = BTreeMap::new();
        let mut skip = 0;
        loop {
            let query = format!("activations?name={action}&docs=true&limit=200&skip={skip}");
            let path = self.worker.at(&query);
            let page = self.client.attempt(Method::Get, &path, &[], None)?.json();
            let page = page.as_array().ok_or_else(|| format!("{path}: {page}"))?;
            for record in page {
                let nonce = record["response"]["result"]["nonce"].as_u64();
                let nonce = nonce.ok_or_else(|| format!("no nonce: {record}"))?;
                *runs.entry(nonce).or_default() += 1;
            }
            skip += page.len();
            if page.is_empty() {
                return Ok(runs);
            }
        }
    }
}

/// Whether a record has the result that its activation was given to say.
fn says(record: &Value, activation: &Accepted) -> bool {
    record["response"]["result"]["nonce"] == activation.nonce
}
