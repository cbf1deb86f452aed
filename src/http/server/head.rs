//! Checks a request head as raw bytes, before hyper parses it.
//!
//! hyper is lenient where a proxy in front of OWL may read the same bytes differently: it takes a
//! bare line feed as the end of a line, lets `Transfer-Encoding` override `Content-Length` without
//! a trace, and takes any list of codings that ends in `chunked`. Here everything that two
//! parsers could take for different requests is refused (RFC 9112, sections 2.2, 5, 6 and 11.2).

use hyper::{StatusCode, Uri};
use memchr::{memchr, memchr_iter};

use super::refusal::Refusal;

/// Header lines of one request.
const MAX_HEADERS: usize = 100;

/// Longest method; the longest registered one has 17 letters.
const MAX_METHOD: usize = 32;

/// How large a request may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of the request target.
    pub(super) uri: usize,
    /// Bytes of the whole head.
    pub(super) head: usize,
    /// Bytes of the body.
    pub(super) body: u64,
}

/// How the body after a head is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// This many bytes; never 0.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Where the head ends: the offset behind its empty line.
///
/// Only looks at bytes from `from` on, so that a head that comes byte by byte costs no more than
/// one that comes at once. A head whose lines end in bare line feeds is found as well: it can be
/// refused at once then.
pub(super) fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(2).min(bytes.len());
    for at in memchr_iter(b'\n', &bytes[start..]).map(|at| start + at) {
        match bytes[at + 1..] {
            [b'\n', ..] => return Some(at + 2),
            [b'\r', b'\n', ..] => return Some(at + 3),
            _ => {}
        }
    }
    None
}

/// Whether a head that has not ended yet is too long already.
pub(super) fn check_partial(bytes: &[u8], limits: &Limits) -> Result<(), Refusal> {
    let line = memchr(b'\n', bytes);
    if line.unwrap_or(bytes.len()) > limits.uri + MAX_METHOD + " HTTP/1.1\r".len() + 1 {
        return Err(uri_too_long());
    }
    if bytes.len() > limits.head {
        return Err(head_too_large());
    }
    Ok(())
}

/// Checks a whole head, with its empty line.
pub(super) fn check(head: &[u8], limits: &Limits) -> Result<Framing, Refusal> {
    check_partial(head, limits)?;
    let mut lines = lines(head).map(line);
    let http_1_1 = check_request_line(lines.next().unwrap_or(Ok(b""))?, limits)?;

    let mut fields = Fields::default();
    for line in lines {
        match line? {
            b"" => break, // The end: `find_end` saw to that.
            line => fields.add(line, http_1_1)?,
        }
    }
    if fields.hosts > 1 || (fields.hosts == 0 && http_1_1) {
        return Err(Refusal::bad("There must be one Host header."));
    }
    match (fields.chunked, fields.length) {
        (true, Some(_)) => Err(Refusal::bad(
            "There are both Transfer-Encoding and Content-Length.",
        )),
        (true, None) => Ok(Framing::Chunked),
        (false, None | Some(0)) => Ok(Framing::Empty),
        (false, Some(length)) if length > limits.body => Err(Refusal::too_large()),
        (false, Some(length)) => Ok(Framing::Length(length)),
    }
}

/// What the header lines say that matters here.
#[derive(Default)]
struct Fields {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn add(&mut self, line: &[u8], http_1_1: bool) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > MAX_HEADERS {
            return Err(head_too_large());
        }
        let (name, value) = header(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.replace(content_length(value)?).is_some() {
                return Err(Refusal::bad("There is more than one Content-Length."));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !http_1_1 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::bad(
                    "Transfer-Encoding must be exactly 'chunked', once, in HTTP/1.1.",
                ));
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"expect")
            && !value.eq_ignore_ascii_case(b"100-continue")
        {
            return Err(Refusal::new(
                StatusCode::EXPECTATION_FAILED,
                "The expectation of the request cannot be met.",
            ));
        }
        Ok(())
    }
}

/// The lines of a head, each with its end.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b'\n', head).map(move |end| {
        let line = &head[start..=end];
        start = end + 1;
        line
    })
}

/// A line without its end, which must be CR LF.
fn line(line: &[u8]) -> Result<&[u8], Refusal> {
    match line.strip_suffix(b"\r\n") {
        Some(line) if memchr(b'\r', line).is_none() => Ok(line),
        _ => Err(Refusal::bad("A line of the head does not end in CR LF.")),
    }
}

/// Checks `method target version`; tells whether the version is 1.1 rather than 1.0.
fn check_request_line(line: &[u8], limits: &Limits) -> Result<bool, Refusal> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::bad("The request line is malformed."));
    };
    if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(|b| is_token(*b)) {
        return Err(Refusal::bad("The method is malformed."));
    }
    if target.len() > limits.uri {
        return Err(uri_too_long());
    }
    // hyper parses it in the same way, but would answer without a body.
    let is_uri = target.iter().all(u8::is_ascii_graphic) && Uri::try_from(target).is_ok();
    if !is_uri || !is_known_form(method, target) {
        return Err(Refusal::bad("The request target is malformed."));
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Refusal::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
        )),
        _ => Err(Refusal::bad("The request line is malformed.")),
    }
}

/// Origin form, absolute form (which a server must take, RFC 9112 section 3.2.2), or `*` for
/// OPTIONS; no authority form, as OWL is no proxy.
fn is_known_form(method: &[u8], target: &[u8]) -> bool {
    let is_absolute = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    match target {
        [b'/', ..] => method != b"CONNECT",
        b"*" => method == b"OPTIONS",
        _ => (is_absolute(b"http://") || is_absolute(b"https://")) && method != b"CONNECT",
    }
}

/// Splits a header line into its name and its value without the white space around it.
fn header(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Refusal::bad("A header is folded over several lines."));
    }
    let colon = memchr(b':', line).ok_or_else(|| Refusal::bad("A header has no colon."))?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Refusal::bad("The name of a header is malformed."));
    }
    // Behind this gate header values are text: other bytes than ASCII have no agreed meaning.
    if !is_text(value) {
        return Err(Refusal::bad(
            "The value of a header has other characters than printable ASCII.",
        ));
    }
    Ok((name, value))
}

/// Whether all of a value is printable ASCII or tabs. Eight bytes at a time are looked at, and one
/// by one only where those are not all printable.
fn is_text(value: &[u8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let (eights, rest) = value.as_chunks::<8>();
    let each = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    eights.iter().all(|eight| {
        let word = u64::from_ne_bytes(*eight);
        // The highest bit of a byte is set in the first where it is none of ASCII, in the second
        // where it is DEL, or beyond, and in the third where it is a space, or beyond.
        let (high, del) = (word, (word & (0x7f * EACH)) + EACH);
        let space = (word & (0x7f * EACH)) + 0x60 * EACH;
        (high | del | !space) & (0x80 * EACH) == 0 || each(eight)
    }) && each(rest)
}

/// Without spaces and tabs at both ends.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    // `parse` would take a leading plus sign.
    std::str::from_utf8(value)
        .ok()
        .filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Refusal::bad("The Content-Length is not a number of bytes."))
}

/// RFC 9110 section 5.6.2. Each byte of each name is looked at: a table is the quickest.
fn is_token(byte: u8) -> bool {
    static TOKENS: [bool; 256] = {
        let mut tokens = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            tokens[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"!#$%&'*+-.^_`|~";
        let mut at = 0;
        while at < others.len() {
            tokens[others[at] as usize] = true;
            at += 1;
        }
        tokens
    };
    TOKENS[usize::from(byte)]
}

fn uri_too_long() -> Refusal {
    Refusal::new(StatusCode::URI_TOO_LONG, "The URI is too long.")
}

fn head_too_large() -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers of the request are too large.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        uri: 100,
        head: 1000,
        body: 50,
    };

    fn framing(lines: &str) -> Result<Framing, u16> {
        check(format!("{lines}\r\n\r\n").as_bytes(), &LIMITS)
            .map_err(|refusal| refusal.status.as_u16())
    }

    /// A request with further header lines.
    fn post(headers: &str) -> Result<Framing, u16> {
        framing(&format!("POST / HTTP/1.1\r\nHost: a{headers}"))
    }

    #[test]
    fn each_byte_of_a_value_is_looked_at() {
        for byte in 0..=u8::MAX {
            let fits = matches!(byte, b'\t' | b' '..=b'~');
            for length in [1, 7, 8, 9, 17] {
                for at in 0..length {
                    let mut value = vec![b'~'; length];
                    value[at] = byte;
                    assert_eq!(is_text(&value), fits, "{byte} at {at} of {length}");
                }
            }
        }
        assert!(is_text(b""));
    }

    #[test]
    fn bodies_are_delimited_in_one_way() {
        assert_eq!(post(""), Ok(Framing::Empty));
        assert_eq!(post("\r\nContent-Length: 0"), Ok(Framing::Empty));
        assert_eq!(post("\r\ncontent-LENGTH:50\t "), Ok(Framing::Length(50)));
        assert_eq!(post("\r\nTransfer-Encoding: Chunked"), Ok(Framing::Chunked));
        assert_eq!(post("\r\nContent-Length: 51"), Err(413));
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for headers in [
            "\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
            "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
            "\r\nContent-Length: 0\r\nTransfer-Encoding: chunked",
            "\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "\r\nTransfer-Encoding: gzip, chunked",
            "\r\nTransfer-Encoding: chunked, identity",
            "\r\nTransfer-Encoding: identity",
            "\r\nTransfer-Encoding: xchunked",
            "\r\nTransfer-Encoding: \"chunked\"",
            "\r\nTransfer-Encoding:",
            "\r\nTransfer-Encoding : chunked",
            "\r\nTransfer-Encoding\t: chunked",
            "\r\n Transfer-Encoding: chunked",
            "\r\nX: a\r\n Content-Length: 3",
            "\r\nX: a\nContent-Length: 3",
            "\r\nX: a\rContent-Length: 3",
            "\r\nContent-Length: 3\r\nContent-Length: 4",
            "\r\nContent-Length: 3\r\nContent-Length: 3",
            "\r\nContent-Length: 3, 3",
            "\r\nContent-Length: +3",
            "\r\nContent-Length: -3",
            "\r\nContent-Length: 0x3",
            "\r\nContent-Length: 3 3",
            "\r\nContent-Length:",
            "\r\nContent-Length: 18446744073709551616",
            "\r\nX: a\0b",
            "\r\nX\0: ab",
            "\r\nX: \x7f",
            "\r\nX: \u{e9}",
            "\r\n: a",
            "\r\nno colon",
            "\r\nHost: b",
        ] {
            assert_eq!(post(headers), Err(400), "{headers:?}");
        }
    }

    #[test]
    fn bare_line_feeds_are_refused_wherever_they_stand() {
        for head in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(find_end(head.as_bytes(), 0).is_some(), "{head:?}");
            assert!(check(head.as_bytes(), &LIMITS).is_err(), "{head:?}");
        }
    }

    #[test]
    fn request_lines() {
        let status = |line: &str| framing(&format!("{line}\r\nHost: a"));
        for line in [
            "GET / HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET http://a/b?c HTTP/1.1",
            "GET HTTPS://a HTTP/1.1",
            "M-SEARCH / HTTP/1.0",
        ] {
            assert_eq!(status(line), Ok(Framing::Empty), "{line}");
        }
        for line in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET / x HTTP/1.1",
            "GET /\t HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET a HTTP/1.1",
            "GET * HTTP/1.1",
            "GET a:80 HTTP/1.1",
            "CONNECT a:80 HTTP/1.1",
            "CONNECT / HTTP/1.1",
            "GET ftp://a/ HTTP/1.1",
            "G\0T / HTTP/1.1",
            "G(T / HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / http/1.1",
            "GET / FTP/1.1",
            "",
        ] {
            assert_eq!(status(line), Err(400), "{line}");
        }
        for line in [
            "GET / HTTP/2.0",
            "GET / HTTP/0.9",
            "GET / HTTP/1.2",
            "PRI * HTTP/2.0",
        ] {
            let wanted = if line.starts_with("PRI") { 400 } else { 505 };
            assert_eq!(status(line), Err(wanted), "{line}");
        }
    }

    #[test]
    fn only_http_1_0_goes_without_a_host_and_without_chunks() {
        assert_eq!(framing("GET / HTTP/1.1"), Err(400));
        assert_eq!(framing("GET / HTTP/1.0"), Ok(Framing::Empty));
        let chunked = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked";
        assert_eq!(framing(chunked), Err(400));
    }

    #[test]
    fn sizes_are_limited() {
        let uri = |length: usize| framing(&format!("GET /{} HTTP/1.0", "a".repeat(length - 1)));
        assert_eq!(uri(100), Ok(Framing::Empty));
        assert_eq!(uri(101), Err(414));
        assert_eq!(uri(900), Err(414));
        assert_eq!(post(&format!("\r\nX: {}", "a".repeat(1000))), Err(431));
        assert_eq!(post(&"\r\na:".repeat(99)), Ok(Framing::Empty));
        assert_eq!(post(&"\r\na:".repeat(100)), Err(431));
        assert_eq!(post("\r\nExpect: 100-Continue"), Ok(Framing::Empty));
        assert_eq!(post("\r\nExpect: a miracle"), Err(417));
    }

    #[test]
    fn long_heads_are_refused_before_their_end() {
        let status = |head: &str| {
            check_partial(head.as_bytes(), &LIMITS).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(status(&"a".repeat(100)), Ok(()));
        assert_eq!(status(&"a".repeat(200)), Err(414));
        assert_eq!(status(&format!("GET /\r\n{}", "a".repeat(1000))), Err(431));
    }

    #[test]
    fn the_end_is_found_wherever_the_head_is_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
        let end = head.len() - 4;
        for cut in 0..head.len() {
            let first = find_end(&head[..cut], 0);
            assert_eq!(first, (cut >= end).then_some(end), "{cut}");
            assert_eq!(find_end(head, cut.min(end - 1)), Some(end), "{cut}");
        }
    }
}
