//! TLS: who is trusted, and what a connection that ends says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use hyper::Method;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use smol::block_on;
use smol::channel::bounded;
use smol::future::or;

use super::fake::*;
use crate::config;
use crate::upstream::{Client, Exchange as _, Network, Outgoing, Room, UpstreamError};

/// The server's end of a connection.
type Secure = StreamOwned<ServerConnection, TcpStream>;

/// A file of the tests' certificates.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

/// Settings of somebody who trusts an authority.
fn trusting(authority: &str) -> config::Upstream {
    config::Upstream {
        ca_file: Some(file(authority)),
        ..settings()
    }
}

/// Accepts a connection, and waits for a request unless the client does not like the certificate.
fn accept(listener: &TcpListener) -> Option<Secure> {
    accept_as("server", listener)
}

fn accept_as(name: &str, listener: &TcpListener) -> Option<Secure> {
    let provider = Arc::new(ring::default_provider());
    let certificate = CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap();
    let certificates = vec![certificate];
    let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let connection = ServerConnection::new(Arc::new(config)).unwrap();
    let mut secure = StreamOwned::new(connection, stream);
    request(&mut secure).then_some(secure)
}

/// Reads a request without a body; false if none comes.
fn request(secure: &mut Secure) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match secure.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    true
}

/// Runs a script behind `https`, on an address.
fn secure_master<T: Send + 'static>(
    address: &str,
    script: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    (url, thread::spawn(move || script(listener)))
}

fn get() -> Outgoing {
    Outgoing::new(Method::GET, "/x")
}

/// What a client gets of a master that answers whoever likes its certificate.
fn answer_of(address: &str, settings: config::Upstream) -> Result<String, UpstreamError> {
    answer_as("server", address, settings)
}

fn answer_as(
    name: &'static str,
    address: &str,
    settings: config::Upstream,
) -> Result<String, UpstreamError> {
    let (url, master) = secure_master(address, move |listener| {
        if let Some(mut secure) = accept_as(name, &listener) {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
            secure.write_all(answer.as_bytes()).unwrap();
        }
    });
    let answer = ask(&client(&url, settings), get()).map(text);
    master.join().unwrap();
    answer
}

#[track_caller]
fn refused(answer: Result<String, UpstreamError>, reason: &str) {
    match answer {
        Err(UpstreamError::Unsent(told)) => assert!(told.contains(reason), "{told}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_who_is_signed_by_an_authority_is_trusted() {
    assert_eq!(
        answer_of("127.0.0.1", trusting("authority.pem")).unwrap(),
        "secret"
    );
    refused(answer_of("127.0.0.1", trusting("other.pem")), "OWL_CA_FILE");
    refused(answer_of("127.0.0.1", settings()), "OWL_CA_FILE");
}

#[test]
fn only_the_name_of_the_url_will_do() {
    refused(
        answer_of("127.0.0.2", trusting("authority.pem")),
        "another name",
    );
}

#[test]
fn a_certificate_that_a_server_has_made_for_itself_has_to_be_named() {
    let answer = |address, settings| answer_as("alone", address, settings);
    let named = answer("127.0.0.1", trusting("alone.pem"));
    assert_eq!(named.unwrap(), "secret");
    for other in [settings(), trusting("other.pem")] {
        refused(answer("127.0.0.1", other), "OWL_CA_FILE");
    }
    let elsewhere = answer("127.0.0.2", trusting("alone.pem"));
    refused(elsewhere, "another name");
}

#[test]
fn insecure_takes_anybody() {
    let insecure = config::Upstream {
        insecure: true,
        ..settings()
    };
    assert_eq!(answer_of("127.0.0.2", insecure).unwrap(), "secret");
}

#[test]
fn the_system_s_authorities_are_those_of_ssl_cert_file() {
    let authority = file("authority.pem").display().to_string();
    let environment = |name: &str| (name == "SSL_CERT_FILE").then(|| authority.clone());
    let (url, master) = secure_master("127.0.0.1", |listener| {
        accept(&listener).unwrap().write_all(OK.as_bytes()).unwrap();
    });
    let network = Network::new(settings(), std::slice::from_ref(&url), &environment).unwrap();
    let client: Client = network.client(&url, &environment).unwrap();
    assert_eq!(ask(&client, get()).unwrap().status, 200);
    master.join().unwrap();
}

#[test]
fn an_authority_that_is_none_is_refused_at_the_start() {
    let urls = ["https://master".to_owned()];
    for name in ["missing.pem", "server.key", "make"] {
        let error = Network::new(trusting(name), &urls, &|_| None)
            .err()
            .unwrap();
        assert!(error.to_string().contains("OWL_CA_FILE"), "{error}");
    }
    // Which does not matter to somebody who needs none.
    let urls = ["http://master".to_owned()];
    assert!(Network::new(trusting("missing.pem"), &urls, &|_| None).is_ok());
}

#[test]
fn somebody_who_does_not_speak_tls() {
    let (url, master) = secure_master("127.0.0.1", |listener| {
        let mut connection = Connection::accept(&listener);
        connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
        connection.closed();
    });
    let answer = ask(&client(&url, trusting("authority.pem")), get());
    refused(answer.map(text), "no TLS");
    master.join().unwrap();
}

#[test]
fn a_host_may_have_a_name() {
    let (url, master) = secure_master("127.0.0.1", |listener| {
        accept(&listener).unwrap().write_all(OK.as_bytes()).unwrap();
    });
    let url = url.replace("127.0.0.1", "localhost");
    let client = client(&url, trusting("authority.pem"));
    assert_eq!(ask(&client, get()).unwrap().status, 200);
    master.join().unwrap();
}

#[test]
fn who_does_not_shake_hands_is_not_waited_for() {
    let (url, master) = secure_master("127.0.0.1", |listener| {
        let mut connection = Connection::accept(&listener);
        connection.closed();
    });
    let impatient = config::Upstream {
        connect_timeout: SHORT,
        ..trusting("authority.pem")
    };
    let answer = ask(&client(&url, impatient), get());
    refused(answer.map(text), "OWL_CONNECT_TIMEOUT");
    master.join().unwrap();

    // Nor after whoever asked has gone.
    let (begun, has_begun) = bounded(1);
    let (url, master) = secure_master("127.0.0.1", move |listener| {
        let mut connection = Connection::accept(&listener);
        let mut hello = [0];
        connection.stream.read_exact(&mut hello).unwrap();
        begun.try_send(()).unwrap();
        connection.closed();
    });
    let client = client(&url, trusting("authority.pem"));
    let answered = async {
        let _ = client.send(get()).await;
        panic!("nobody has answered");
    };
    let begun = async { has_begun.recv().await.unwrap() };
    block_on(or(begun, answered));
    master.join().unwrap();
}

#[test]
fn secure_connections_are_used_again() {
    let (url, master) = secure_master("127.0.0.1", |listener| {
        let mut secure = accept(&listener).unwrap();
        secure.write_all(OK.as_bytes()).unwrap();
        assert!(request(&mut secure));
        secure.write_all(OK.as_bytes()).unwrap();
        drop(secure);
        accept(&listener).unwrap().write_all(OK.as_bytes()).unwrap();
    });
    let client = client(&url, trusting("authority.pem"));
    for _ in 0..3 {
        assert_eq!(ask(&client, get()).unwrap().status, 200);
    }
    master.join().unwrap();
}

#[test]
fn what_nobody_has_asked_for_is_nobody_s_secret() {
    let (url, master) = secure_master("127.0.0.1", |listener| {
        for stray in ["HTTP/1.1 299 Stray\r\nContent-Length: 0\r\n\r\n", ""] {
            let mut secure = accept(&listener).unwrap();
            secure
                .write_all((OK.to_owned() + stray).as_bytes())
                .unwrap();
        }
    });
    let client = client(&url, trusting("authority.pem"));
    for _ in 0..2 {
        assert_eq!(ask(&client, get()).unwrap().status, 200);
    }
    master.join().unwrap();
}

#[test]
fn an_end_that_is_not_told_is_none() {
    for told in [true, false] {
        let (url, master) = secure_master("127.0.0.1", move |listener| {
            let mut secure = accept(&listener).unwrap();
            secure.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").unwrap();
            if told {
                secure.conn.send_close_notify();
                secure.flush().unwrap();
            }
        });
        let answer = ask(&client(&url, trusting("authority.pem")), get()).unwrap();
        let body = block_on(Room::default().read(answer.body, 9));
        assert_eq!(body.is_ok(), told, "{body:?}");
        master.join().unwrap();
    }
}

#[test]
fn a_handshake_that_trickles() {
    let (url, master) = secure_master("127.0.0.1", |listener| {
        let (mut stream, _) = listener.accept().unwrap();
        // The head of a record, and then its bytes one by one.
        let mut piece: &[u8] = &[22, 3, 3, 16, 0];
        for _ in 0..200 {
            if stream.write_all(piece).is_err() {
                return;
            }
            piece = &[2];
            thread::sleep(SHORT / 4);
        }
        panic!("all of it was taken");
    });
    let impatient = config::Upstream {
        connect_timeout: SHORT,
        insecure: true,
        ..settings()
    };
    let error = ask(&client(&url, impatient), Outgoing::new(Method::GET, "/x"));
    let Some(UpstreamError::Unsent(reason)) = error.err() else {
        panic!("it was sent");
    };
    assert!(reason.contains("OWL_CONNECT_TIMEOUT"), "{reason}");
    master.join().unwrap();
}
