//! What an answer, or none, says about another OpenWhisk.

use hyper::{HeaderMap, StatusCode};

use super::circuit::Failure;
use super::{Judged, OFFLINE_HEADER, UpstreamError};
use crate::entity::ActivationId;

/// What is to be thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is there.
    Well,
    /// It is not well, and why.
    Failed(Failure, String),
    /// Nothing new.
    Unknown,
}

impl Verdict {
    /// Of the head of an answer.
    pub(super) fn of_answer(judged: Judged, status: StatusCode, headers: &HeaderMap) -> Self {
        if !is_trouble(status) {
            return Verdict::Well;
        }
        // Whatever it cannot do without its own master, it has answered itself.
        let is_own = headers.contains_key(OFFLINE_HEADER);
        match judged {
            _ if is_own => Verdict::Well,
            Judged::ByActivation if headers.contains_key(ActivationId::HEADER) => Verdict::Well,
            Judged::ByInvocation
                if headers.contains_key(ActivationId::HEADER) || !is_of_a_proxy(status) =>
            {
                Verdict::Unknown
            }
            Judged::Not => Verdict::Unknown,
            Judged::ByStatus | Judged::ByActivation | Judged::ByInvocation => {
                Verdict::Failed(Failure::Unwell, format!("it answers {status}"))
            }
        }
    }

    /// Of no answer.
    pub(super) fn of_error(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Unsent(_) => Verdict::Failed(Failure::Unreached, error.to_string()),
            UpstreamError::Broken(_) => Verdict::Failed(Failure::Unwell, error.to_string()),
            UpstreamError::Down
            | UpstreamError::Busy
            | UpstreamError::NoRoom(_)
            | UpstreamError::Abandoned(_) => Verdict::Unknown,
        }
    }
}

/// Whether a status says that the server, or a proxy before it, has trouble of its own. 501 and
/// 508 are answers to what was asked.
fn is_trouble(status: StatusCode) -> bool {
    match status {
        StatusCode::NOT_IMPLEMENTED | StatusCode::LOOP_DETECTED => false,
        // The key of OpenWhisk is never asked for so: the way there is closed.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => true,
        status => status.is_server_error(),
    }
}

/// Whether it is what a proxy says that does not get through.
fn is_of_a_proxy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of(judged: Judged, status: u16, header: Option<&'static str>) -> Verdict {
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(header, HeaderValue::from_static("1"));
        }
        Verdict::of_answer(judged, status, &headers)
    }

    #[test]
    fn what_answers_say() {
        let failed =
            |status: &str| Verdict::Failed(Failure::Unwell, format!("it answers {status}"));
        for judged in [
            Judged::ByStatus,
            Judged::ByActivation,
            Judged::ByInvocation,
            Judged::Not,
        ] {
            for status in [200, 302, 401, 404, 409, 429, 501, 508] {
                assert_eq!(of(judged, status, None), Verdict::Well, "{status}");
            }
            let offline = of(judged, 503, Some(OFFLINE_HEADER));
            assert_eq!(offline, Verdict::Well);
        }
        for judged in [Judged::ByStatus, Judged::ByActivation] {
            assert_eq!(of(judged, 502, None), failed("502 Bad Gateway"));
            let proxy = failed("407 Proxy Authentication Required");
            assert_eq!(of(judged, 407, None), proxy);
        }
        // The action has failed, not the OpenWhisk that ran it.
        let activation = Some(ActivationId::HEADER);
        assert_eq!(of(Judged::ByActivation, 502, activation), Verdict::Well);
        let by_status = of(Judged::ByStatus, 502, activation);
        assert_eq!(by_status, failed("502 Bad Gateway"));
        assert_eq!(of(Judged::Not, 502, None), Verdict::Unknown);
        for (status, text) in [(502, "502 Bad Gateway"), (504, "504 Gateway Timeout")] {
            assert_eq!(of(Judged::ByInvocation, status, None), failed(text));
            let named = of(Judged::ByInvocation, status, activation);
            assert_eq!(named, Verdict::Unknown);
        }
        // One that is full, or cannot run anything now, is there all the same.
        for status in [500, 503] {
            assert_eq!(of(Judged::ByInvocation, status, None), Verdict::Unknown);
        }
    }

    #[test]
    fn what_no_answer_says() {
        let of = |error| Verdict::of_error(&error);
        let unsent = UpstreamError::Unsent("no route".into());
        assert_eq!(
            of(unsent),
            Verdict::Failed(Failure::Unreached, "it cannot be reached: no route".into())
        );
        let broken = UpstreamError::Broken("timed out".into());
        assert_eq!(
            of(broken),
            Verdict::Failed(Failure::Unwell, "it has not answered: timed out".into())
        );
        assert_eq!(of(UpstreamError::Busy), Verdict::Unknown);
        assert_eq!(of(UpstreamError::Down), Verdict::Unknown);
        let abandoned = UpstreamError::Abandoned("gone".into());
        assert_eq!(of(abandoned), Verdict::Unknown);
    }
}
