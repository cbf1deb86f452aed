//! Media types: which are text, which are binary, which are JSON (reference section 6.3).

/// Types outside `text/` that hold text, beside those that end with `+json` or `+xml`.
const TEXT: [&str; 8] = [
    "application/base64",
    "application/ecmascript",
    "application/javascript",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/x-latex",
    "application/xml",
    "application/xml-dtd",
];
/// Types under `application/` that hold bytes, whatever is said of a character set.
const BINARY: [&str; 4] = [
    "application/gzip",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
];

/// The value of a `Content-Type` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    /// `type/subtype`, in lower case.
    essence: String,
    /// Its parameters other than the character set, as `; name=value`.
    parameters: String,
    /// The character set, in lower case.
    charset: Option<String>,
}

impl MediaType {
    /// Reads a header's value; none if it is not `type/subtype` with parameters.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = split_parameters(value);
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (main, sub) = essence.split_once('/')?;
        if !is_token(main) || !is_token(sub) || essence.contains('*') {
            return None;
        }
        let mut parameters = String::new();
        let mut charset = None;
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let value = value.trim();
            let bare = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            if !is_token(name.trim()) || !(bare.is_some() || is_token(value)) {
                return None;
            }
            if name.trim().eq_ignore_ascii_case("charset") {
                charset = Some(bare.unwrap_or(value).to_ascii_lowercase());
            } else {
                parameters.push_str("; ");
                parameters.push_str(part);
            }
        }
        Some(MediaType {
            essence,
            parameters,
            charset,
        })
    }

    /// `type/subtype`.
    pub(super) fn essence(&self) -> &str {
        &self.essence
    }

    /// Whether it is JSON: `application/json`, or anything that ends with `+json`.
    pub(super) fn is_json(&self) -> bool {
        self.is_plain_json() || self.essence.ends_with("+json")
    }

    /// Whether it is exactly `application/json`.
    pub(super) fn is_plain_json(&self) -> bool {
        self.essence == "application/json"
    }

    /// Whether it is the type of forms.
    pub(super) fn is_form(&self) -> bool {
        self.essence == "application/x-www-form-urlencoded"
    }

    /// Whether its bytes are no text. A type that nobody knows is text if it names a character
    /// set.
    pub(super) fn is_binary(&self) -> bool {
        let essence = &*self.essence;
        let main = essence.split('/').next().unwrap_or_default();
        if main == "text" || self.is_json() || TEXT.contains(&essence) {
            return false;
        }
        match main {
            // SVG, too, although it is XML.
            "audio" | "font" | "image" | "message" | "model" | "multipart" | "video" => true,
            "application" if essence.ends_with("+xml") => false,
            _ => BINARY.contains(&essence) || self.charset.is_none(),
        }
    }

    /// Bytes of this type as a text. What is not in its character set becomes U+FFFD.
    pub(super) fn decode(&self, bytes: Vec<u8>) -> String {
        match self.charset.as_deref() {
            Some("iso-8859-1" | "latin1") => bytes.into_iter().map(char::from).collect(),
            _ => String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        }
    }

    /// The header of an answer of this type. All texts are answered in UTF-8; JSON and forms are
    /// never anything else, so that it is not said.
    pub(super) fn header(&self) -> String {
        let charset = if self.is_binary() || self.is_json() || self.is_form() {
            ""
        } else {
            "; charset=UTF-8"
        };
        format!("{}{}{charset}", self.essence, self.parameters)
    }
}

/// Splits at semicolons outside quotes.
fn split_parameters(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => return true,
            _ => {}
        }
        false
    })
}

/// Whether a text is a token of HTTP: a header's name, or one half of a media type.
pub(super) fn is_token(text: &str) -> bool {
    let is_token_char = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    !text.is_empty() && text.bytes().all(is_token_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(value: &str) -> MediaType {
        MediaType::parse(value).unwrap_or_else(|| panic!("{value}"))
    }

    #[test]
    fn values() {
        let with = media("Text/HTML ; Charset=\"ISO-8859-1\"; a=\"x;y\"");
        assert_eq!(with.essence(), "text/html");
        assert_eq!(with.charset.as_deref(), Some("iso-8859-1"));
        assert_eq!(with.header(), "text/html; a=\"x;y\"; charset=UTF-8");
        // 11.11-278
        for wrong in [
            "xyzbar",
            "",
            "/",
            "a/",
            "/b",
            "a/b c",
            "*/*",
            "text/*",
            "a/b; c",
            "a/b; c=d e",
            "a/b\r\nx: y",
            "a/b; c=\"d",
            "a/b, c/d",
        ] {
            assert_eq!(MediaType::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn binary_or_text() {
        for text in [
            "text/plain",
            "text/whatever",
            "application/json",
            "application/vnd.api+json",
            "application/hal+json",
            "application/xml",
            "application/atom+xml",
            "application/javascript",
            "application/x-www-form-urlencoded",
            "application/unheard-of; charset=utf-8",
            "x/y; charset=utf-8",
        ] {
            assert!(!media(text).is_binary(), "{text}");
        }
        for binary in [
            "image/png",
            "image/svg+xml",
            "image/png; charset=utf-8",
            "application/octet-stream",
            "application/octet-stream; charset=utf-8",
            "application/zip",
            "application/pdf",
            "audio/mpeg",
            "video/mp4",
            "multipart/form-data; boundary=x",
            "application/unheard-of",
            "x/y",
        ] {
            assert!(media(binary).is_binary(), "{binary}");
        }
    }

    #[test]
    fn headers_of_answers() {
        for (value, header) in [
            ("text/html", "text/html; charset=UTF-8"),
            ("application/xml", "application/xml; charset=UTF-8"),
            ("application/json", "application/json"),
            ("application/json; charset=utf-8", "application/json"),
            ("application/hal+json", "application/hal+json"),
            ("image/png", "image/png"),
            ("image/svg+xml", "image/svg+xml"),
        ] {
            assert_eq!(media(value).header(), header);
        }
    }

    #[test]
    fn character_sets() {
        assert_eq!(media("text/plain").decode("é".into()), "é");
        assert_eq!(
            media("text/plain; charset=ISO-8859-1").decode(vec![0xe9]),
            "é"
        );
        assert_eq!(media("text/plain").decode(vec![b'a', 0xff]), "a\u{fffd}");
    }
}
