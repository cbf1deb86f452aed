//! What is told when the master was needed and has not answered.

use http_types::{Method, StatusCode};

use crate::api::error::ApiError;
use crate::upstream::{Looped, UpstreamError};

/// The failure of a request that the master had to answer, and did not.
pub(in crate::api) fn upstream_error(error: &UpstreamError, method: Method) -> ApiError {
    let status = match error {
        UpstreamError::Abandoned(_) => StatusCode::BadRequest,
        UpstreamError::Broken(_) => StatusCode::BadGateway,
        UpstreamError::Down
        | UpstreamError::Unsent(_)
        | UpstreamError::NoRoom(_)
        | UpstreamError::Busy => StatusCode::ServiceUnavailable,
    };
    let open = if error.is_without_effect() || method.is_safe() {
        ""
    } else {
        " Whether it has done what was asked is not known."
    };
    ApiError::new(
        status,
        format!("The request is one for the master OpenWhisk: {error}.{open}"),
    )
}

impl From<Looped> for ApiError {
    fn from(looped: Looped) -> Self {
        Self::new(StatusCode::LoopDetected, looped.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_done_is_said() {
        let told = |error: UpstreamError, method| {
            let mut response = upstream_error(&error, method).into_response("t");
            let status = u16::from(response.status());
            let text = smol::block_on(response.body_string()).unwrap();
            (status, text.contains("is not known"))
        };
        let broken = || UpstreamError::Broken("no answer within 15 s".into());
        assert_eq!(told(broken(), Method::Put), (502, true));
        assert_eq!(told(broken(), Method::Get), (502, false));
        assert_eq!(told(UpstreamError::Down, Method::Put), (503, false));
        let refused = UpstreamError::Unsent("connection refused".into());
        assert_eq!(told(refused, Method::Delete), (503, false));
    }
}
