//! Under which names an image for a machine is looked for. No I/O.
//!
//! Many images are made for one architecture each, under names that only differ by it:
//! `me/thing-arm64`, `arm64/thing`. An action names one thing for all gateways, and ordered
//! templates say what that may be called for this one.

use std::fmt;

use super::platform::Platform;
use crate::entity::ImageName;

/// Templates that are taken: each may cost a question to a registry.
const MOST: usize = 8;

/// What a template may ask for besides `{name}`.
const TAG: &str = "{tag}";
const ARCHITECTURE: &str = "{arch}";
const VARIANT: &str = "{variant}";

/// Ordered templates for the names of users' images.
///
/// `{name}` stands for the path of the image without its registry, which stays in front, and
/// without its tag, which is put behind what comes of the template, unless that has a tag of its
/// own, maybe with `{tag}`. `{arch}` is Go's name of the engine's architecture (`amd64`, `arm64`,
/// `arm`), `{variant}` its variant (`v6`, `v7`, `v8`; nothing where there is none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Templates(Vec<String>);

impl Default for Templates {
    /// Only the name itself.
    fn default() -> Self {
        Templates(vec!["{name}".to_owned()])
    }
}

impl Templates {
    /// Reads a list that is separated by commas; none if one of them is no template, or if there
    /// are more than 8.
    pub fn parse(text: &str) -> Option<Self> {
        let templates: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
        let legal = templates.len() <= MOST && templates.iter().all(|template| is_legal(template));
        legal.then_some(Templates(templates))
    }

    /// The names of what a user calls `image`, on a machine of this platform, in the order in
    /// which they are tried. A name with a digest says all by itself, and what is no image name is
    /// left as it is: the engine tells what is wrong with it.
    pub(super) fn names(&self, image: &str, platform: &Platform) -> Vec<String> {
        let parsed: Option<ImageName> = image.parse().ok();
        let Some(parsed) = parsed.filter(|parsed| parsed.digest().is_none()) else {
            return vec![image.to_owned()];
        };
        let mut names = Vec::with_capacity(self.0.len());
        for template in &self.0 {
            let name = expand(template, &parsed, platform);
            if name.parse::<ImageName>().is_ok() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl fmt::Display for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// Whether a template leads from a name to a name, on every machine.
fn is_legal(template: &str) -> bool {
    let image: ImageName = "a.example:1/b/c:2".parse().expect("is an image name");
    template.matches("{name}").count() == 1
        && [("arm", Some("v7")), ("amd64", None)]
            .iter()
            .all(|(architecture, variant)| {
                let platform = Platform::new(architecture, *variant);
                // A brace that is left is a word that nobody knows.
                expand(template, &image, &platform)
                    .parse::<ImageName>()
                    .is_ok()
            })
}

fn expand(template: &str, image: &ImageName, platform: &Platform) -> String {
    let (registry, path) = image.registry_and_path();
    let mut name = String::new();
    if let Some(registry) = registry {
        name.push_str(registry);
        name.push('/');
    }
    let expanded = template
        .replace("{name}", path)
        .replace(ARCHITECTURE, platform.architecture())
        .replace(VARIANT, platform.variant().unwrap_or_default())
        .replace(TAG, image.tag().unwrap_or("latest"));
    let has_tag = expanded
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'));
    name.push_str(&expanded);
    if let (Some(tag), false) = (image.tag(), has_tag) {
        name.push(':');
        name.push_str(tag);
    }
    name
}

/// The name by which an engine shows an image: without the registry that all share, and with its
/// tag. Two names that mean the same image become the same.
pub(super) fn familiar(image: &str) -> String {
    let Ok(parsed) = image.parse::<ImageName>() else {
        return image.to_owned();
    };
    let (registry, path) = parsed.registry_and_path();
    let mut name = match registry {
        None | Some("docker.io" | "index.docker.io") => {
            path.strip_prefix("library/").unwrap_or(path).to_owned()
        }
        Some(registry) => format!("{registry}/{path}"),
    };
    match parsed.digest() {
        Some(digest) => {
            name.push('@');
            name.push_str(digest);
        }
        None => {
            name.push(':');
            name.push_str(parsed.tag().unwrap_or("latest"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(templates: &str, image: &str, platform: &str) -> Vec<String> {
        let templates = Templates::parse(templates).expect("are templates");
        templates.names(image, &Platform::parse(platform))
    }

    #[test]
    fn one_template_at_a_time() {
        for (template, image, platform, name) in [
            ("{name}", "me/thing", "arm64", "me/thing"),
            ("{name}", "me/thing:1.0", "arm64", "me/thing:1.0"),
            ("{name}-{arch}", "me/thing", "arm64", "me/thing-arm64"),
            ("{name}-{arch}", "me/thing:1", "arm64", "me/thing-arm64:1"),
            ("{name}-{arch}", "thing:1", "amd64", "thing-amd64:1"),
            ("{arch}/{name}", "me/thing:1", "arm/v7", "arm/me/thing:1"),
            ("{arch}/{name}", "thing", "arm/v7", "arm/thing"),
            ("{arch}{variant}/{name}", "thing", "arm64", "arm64v8/thing"),
            ("arm32{variant}/{name}", "thing", "arm/v6", "arm32v6/thing"),
            (
                "{name}-{arch}{variant}",
                "me/thing",
                "amd64",
                "me/thing-amd64",
            ),
            (
                "{name}-{arch}",
                "r.io:5000/me/thing:1",
                "arm64",
                "r.io:5000/me/thing-arm64:1",
            ),
            (
                "{arch}/{name}",
                "r.io:5000/me/thing",
                "arm64",
                "r.io:5000/arm64/me/thing",
            ),
            (
                "{arch}/{name}",
                "localhost/thing",
                "arm64",
                "localhost/arm64/thing",
            ),
            (
                "{name}:{tag}-{arch}",
                "me/thing:1",
                "arm64",
                "me/thing:1-arm64",
            ),
            (
                "{name}:{tag}-{arch}",
                "r.io:1/thing",
                "arm64",
                "r.io:1/thing:latest-arm64",
            ),
            ("{name}:{arch}", "me/thing:1", "arm64", "me/thing:arm64"),
            (
                "mirror.example/{name}",
                "a:1",
                "arm64",
                "mirror.example/a:1",
            ),
        ] {
            assert_eq!(names(template, image, platform), [name], "{template}");
        }
    }

    #[test]
    fn in_order_and_each_once() {
        let templates = "{name}, {name}-{arch},{arch}/{name},{name}";
        assert_eq!(
            names(templates, "me/x:1", "arm64"),
            ["me/x:1", "me/x-arm64:1", "arm64/me/x:1"]
        );
        let digest = format!("me/x@sha256:{}", "0a".repeat(32));
        assert_eq!(names(templates, &digest, "arm64"), [digest]);
        assert_eq!(names(templates, "Me/X", "arm64"), ["Me/X"]);
        let shown = Templates::parse(templates).expect("are templates");
        assert_eq!(
            shown.to_string(),
            "{name},{name}-{arch},{arch}/{name},{name}"
        );
        assert_eq!(Templates::parse("{name}"), Some(Templates::default()));
    }

    #[test]
    fn what_is_no_template() {
        for text in [
            "",
            "thing",
            "{name}{name}",
            "{name},",
            "{name}-{architecture}",
            "{Name}",
            "{name} {arch}",
            "{NAME}-X",
            "{name}:{tag}:{arch}",
            "-{name}",
            &["{name}"; MOST + 1].join(","),
        ] {
            assert_eq!(Templates::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_as_the_engine_shows_them() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (image, name) in [
            ("alpine", "alpine:latest"),
            ("library/alpine:3", "alpine:3"),
            ("docker.io/library/alpine", "alpine:latest"),
            ("docker.io/me/thing:1", "me/thing:1"),
            ("r.io:1/library/x", "r.io:1/library/x:latest"),
            ("NOT AN IMAGE", "NOT AN IMAGE"),
        ] {
            assert_eq!(familiar(image), name);
        }
        let tagged = format!("docker.io/alpine:3@{digest}");
        assert_eq!(familiar(&tagged), format!("alpine@{digest}"));
    }
}
