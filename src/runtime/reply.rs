//! What the proxy answers.

use bytes::Bytes;
use serde::Serialize;

/// The answer to one request.
#[derive(Debug)]
pub enum Reply {
    /// A status and a JSON body.
    Answer {
        /// 200, or the code that Apache's runtimes give for the failure.
        status: u16,
        /// JSON.
        body: Bytes,
    },
    /// The action's process has ended: the connection is dropped without an answer, and the proxy
    /// ends with this code, so that the platform sees a sandbox that exited.
    Gone(u8),
}

impl Reply {
    /// A result of the action, already JSON.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Reply::Answer {
            status,
            body: body.into(),
        }
    }

    /// `{"error": "<message>"}`.
    pub fn error(status: u16, message: &str) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
        }
        let body = serde_json::to_vec(&Body { error: message }).expect("a text is always JSON");
        Self::json(status, body)
    }

    /// A failed `/init`, in the words of Apache's runtimes.
    pub fn init_failed(reason: &str) -> Self {
        Self::error(502, &format!("Initialization has failed due to: {reason}"))
    }
}
