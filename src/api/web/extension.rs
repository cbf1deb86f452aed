//! What a web action's URL asks its result to be answered as (reference section 6.1).

/// The ending of a web action's name in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// `.http`, and no extension: the action says what is answered.
    Http,
    /// `.json`
    Json,
    /// `.html`
    Html,
    /// `.svg`
    Svg,
    /// `.text`
    Text,
}

impl Extension {
    const ALL: [Extension; 5] = [Self::Http, Self::Json, Self::Html, Self::Svg, Self::Text];

    /// The name of an action and the extension, of the last segment of a URL. Only endings
    /// count: `a.xyz` is an action with a dot in its name.
    pub(super) fn split(segment: &str) -> (&str, Self) {
        let ending = |extension: Self| {
            let name = segment.strip_suffix(extension.name())?.strip_suffix('.')?;
            Some((name, extension))
        };
        Self::ALL
            .into_iter()
            .find_map(ending)
            .unwrap_or((segment, Self::Http))
    }

    /// Its name without the dot: also the field of a result that holds the answer, where there is
    /// no `body`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Json => "json",
            Self::Html => "html",
            Self::Svg => "svg",
            Self::Text => "text",
        }
    }

    /// The media type of its answers, as failures name it.
    pub(super) const fn media(self) -> &'static str {
        match self {
            Self::Http => "message/http",
            Self::Json => "application/json",
            Self::Html => "text/html",
            Self::Svg => "image/svg+xml",
            Self::Text => "text/plain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        let split = Extension::split;
        // 11.11-251
        assert_eq!(split("a"), ("a", Extension::Http));
        assert_eq!(split("a.http"), ("a", Extension::Http));
        assert_eq!(split("a.json"), ("a", Extension::Json));
        assert_eq!(split("a.html"), ("a", Extension::Html));
        assert_eq!(split("a.svg"), ("a", Extension::Svg));
        assert_eq!(split("a.text"), ("a", Extension::Text));
        assert_eq!(split("a.json.text"), ("a.json", Extension::Text));
        // 11.11-250
        assert_eq!(split("a.xyz"), ("a.xyz", Extension::Http));
        assert_eq!(split("a.JSON"), ("a.JSON", Extension::Http));
        assert_eq!(split(".json"), ("", Extension::Json));
    }
}
