//! What ureq's errors say to people, and about what the other side may have done.

use std::time::Duration;

use rustls::{CertificateError, Error as TlsError};
use ureq::{Error, Timeout};

use super::UpstreamError;
use super::call::Call;

/// The times that a call has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// To make a connection.
    pub(super) connect: Duration,
    /// Until the answer.
    pub(super) answer: Duration,
}

/// Why a call has no answer. `proxy` is the one on the way, as it may be told.
pub(super) fn failure(
    error: &Error,
    call: &Call,
    times: Times,
    proxy: Option<&str>,
) -> UpstreamError {
    let reason = reason(error, times);
    let reason = match proxy {
        // Whether it is the proxy that does not answer, ureq does not tell.
        Some(proxy) if !call.is_sent() => format!("through the proxy {proxy}: {reason}"),
        _ => reason,
    };
    if call.is_abandoned() {
        return UpstreamError::Abandoned(reason);
    }
    match error {
        _ if call.is_sent() => UpstreamError::Broken(reason),
        // It was the request itself that could not be sent.
        Error::BadUri(_) | Error::Http(_) | Error::Protocol(_) => UpstreamError::Abandoned(reason),
        _ => UpstreamError::Unsent(reason),
    }
}

fn reason(error: &Error, times: Times) -> String {
    match error {
        Error::Timeout(Timeout::Resolve) => format!(
            "its name was not found within {} s (OWL_CONNECT_TIMEOUT)",
            times.connect.as_secs()
        ),
        Error::Timeout(Timeout::Connect) => format!(
            "no connection within {} s (OWL_CONNECT_TIMEOUT)",
            times.connect.as_secs()
        ),
        Error::Timeout(Timeout::PerWrite | Timeout::SendRequest) => {
            "it takes no more of the request, or too slowly (OWL_MASTER_TIMEOUT)".to_owned()
        }
        Error::Timeout(_) => format!(
            "no answer within {} s (OWL_MASTER_TIMEOUT)",
            times.answer.as_secs()
        ),
        Error::Rustls(error) => tls_reason(error),
        Error::Protocol(error) => format!("what goes over is not HTTP: {error}"),
        Error::LargeResponseHeader(..) => "the head of its answer is too large".to_owned(),
        Error::ConnectProxyFailed(reason) => format!("it gives no connection: {reason}"),
        // Without `io:` before it.
        Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn tls_reason(error: &TlsError) -> String {
    let advice = match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "it is signed by an authority that is not known here; name that in OWL_CA_FILE"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "it is for another name than that of the URL",
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "it is not valid at the time of this machine's clock",
        TlsError::InvalidCertificate(CertificateError::Other(_)) => {
            "no authority that is known here has signed it for a server; if the server has made it \
             itself, name it in OWL_CA_FILE"
        }
        TlsError::InvalidCertificate(_) => "it cannot be used",
        error => return format!("no TLS with it: {error}"),
    };
    format!("its certificate is refused: {advice} ({error})")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const TIMES: Times = Times {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(75),
    };

    #[test]
    fn what_was_sent_decides() {
        let call = Call::new(None);
        let error = Error::Io(io::ErrorKind::ConnectionReset.into());
        let reason = "connection reset".to_owned();
        let told = failure(&error, &call, TIMES, None);
        assert_eq!(told, UpstreamError::Unsent(reason.clone()));
        let told = failure(&error, &call, TIMES, Some("p:3128"));
        let through = format!("through the proxy p:3128: {reason}");
        assert_eq!(told, UpstreamError::Unsent(through));
        call.set_sent();
        let told = failure(&error, &call, TIMES, Some("p:3128"));
        assert_eq!(told, UpstreamError::Broken(reason.clone()));
        call.set_abandoned();
        let told = failure(&error, &call, TIMES, None);
        assert_eq!(told, UpstreamError::Abandoned(reason));
    }

    #[test]
    fn times_are_told_with_their_settings() {
        let told = |timeout| reason(&Error::Timeout(timeout), TIMES);
        assert_eq!(
            told(Timeout::Connect),
            "no connection within 5 s (OWL_CONNECT_TIMEOUT)"
        );
        assert_eq!(
            told(Timeout::RecvResponse),
            "no answer within 75 s (OWL_MASTER_TIMEOUT)"
        );
    }

    #[test]
    fn certificates_are_told_with_what_to_do() {
        let unknown = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(reason(&Error::Rustls(unknown), TIMES).contains("OWL_CA_FILE"));
        let late = TlsError::InvalidCertificate(CertificateError::Expired);
        assert!(reason(&Error::Rustls(late), TIMES).contains("clock"));
    }
}
