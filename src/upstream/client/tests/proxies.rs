//! Ways that lead through a proxy.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use hyper::Method;

use super::fake::*;
use crate::upstream::{Client, Network, NetworkError, Outgoing, UpstreamError};

/// A client in an environment with these proxies.
fn client_by(url: &str, environment: &[(&str, String)]) -> Result<Client, NetworkError> {
    let get = |name: &str| {
        let mut set = environment.iter();
        set.find(|(set, _)| *set == name)
            .map(|(_, value)| value.clone())
    };
    Network::new(settings(), &[url.to_owned()], &get)?.client(url, &get)
}

/// A proxy that lets one connection through, and gives what it was asked.
fn proxy() -> (String, JoinHandle<String>) {
    master(|listener: TcpListener| {
        let mut connection = Connection::accept(&listener);
        let head = connection.head();
        let target = head.split(' ').nth(1).unwrap();
        let target = TcpStream::connect(target).unwrap();
        connection.write("HTTP/1.1 200 Connection established\r\n\r\n");
        let (mut from, mut to) = (connection.stream.into_inner(), target);
        let (mut back_from, mut back_to) = (to.try_clone().unwrap(), from.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut back_from, &mut back_to);
        });
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
        head
    })
}

fn get() -> Outgoing {
    Outgoing::new(Method::GET, "/x")
}

#[test]
fn through_a_proxy() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        for _ in 0..2 {
            connection.request();
            connection.write(OK);
        }
    });
    let (proxy_url, proxy) = proxy();
    let with_password = proxy_url.replace("http://", "http://somebody:secret@");
    let client = client_by(&url, &[("http_proxy", with_password)]).unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&client, get()).unwrap().status, 200);
    }
    master.join().unwrap();
    drop(client);
    let head = proxy.join().unwrap();
    let host = url.strip_prefix("http://").unwrap();
    assert!(
        head.starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")),
        "{head}"
    );
    assert!(head.contains("Proxy-Authorization: Basic "), "{head}");
}

#[test]
fn past_a_proxy() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.write(OK);
    });
    let environment = [
        ("ALL_PROXY", "http://127.0.0.1:1".to_owned()),
        ("NO_PROXY", "localhost, 127.0.0.1".to_owned()),
    ];
    let client = client_by(&url, &environment).unwrap();
    assert_eq!(ask(&client, get()).unwrap().status, 200);
    master.join().unwrap();
}

#[test]
fn a_proxy_that_lets_nobody_through() {
    let (proxy_url, proxy) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.head();
        connection.write("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    });
    let client = client_by("http://127.0.0.1:1", &[("http_proxy", proxy_url)]).unwrap();
    let error = ask(&client, get()).err();
    let told = matches!(&error, Some(UpstreamError::Unsent(told)) if told.contains("407"));
    assert!(told, "{error:?}");
    proxy.join().unwrap();
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = format!("http://somebody:secret@{address}");
    let client = client_by("http://127.0.0.1:1", &[("HTTP_PROXY", proxy)]).unwrap();
    let Some(UpstreamError::Unsent(told)) = ask(&client, get()).err() else {
        panic!("nobody is there");
    };
    let begins = format!("through the proxy {address} (HTTP_PROXY): ");
    assert!(
        told.starts_with(&begins) && told.contains("refused"),
        "{told}"
    );
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn proxies_that_cannot_be_used() {
    for proxy in ["socks5://somebody:secret@h:1080", "http://", "::"] {
        let environment = [("HTTPS_PROXY", proxy.to_owned())];
        let error = client_by("https://master", &environment).err().unwrap();
        let told = error.to_string();
        assert!(
            told.contains("HTTPS_PROXY") && !told.contains("secret"),
            "{told}"
        );
    }
}
