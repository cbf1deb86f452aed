//! What differs between two runtimes manifests.

use super::manifest::{Kind, Manifest};
use crate::entity::BLACKBOX;

impl Manifest {
    /// The kinds that are not as in another manifest, or not in both.
    pub fn changed_kinds<'a>(&'a self, other: &'a Manifest) -> Vec<&'a str> {
        let differs = |kind: &&Kind| other.kind(&kind.kind) != Some(kind);
        let ours = self.all().filter(differs);
        let theirs = other.all().filter(|kind| self.kind(&kind.kind).is_none());
        ours.chain(theirs).map(|kind| kind.kind.as_str()).collect()
    }

    /// Whether sandboxes of a kind, or of a user's `image`, are made otherwise than by another
    /// manifest, so that those that were made by that are of no further use.
    pub fn makes_otherwise(&self, other: &Manifest, kind: &str, image: Option<&str>) -> bool {
        if kind == BLACKBOX {
            let is_native =
                |manifest: &Manifest| image.is_some_and(|image| manifest.is_native_blackbox(image));
            return is_native(self) != is_native(other);
        }
        match (self.kind(kind), other.kind(kind)) {
            (Some(one), Some(two)) => {
                let made_of = |kind: &Kind| {
                    let image = kind.image.clone();
                    (kind.engine, image, kind.sentinelled, kind.concurrent)
                };
                made_of(one) != made_of(two)
            }
            (one, two) => one.is_some() != two.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Manifest {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Manifest::load(file.path()).unwrap()
    }

    #[test]
    fn kinds_that_differ() {
        let built_in = Manifest::built_in();
        assert_eq!(built_in.changed_kinds(&built_in), Vec::<&str>::new());
        let family = |image: &str, stems: u32| {
            with(&format!(
                r#"{{"runtimes": {{"mine": [{{"kind": "mine:1", "image": {{"name": "{image}"}},
                "stemCells": [{{"initialCount": {stems}, "memory": "128 MB"}}]}}]}}}}"#
            ))
        };
        let (one, two, more) = (family("a", 1), family("b", 1), family("a", 2));
        assert_eq!(one.changed_kinds(&built_in), ["mine:1"]);
        assert_eq!(built_in.changed_kinds(&one), ["mine:1"]);
        assert_eq!(one.changed_kinds(&more), ["mine:1"]);
        assert!(one.makes_otherwise(&two, "mine:1", None));
        assert!(one.makes_otherwise(&built_in, "mine:1", None));
        assert!(
            !one.makes_otherwise(&more, "mine:1", None),
            "stem cells only"
        );
        assert!(!one.makes_otherwise(&two, "nodejs:20", None));
    }

    #[test]
    fn users_images_that_become_native() {
        let built_in = Manifest::built_in();
        let none = with(r#"{"runtimes": {}, "blackboxes": []}"#);
        let skeleton = Some("openwhisk/dockerskeleton:nightly");
        assert!(none.makes_otherwise(&built_in, BLACKBOX, skeleton));
        assert!(!none.makes_otherwise(&built_in, BLACKBOX, Some("me/mine")));
    }
}
