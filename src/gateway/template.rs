//! Paths of APIs: base paths, and paths with parameters such as `/books/{id}`.

use std::cmp::Ordering;

use super::GatewayError;

/// Most segments of a base path. A request is looked up once for each.
pub(super) const MOST_BASE_SEGMENTS: usize = 8;

/// Most bytes of a path in a document.
const LONGEST: usize = 1024;

/// The segments of a path: without the slash at its beginning, and without one at its end, which
/// makes no difference.
pub(super) fn segments(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').collect()
}

/// Checks the base path of an API; gives it without a slash at its end, unless it is all of it.
///
/// # Errors
/// It does not begin with a slash, has an empty segment, a parameter or a character that no path
/// has, or is too long.
pub(super) fn base_path(text: &str) -> Result<String, GatewayError> {
    let segments = checked(text, "base path")?;
    if segments.len() > MOST_BASE_SEGMENTS {
        return Err(GatewayError::invalid(format!(
            "the base path '{text}' has more than {MOST_BASE_SEGMENTS} segments"
        )));
    }
    if text.contains(['{', '}']) {
        return Err(GatewayError::invalid(format!(
            "the base path '{text}' has a parameter: only the paths of an API may"
        )));
    }
    Ok(format!("/{}", segments.join("/")))
}

fn checked<'a>(text: &'a str, what: &str) -> Result<Vec<&'a str>, GatewayError> {
    let refused = |why| Err(GatewayError::invalid(format!("the {what} '{text}' {why}")));
    if !text.starts_with('/') {
        return refused("does not begin with '/'");
    }
    if text.len() > LONGEST {
        return refused("is too long");
    }
    if text.contains(['?', '#', '%', '\\']) || text.chars().any(char::is_control) {
        return refused("has a character that a path cannot have");
    }
    let segments = segments(text);
    // Two slashes are an empty segment, too.
    if text == "//" {
        return refused("has an empty segment");
    }
    if segments
        .iter()
        .any(|segment| segment.is_empty() || *segment == "." || *segment == "..")
    {
        return refused("has an empty segment, or one of dots");
    }
    Ok(segments)
}

/// A path of an API, relative to its base path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    Parameter(String),
}

impl Template {
    /// Parses a path.
    ///
    /// # Errors
    /// As [`base_path`], and for a parameter that is not a whole segment, has no name or one that
    /// only OWL sets, or is there twice.
    pub(super) fn parse(text: &str) -> Result<Self, GatewayError> {
        let mut segments = Vec::new();
        for segment in checked(text, "path")? {
            let inner = segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            let segment = match inner {
                Some(name) if !name.is_empty() && !name.contains(['{', '}']) => {
                    Segment::Parameter(name.to_owned())
                }
                None if !segment.contains(['{', '}']) => Segment::Text(segment.to_owned()),
                _ => {
                    return Err(GatewayError::invalid(format!(
                        "the path '{text}' has a parameter that is not a whole segment such as \
                         '{{name}}'"
                    )));
                }
            };
            if matches!(&segment, Segment::Parameter(name) if name.starts_with("__ow_")) {
                // Each request would be refused, as one that sets what only OWL sets.
                return Err(GatewayError::invalid(format!(
                    "the path '{text}' has a parameter with a reserved name: __ow_ cannot begin it"
                )));
            }
            if matches!(segment, Segment::Parameter(_)) && segments.contains(&segment) {
                return Err(GatewayError::invalid(format!(
                    "the path '{text}' has a parameter twice"
                )));
            }
            segments.push(segment);
        }
        Ok(Template {
            text: text.to_owned(),
            segments,
        })
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Text(_) => None,
        })
    }

    /// The values that its parameters have in a path, if the path is one of it. `path` is in
    /// decoded segments. A parameter is never empty.
    pub(super) fn matched(&self, path: &[&str]) -> Option<Vec<(String, String)>> {
        if path.len() != self.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (segment, &given) in self.segments.iter().zip(path) {
            match segment {
                Segment::Text(text) if text == given => {}
                Segment::Parameter(name) if !given.is_empty() => {
                    values.push((name.clone(), given.to_owned()));
                }
                _ => return None,
            }
        }
        Some(values)
    }

    /// Which of two paths that match the same request is the more exact, and so greater: the one
    /// that has a text where the other first has a parameter.
    pub(super) fn exactness(&self, other: &Self) -> Ordering {
        let texts = |template: &Self| -> Vec<bool> {
            let segments = template.segments.iter();
            segments.map(|s| matches!(s, Segment::Text(_))).collect()
        };
        texts(self).cmp(&texts(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(template: &str, path: &str) -> Option<Vec<(String, String)>> {
        Template::parse(template).unwrap().matched(&segments(path))
    }

    fn values(of: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let owned = of.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Some(owned.collect())
    }

    #[test]
    fn base_paths() {
        for (given, kept) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/b/", "/a/b"),
            ("/a.b~", "/a.b~"),
        ] {
            assert_eq!(base_path(given).unwrap(), kept);
        }
        for bad in [
            "",
            "a",
            "/a//b",
            "//",
            "/{id}",
            "/a?b",
            "/a#",
            "/%20",
            "/a/../b",
            "/a\n",
            "/1/2/3/4/5/6/7/8/9",
        ] {
            assert!(base_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_match_exactly() {
        assert_eq!(matched("/hello", "/hello"), values(&[]));
        assert_eq!(matched("/hello", "/hello/"), values(&[]));
        assert_eq!(matched("/hello/", "/hello"), values(&[]));
        assert_eq!(matched("/", "/"), values(&[]));
        assert_eq!(matched("/", ""), values(&[]));
        for other in ["/", "/Hello", "/hello/x", "/hell", "//hello", "/hello//"] {
            assert_eq!(matched("/hello", other), None, "{other}");
        }
    }

    #[test]
    fn parameters_are_whole_segments() {
        assert_eq!(
            matched("/a/{x}/b/{y z}", "/a/1/b/2 3"),
            values(&[("x", "1"), ("y z", "2 3")])
        );
        assert_eq!(matched("/a/{x}", "/a/"), None);
        assert_eq!(matched("/a/{x}/b", "/a//b"), None);
        assert_eq!(matched("/a/{x}", "/a/b/c"), None);
        for bad in [
            "/o/{__ow_path}",
            "/a{x}",
            "/{x}b",
            "/{}",
            "/{x",
            "/x}",
            "/{a}{b}",
            "/{x}/{x}",
            "x",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        let template = Template::parse("/{a}/b/{c}").unwrap();
        assert_eq!(template.parameters().collect::<String>(), "ac");
    }

    #[test]
    fn texts_are_more_exact_than_parameters() {
        let parse = |text| Template::parse(text).unwrap();
        let (exact, early, late) = (parse("/a/b"), parse("/a/{x}"), parse("/{x}/b"));
        assert_eq!(exact.exactness(&early), Ordering::Greater);
        assert_eq!(early.exactness(&late), Ordering::Greater);
        assert_eq!(late.exactness(&parse("/{y}/b")), Ordering::Equal);
    }
}
