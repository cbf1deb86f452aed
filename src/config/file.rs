//! The file of settings: lines `NAME=value`, as systemd's `EnvironmentFile` has them.

use std::path::Path;

use super::{ConfigError, SETTINGS};

/// The setting that names the file; it cannot be in it.
pub(super) const NAME: &str = "OWL_CONFIG";

/// Values of a file, by the names of their settings.
pub(super) type Values = Vec<(&'static str, String)>;

/// Reads a file.
///
/// # Errors
/// It cannot be read, or has a line that is none: which, and what is wrong with it.
pub(super) fn read(file: &Path) -> Result<Values, ConfigError> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| ConfigError(format!("{NAME}: cannot read {shown}: {error}")))?;
    parse(&text).map_err(|(line, problem)| ConfigError(format!("{shown}, line {line}: {problem}")))
}

/// The values of a text, or the number of the first bad line and what is wrong with it. Empty lines
/// and those that begin with `#` or `;` are comments; quotes around a value are not part of it.
fn parse(text: &str) -> Result<Values, (usize, String)> {
    let mut values = Values::new();
    for (index, line) in text.lines().enumerate() {
        let problem = |what: String| (index + 1, what);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| problem("it is not NAME=value".to_owned()))?;
        let name = name.trim();
        let known = SETTINGS.iter().find(|setting| setting.name == name);
        let setting = known.filter(|setting| setting.name != NAME).ok_or_else(|| {
            problem(format!(
                "{name} is not a setting that can be in this file: owl serve --print-config lists \
                 them"
            ))
        })?;
        if values.iter().any(|(known, _)| *known == setting.name) {
            return Err(problem(format!("{name} is there twice")));
        }
        let value = unquoted(value.trim()).ok_or_else(|| {
            problem(format!(
                "the quotes around the value of {name} do not match"
            ))
        })?;
        values.push((setting.name, value.trim().to_owned()));
    }
    Ok(values)
}

/// A value without the quotes around it; none if there is only one of them.
fn unquoted(value: &str) -> Option<&str> {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.strip_prefix(quote)?.strip_suffix(quote),
        _ => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_kinds() {
        let text = "# OWL\n\n; more\n OWL_PORT = 4000 \nOWL_API_HOST=\"http://h\"\nOWL_NET_NAME=''\n\
                    OWL_IMAGE_TEMPLATES={name},{arch}/{name}=x\n";
        let values = parse(text).unwrap();
        let expected = [
            ("OWL_PORT", "4000"),
            ("OWL_API_HOST", "http://h"),
            ("OWL_NET_NAME", ""),
            ("OWL_IMAGE_TEMPLATES", "{name},{arch}/{name}=x"),
        ];
        assert_eq!(
            values,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line, problem) in [
            ("OWL_PORT", 1, "it is not NAME=value"),
            ("\nOWL_PROT=1", 2, "OWL_PROT is not a setting"),
            ("PATH=/bin", 1, "PATH is not a setting"),
            (
                "OWL_CONFIG=/other",
                1,
                "OWL_CONFIG is not a setting that can be in this file",
            ),
            ("OWL_PORT=1\nOWL_PORT=1", 2, "OWL_PORT is there twice"),
            ("OWL_API_HOST=\"http://h", 1, "the quotes around"),
            ("OWL_API_HOST='", 1, "the quotes around"),
        ] {
            let (at, told) = parse(text).unwrap_err();
            assert_eq!(at, line, "{text}");
            assert!(told.starts_with(problem), "{told}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let error = read(Path::new("/nonexistent/owl.conf")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("OWL_CONFIG: cannot read /nonexistent")
        );
    }
}
