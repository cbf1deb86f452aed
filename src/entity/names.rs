//! Names of namespaces and entities (reference section 1.4).

use super::EntityError;

/// Longest name, in characters.
pub const MAX_NAME: usize = 256;

/// Checks an entity's or a package's name.
pub fn check_entity_name(name: &str) -> Result<(), EntityError> {
    check(
        name,
        // The misspelling is OpenWhisk's, and clients compare the text.
        "Name segement",
        "The name of the entity contains illegal characters.",
    )
}

/// Checks a namespace's name.
pub fn check_namespace(name: &str) -> Result<(), EntityError> {
    check(
        name,
        "Namespace",
        "The namespace contains illegal characters.",
    )
}

fn check(name: &str, what: &str, illegal: &str) -> Result<(), EntityError> {
    let length = name.chars().count();
    if length > MAX_NAME {
        return Err(EntityError::Invalid(format!(
            "{what} longer than allowed: {length} > {MAX_NAME}."
        )));
    }
    if is_name(name) {
        Ok(())
    } else {
        Err(EntityError::Invalid(illegal.into()))
    }
}

/// Whether a text is a name: `\A([\w]|[\w][\w@ .&-]{0,254}[\w@.&-])\z`.
pub fn is_name(name: &str) -> bool {
    let name = name.as_bytes();
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return false;
    };
    name.len() <= MAX_NAME
        && is_word(first)
        && last != b' '
        && name
            .iter()
            .all(|&c| is_word(c) || matches!(c, b'@' | b' ' | b'.' | b'&' | b'-'))
}

const fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

/// What stands in the place of a package in the path of a web action that is in none (reference
/// section 6.1).
pub const NO_PACKAGE: &str = "default";

/// The segments of a name with slashes between them. Empty ones do not count.
pub fn segments(name: &str) -> impl Iterator<Item = &str> {
    name.split('/').filter(|segment| !segment.is_empty())
}

/// Takes the path of an entity, `ns/[package/]name`, apart: where it is, and its bare name.
pub fn place_and_name(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Takes the place of an entity, `ns[/package]`, apart. A binding has the same form.
pub fn namespace_and_package(place: &str) -> (&str, Option<&str>) {
    match place.split_once('/') {
        Some((namespace, package)) => (namespace, Some(package)),
        None => (place, None),
    }
}

/// The value of `name` in the list of activations: `action` or `package/action`, without empty
/// segments; none if it is empty (reference section 3.7.1).
pub fn activation_filter(value: &str) -> Result<Option<String>, EntityError> {
    let segments: Vec<_> = segments(value).collect();
    if segments.len() > 2 || !segments.iter().all(|s| is_name(s)) {
        return Err(EntityError::Invalid(format!(
            "Parameter may be a 'simple' name or 'package-name/simple' name: {value}"
        )));
    }
    Ok((!segments.is_empty()).then(|| segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names() {
        let longest = "n".repeat(256);
        for name in [
            "a",
            "_",
            "7",
            "a b",
            "a@b.c&d-e",
            "a.",
            "a@",
            "a-",
            longest.as_str(),
        ] {
            assert_eq!(check_entity_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn illegal_names() {
        for name in [
            "", " ", "a ", " a", "@a", ".a", "-a", "a#b", "a/b", "é", "a\n",
        ] {
            assert_eq!(
                check_entity_name(name).unwrap_err().to_string(),
                "The name of the entity contains illegal characters.",
                "{name:?}"
            );
        }
        assert_eq!(
            check_namespace("a#").unwrap_err().to_string(),
            "The namespace contains illegal characters."
        );
    }

    #[test]
    fn long_names() {
        // 11.1-18, 11.1-19
        let name = "n".repeat(257);
        assert_eq!(
            check_entity_name(&name).unwrap_err().to_string(),
            "Name segement longer than allowed: 257 > 256."
        );
        assert_eq!(
            check_namespace(&name).unwrap_err().to_string(),
            "Namespace longer than allowed: 257 > 256."
        );
    }

    #[test]
    fn filters_of_activations() {
        // 11.8-210
        assert_eq!(activation_filter(""), Ok(None));
        assert_eq!(activation_filter("a"), Ok(Some("a".into())));
        assert_eq!(activation_filter("/guest"), Ok(Some("guest".into())));
        assert_eq!(activation_filter("p/a"), Ok(Some("p/a".into())));
        assert_eq!(
            activation_filter("a/b/c").unwrap_err().to_string(),
            "Parameter may be a 'simple' name or 'package-name/simple' name: a/b/c"
        );
        assert!(activation_filter("a#").is_err());
    }

    #[test]
    fn parts_of_paths() {
        assert_eq!(segments("/a//b/").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(segments("/").count(), 0);
        assert_eq!(place_and_name("ns/p/a"), ("ns/p", "a"));
        assert_eq!(place_and_name("a"), ("", "a"));
        assert_eq!(namespace_and_package("ns/p"), ("ns", Some("p")));
        assert_eq!(namespace_and_package("ns"), ("ns", None));
    }
}
