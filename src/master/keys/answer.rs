//! Asking the master whose key a key is: `GET /namespaces`, which every key may ask and which
//! names its namespace (reference section 3.1).

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};

use crate::entity::names;
use crate::master::copies::is_error;
use crate::upstream::{Outgoing, UpstreamError, VIA, Whole};

/// Bytes of an answer that are read. It has one name.
pub(super) const LONGEST: u64 = 16 << 10;

/// What the master says of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the key of this namespace.
    Accepted(String),
    /// It is wrong.
    Refused,
    /// Nothing: why.
    Unknown(String),
}

/// The question about a uuid and its key. `via` names the daemons that it has come through.
pub(super) fn question(uuid: &str, key: &str, via: &str) -> Outgoing {
    let mut request = Outgoing::with_key(uuid, key, Method::GET, "/api/v1/namespaces");
    if let Ok(via) = HeaderValue::from_str(via) {
        request.headers.insert(HeaderName::from_static(VIA), via);
    }
    request
}

/// What an answer to the question says.
pub(super) fn verdict(answer: Result<Whole, UpstreamError>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Verdict::Unknown(error.to_string()),
    };
    match answer.status {
        StatusCode::OK => {}
        // Believed only in OpenWhisk's form: what is on the way refuses, too.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_error(&answer.body) => {
            return Verdict::Refused;
        }
        status => {
            return Verdict::Unknown(format!(
                "it answered GET /api/v1/namespaces with status {status}"
            ));
        }
    }
    match namespace(&answer.body) {
        Some(namespace) => Verdict::Accepted(namespace),
        None => Verdict::Unknown(
            "its answer to GET /api/v1/namespaces is not a list of one namespace".to_owned(),
        ),
    }
}

fn namespace(body: &[u8]) -> Option<String> {
    let [namespace]: [String; 1] = serde_json::from_slice(body).ok()?;
    // `_` stands for the caller's own.
    let is_legal = names::check_namespace(&namespace).is_ok() && namespace != "_";
    is_legal.then_some(namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;

    fn of(status: u16, body: &'static str) -> Verdict {
        verdict(Ok(Whole {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        }))
    }

    #[test]
    fn only_a_real_answer_says_anything() {
        assert_eq!(of(200, r#" ["ns 1"]"#), Verdict::Accepted("ns 1".into()));
        assert_eq!(of(401, r#"{"error":"x"}"#), Verdict::Refused);
        assert_eq!(of(403, r#"{"error":"x","code":"y"}"#), Verdict::Refused);
        for (status, body) in [
            (200, "[]"),
            (200, r#"["a","b"]"#),
            (200, r#"["_"]"#),
            (200, r#"["a/b"]"#),
            (200, "<html>log in here</html>"),
            (204, ""),
            (302, ""),
            (401, ""),
            (403, "<html>not from here</html>"),
            (407, r#"{"error":"x"}"#),
            (404, r#"{"error":"x"}"#),
            (429, r#"{"error":"x"}"#),
            (500, ""),
        ] {
            let verdict = of(status, body);
            assert!(matches!(verdict, Verdict::Unknown(_)), "{status} {body}");
        }
        let Verdict::Unknown(why) = verdict(Err(UpstreamError::Down)) else {
            panic!("nobody was asked");
        };
        assert!(why.contains("out of reach"));
    }

    #[test]
    fn the_question_hides_the_key() {
        let question = question("uuid", "a secret", "an-id, own");
        assert_eq!(
            question.headers["authorization"],
            "Basic dXVpZDphIHNlY3JldA=="
        );
        assert!(!format!("{question:?}").contains("dXVpZDph"));
    }
}
