//! A blocking HTTP/1.1 client: one write a request and as little else as possible, since it
//! stands on both sides of each comparison.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(90);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

#[derive(Clone, Debug)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One connection, made when it is needed and kept for as long as the server keeps it.
pub struct Client {
    address: Address,
    headers: String,
    stream: Option<Box<dyn Stream>>,
    /// Read, and not consumed.
    ahead: Vec<u8>,
}

impl Client {
    pub fn new(address: Address, headers: &str) -> Self {
        Client {
            address,
            headers: headers.to_owned(),
            stream: None,
            ahead: Vec::new(),
        }
    }

    /// Where it leads.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Another one to the same server.
    pub fn another(&self) -> Self {
        Client::new(self.address.clone(), &self.headers)
    }

    /// Connects now; a request does it as well.
    pub fn connect(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            self.ahead.clear();
            self.stream = Some(match &self.address {
                Address::Tcp(address) => {
                    let stream = TcpStream::connect(address)?;
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(PATIENCE))?;
                    Box::new(stream)
                }
                Address::Unix(path) => {
                    let stream = UnixStream::connect(path)?;
                    stream.set_read_timeout(Some(PATIENCE))?;
                    Box::new(stream)
                }
            });
        }
        Ok(())
    }

    /// Sends a request and reads its answer.
    pub fn call(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.connect().map_err(|error| {
            io::Error::new(error.kind(), format!("{:?}: {error}", self.address))
        })?;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n",
            self.headers,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        if let Some(stream) = &mut self.stream {
            stream.write_all(&request)?;
        }
        self.answer()
    }

    /// The same for an answer that must have this status.
    pub fn expect(
        &mut self,
        status: u16,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> io::Result<Vec<u8>> {
        let (is, answer) = self.call(method, path, body)?;
        if is == status {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer[..answer.len().min(500)]);
        Err(io::Error::other(format!("{method} {path}: {is} {text}")))
    }

    fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let end = loop {
            match self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more()?,
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("the answer has no status"))?;
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches(':').trim())
        };
        let body = if status == 204 || status == 304 {
            Vec::new()
        } else if let Some(length) = field("content-length") {
            self.take(length.parse().map_err(io::Error::other)?)?
        } else if field("transfer-encoding") == Some("chunked") {
            self.chunks()?
        } else {
            while self.more().is_ok() {}
            self.stream = None;
            std::mem::take(&mut self.ahead)
        };
        if field("connection") == Some("close") || head.starts_with("http/1.0") {
            self.stream = None;
        }
        Ok((status, body))
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match self.ahead.windows(2).position(|w| w == b"\r\n") {
                    Some(end) => break end,
                    None => self.more()?,
                }
            };
            let line = self.take(end + 2)?;
            let size = String::from_utf8_lossy(&line[..end]).into_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            body.extend(self.take(size)?);
            self.take(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn take(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < n {
            self.more()?;
        }
        let rest = self.ahead.split_off(n);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 64 * 1024];
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match stream.read(&mut piece)? {
            0 => {
                self.stream = None;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            n => {
                self.ahead.extend_from_slice(&piece[..n]);
                Ok(())
            }
        }
    }
}
