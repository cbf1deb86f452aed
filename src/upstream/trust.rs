//! Whose certificates are taken.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::NetworkError;

/// Where systems keep the certificates of authorities: Debian and Alpine, Fedora, openSUSE, and
/// where OpenSSL looks by itself.
const SYSTEM: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Connections whose keys are kept, to be taken up again in less time.
const RESUMED: usize = 32;

/// How TLS is spoken: with the authorities of the system (`SSL_CERT_FILE`, else the usual files)
/// and of a file of one's own, or, if `insecure`, with anybody.
///
/// # Errors
/// The file of one's own cannot be used.
pub(super) fn client_config(
    own: Option<&Path>,
    insecure: bool,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<ClientConfig>, NetworkError> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| NetworkError::new("TLS cannot be used", error))?;
    let lenient = |takes| {
        Arc::new(Lenient {
            provider: provider.clone(),
            takes,
        })
    };
    let mut config = if insecure {
        config
            .dangerous()
            .with_custom_certificate_verifier(lenient(Takes::Anybodys))
            .with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        add_system(&mut roots, environment("SSL_CERT_FILE"));
        let named = match own {
            Some(file) => add(&mut roots, file).map_err(|reason| {
                let what = format!("cannot use {} (OWL_CA_FILE)", file.display());
                NetworkError::new(&what, reason)
            })?,
            None => Vec::new(),
        };
        if roots.is_empty() {
            log::warn!(
                "no certificates of authorities were found: no https:// master or tier can be \
                 reached; install the system's, or set SSL_CERT_FILE or OWL_CA_FILE"
            );
        }
        if named.is_empty() {
            config.with_root_certificates(roots).with_no_client_auth()
        } else {
            let usual =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| NetworkError::new("TLS cannot be used", error))?;
            config
                .dangerous()
                .with_custom_certificate_verifier(lenient(Takes::Named { usual, named }))
                .with_no_client_auth()
        }
    };
    config.resumption = Resumption::in_memory_sessions(RESUMED);
    Ok(Arc::new(config))
}

/// Adds the system's authorities. Without them the own ones may be enough.
fn add_system(roots: &mut RootCertStore, named: Option<String>) {
    let file = match named.filter(|file| !file.is_empty()) {
        Some(file) => PathBuf::from(file),
        None => match SYSTEM.iter().map(Path::new).find(|file| file.exists()) {
            Some(file) => file.to_owned(),
            None => return,
        },
    };
    match add(roots, &file) {
        Ok(added) => log::debug!("{} authorities in {}", added.len(), file.display()),
        Err(reason) => log::warn!(
            "the system's certificates of authorities in {} cannot be used: {reason}",
            file.display()
        ),
    }
}

/// Adds the authorities of a PEM file; tells which.
fn add(roots: &mut RootCertStore, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
    let mut added = Vec::new();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        // Systems have odd ones among theirs, which no one else's hang on.
        if roots.add(certificate.clone()).is_ok() {
            added.push(certificate);
        }
    }
    if added.is_empty() {
        return Err("it has no certificate in PEM that can be used".to_owned());
    }
    Ok(added)
}

/// Takes more certificates than those that authorities have signed; the other side must have its
/// key all the same.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    takes: Takes,
}

/// Whose certificates are taken.
#[derive(Debug)]
enum Takes {
    Anybodys,
    /// What authorities have signed, and the certificates that the file of one's own names
    /// themselves. Those that servers make for themselves are often an authority's, too (so
    /// `openssl req -x509` has it), and are refused to a server otherwise.
    Named {
        usual: Arc<WebPkiServerVerifier>,
        named: Vec<CertificateDer<'static>>,
    },
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Takes::Named { usual, named } = &self.takes else {
            return Ok(ServerCertVerified::assertion());
        };
        match usual.verify_server_cert(certificate, others, name, ocsp, now) {
            // Its dates have been looked at before, and are told as another error.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if named.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
