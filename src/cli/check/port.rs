//! Whether the port is free, or an OWL listens on it already.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::{Check, Outcome};

pub fn check(addresses: &[IpAddr], port: u16) -> Vec<Check> {
    addresses
        .iter()
        .map(|address| Check::new("port", check_one(SocketAddr::new(*address, port))))
        .collect()
}

fn check_one(address: SocketAddr) -> Outcome {
    match TcpListener::bind(address) {
        Ok(_) => Outcome::Good(format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if is_owl(address) {
                Outcome::Good(format!("an OpenWhisk API answers at {address} already"))
            } else {
                Outcome::Bad(
                    format!("{address} is taken by another program"),
                    "give OWL another port with OWL_PORT, or stop that program".to_string(),
                )
            }
        }
        Err(error) => Outcome::Bad(
            format!("cannot listen on {address}: {error}"),
            "set OWL_BIND to addresses of this machine, and OWL_PORT to a port above 1023"
                .to_string(),
        ),
    }
}

/// Whether `GET /ping` is answered with `pong`.
fn is_owl(address: SocketAddr) -> bool {
    let ping = || -> std::io::Result<String> {
        let limit = Some(Duration::from_secs(2));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(limit)?;
        stream.set_write_timeout(limit)?;
        stream.write_all(b"GET /ping HTTP/1.1\r\nHost: owl\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    ping().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.ends_with("pong"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let listener = TcpListener::bind((local, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Answers something else than a pong, and closes.
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 256]);
            stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
            listener
        });
        let outcome = check_one(SocketAddr::new(local, port));
        assert!(matches!(outcome, Outcome::Bad(..)), "{outcome:?}");
        drop(other.join().unwrap());
        assert!(matches!(
            check_one(SocketAddr::new(local, 0)),
            Outcome::Good(_)
        ));
    }
}
