//! A client of the REST API, on surf.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use surf::Url;
use surf::http::Method;

/// OpenWhisk's public development key of `guest` (reference section 10).
pub const GUEST: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

/// Speaks to one daemon with one key.
pub struct Client {
    base: Url,
    authorization: Option<String>,
    surf: surf::Client,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, whole.
    pub body: Vec<u8>,
    response: surf::http::Headers,
}

impl Client {
    pub fn new(address: &str, key: Option<&str>) -> Self {
        let authorization = key.map(|key| format!("Basic {}", base64(key)));
        Client {
            base: Url::parse(address).expect("an address"),
            authorization,
            surf: surf::Config::new()
                .set_http_keep_alive(false)
                .set_tcp_no_delay(true)
                .set_timeout(Some(Duration::from_secs(90)))
                .try_into()
                .expect("make a client"),
        }
    }

    /// The same client with another `Authorization` header.
    pub fn authorization(mut self, value: &str) -> Self {
        self.authorization = Some(value.to_string());
        self
    }

    /// Sends one request. A path that starts with `/` is taken as it is, another is one in the
    /// caller's namespace.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Answer {
        self.attempt(method, path, headers, body)
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Sends one request to a daemon that may end at any moment: the answer, or why there is none.
    pub fn attempt(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, String> {
        let path = match path.strip_prefix('/') {
            Some(path) => path.to_string(),
            None => format!("api/v1/namespaces/_/{path}"),
        };
        let url = self.base.join(&path).expect("a path");
        let mut request = surf::RequestBuilder::new(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some((content_type, body)) = body {
            request = request.body(body).header("Content-Type", content_type);
        }
        smol::block_on(async {
            let mut response = self
                .surf
                .send(request)
                .await
                .map_err(|error| format!("no answer to {path}: {error}"))?;
            let body = response
                .body_bytes()
                .await
                .map_err(|error| format!("half an answer to {path}: {error}"))?;
            let response: surf::http::Response = response.into();
            Ok(Answer {
                status: response.status() as u16,
                body,
                response: response.as_ref().clone(),
            })
        })
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(Method::Get, path, &[], None)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send(Method::Delete, path, &[], None)
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::Put, path, &[], Some(as_json(body)))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::Post, path, &[], Some(as_json(body)))
    }

    /// Creates or updates an action and expects that it works.
    pub fn action(&self, name: &str, kind: &str, code: &str, limits: Value) {
        let body = json!({"exec": {"kind": kind, "code": code}, "limits": limits});
        let answer = self.put(&format!("actions/{name}?overwrite=true"), &body);
        assert_eq!(answer.status, 200, "create {name}: {answer}");
    }

    /// Invokes and waits: the answer with the whole record.
    pub fn invoke(&self, name: &str, arguments: &Value) -> Answer {
        self.post(&format!("actions/{name}?blocking=true"), arguments)
    }

    /// Invokes without waiting: the id of the activation.
    pub fn fire(&self, name: &str, arguments: &Value) -> String {
        let answer = self.post(&format!("actions/{name}"), arguments);
        assert_eq!(answer.status, 202, "invoke {name}: {answer}");
        answer.json()["activationId"]
            .as_str()
            .expect("an activation id")
            .to_string()
    }

    /// The stored record of an activation, which may come a little after the answer.
    pub fn activation(&self, id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.get(&format!("activations/{id}"));
            if answer.status == 200 {
                return answer.json();
            }
            assert_eq!(answer.status, 404, "activation {id}: {answer}");
            assert!(Instant::now() < deadline, "activation {id} is not stored");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Expects that an action that echoes still works: the daemon lives.
    pub fn expect_alive(&self) {
        self.action(
            "alive",
            "quickjs:1",
            "function main(a) { return a }",
            json!({}),
        );
        let answer = self.post(
            "actions/alive?blocking=true&result=true",
            &json!({"still": "here"}),
        );
        assert_eq!(answer.status, 200, "the next call: {answer}");
        assert_eq!(answer.json(), json!({"still": "here"}));
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// A header, if it came.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.get(name).map(|values| values.as_str())
    }

    /// Expects OpenWhisk's error body with exactly this message (reference section 1.6).
    pub fn expect_error(&self, status: u16, message: &str) {
        assert_eq!(self.error(status), message, "{self}");
    }

    /// Expects OpenWhisk's error body and gives its message.
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self}");
        let body = self.json();
        let fields = body.as_object().expect("an object");
        assert_eq!(fields.len(), 2, "exactly error and code: {self}");
        assert_eq!(body["code"].as_str(), self.header("X-Request-ID"), "{self}");
        body["error"].as_str().expect("a text").to_string()
    }

    /// Expects an activation that ended so, with `{"error": …}` as its result; gives the record.
    pub fn expect_failure(&self, http: u16, status: &str, error: &Value) -> Value {
        assert_eq!(self.status, http, "{self}");
        let record = self.json();
        assert_eq!(record["response"]["status"], status, "{self}");
        assert_eq!(
            record["response"]["result"],
            json!({ "error": error }),
            "{self}"
        );
        record
    }

    /// Expects a success and gives the result.
    pub fn expect_success(&self) -> Value {
        assert_eq!(self.status, 200, "{self}");
        let record = self.json();
        assert_eq!(record["response"]["status"], "success", "{self}");
        record["response"]["result"].clone()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.body);
        let start: String = text.chars().take(2000).collect();
        write!(f, "{} {start}", self.status)
    }
}

/// A value as the body of a request.
pub fn as_json(body: &Value) -> (&'static str, Vec<u8>) {
    ("application/json", body.to_string().into_bytes())
}

pub fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
