//! Where entities are at the master.

use crate::entity::names;
use crate::http::percent::encode;
use crate::store::Collection;

/// The request target of the entity of a path, `ns/[package/]name`: without a query.
pub fn target(collection: Collection, path: &str) -> String {
    let mut segments = names::segments(path).map(encode);
    let namespace = segments.next().unwrap_or_default();
    let name: Vec<String> = segments.collect();
    format!(
        "/api/v1/namespaces/{namespace}/{}/{}",
        collection.name(),
        name.join("/")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(
            target(Collection::Actions, "my ns/p/a&b"),
            "/api/v1/namespaces/my%20ns/actions/p/a%26b"
        );
        assert_eq!(
            target(Collection::Rules, "ns/r"),
            "/api/v1/namespaces/ns/rules/r"
        );
    }
}
