//! A server that runs out of file descriptors. Alone in its process, whose limit it lowers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use owl::Executor;
use owl::http::server::{Server, ServerOptions};

/// Reached only by what hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    std::thread::spawn(move || {
        let executor: Executor = Arc::new(smol::Executor::new());
        let mut app = tide::new();
        app.at("/").get(|_| async { Ok("hello") });
        let mut server = Server::new(executor.clone(), app, ServerOptions::default());
        server.listen(listener).expect("listens");
        smol::block_on(executor.run(server.run(std::future::pending())))
    });
    address
}

/// Whether the server answers on a connection.
fn is_served(mut client: &TcpStream, patience: Duration) -> bool {
    client.set_read_timeout(Some(patience)).expect("is open");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    client.write_all(request).is_ok()
        && client.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn without_descriptors_connections_wait_and_the_server_lives() {
    let address = start();
    let open = std::fs::read_dir("/proc/self/fd")
        .expect("is Linux")
        .count() as u64;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("has a limit");
    setrlimit(Resource::RLIMIT_NOFILE, open + 40, hard).expect("can be lowered");

    // Both ends of each connection are in this process.
    let mut clients = Vec::new();
    let error = loop {
        match TcpStream::connect(address) {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
        assert!(clients.len() < 100, "the limit has no effect");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(error.raw_os_error(), Some(nix::libc::EMFILE), "{error}");

    drop(clients);
    let began = Instant::now();
    while !TcpStream::connect(address).is_ok_and(|client| is_served(&client, PATIENCE)) {
        assert!(began.elapsed() < PATIENCE, "the server did not recover");
        std::thread::sleep(Duration::from_millis(10));
    }
}
