//! Requests to the registry of the tests.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::Shelf;

pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What is sent of a layer at a time while the gate is shut, and then.
const PIECE: usize = 32 << 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Answers the one request of a connection.
pub fn serve(mut stream: TcpStream, shelf: &Shelf) {
    let Some(request) = head(&stream) else {
        return;
    };
    let log = format!("{} {}", request.method, request.path);
    shelf.requests.lock().expect("the requests").push(log);
    // Whoever goes away does not wait for the rest.
    let _ = answer(&mut stream, &request, shelf);
}

struct Request {
    method: String,
    path: String,
    /// Bytes that are not wanted again.
    from: usize,
}

fn head(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut from = 0;
    for line in lines.take_while(|line| !line.is_empty()) {
        let line = line.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.split('-').next()?.parse().ok()?;
        }
    }
    Some(Request { method, path, from })
}

fn answer(stream: &mut TcpStream, request: &Request, shelf: &Shelf) -> std::io::Result<()> {
    let path = request.path.strip_prefix("/v2/").unwrap_or_default();
    if path.is_empty() {
        return stream
            .write_all(start("200 OK", "application/json", 2, "").as_bytes())
            .and_then(|()| stream.write_all(b"{}"));
    }
    let (media, digest) = if let Some((repository, tag)) = path.split_once("/manifests/") {
        let tags = shelf.tags.lock().expect("the tags");
        let found = tags.get(&format!("{repository}:{tag}")).cloned();
        (MANIFEST, found.unwrap_or_else(|| tag.to_owned()))
    } else {
        let (_, digest) = path.split_once("/blobs/").unwrap_or_default();
        ("application/octet-stream", digest.to_owned())
    };
    let content = shelf.blobs.lock().expect("the blobs").get(&digest).cloned();
    let Some(content) = content else {
        let text = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        stream.write_all(start("404 Not Found", "application/json", text.len(), "").as_bytes())?;
        return stream.write_all(text.as_bytes());
    };
    let rest = &content[request.from.min(content.len())..];
    let status = if request.from > 0 {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let header = format!("Docker-Content-Digest: {digest}\r\n");
    stream.write_all(start(status, media, rest.len(), &header).as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    // Manifests and configurations are small.
    if rest.len() < 4096 {
        return stream.write_all(rest);
    }
    let (first, second) = rest.split_at(rest.len() / 2);
    for piece in first.chunks(PIECE) {
        stream.write_all(piece)?;
        // Engines tell of what comes, and not of what has come.
        if *shelf.shut.lock().expect("the gate") {
            thread::sleep(PAUSE);
        }
    }
    let mut shut = shelf.shut.lock().expect("the gate");
    while *shut {
        shut = shelf.opened.wait(shut).expect("the gate");
    }
    drop(shut);
    stream.write_all(second)
}

fn start(status: &str, media: &str, length: usize, more: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n{more}\
         Docker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n"
    )
}
