//! Reading and checking a runtimes manifest (reference section 9.1).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::manifest::{EngineKind, Kind, Manifest, ManifestError, Reactive, StemCell};
use super::units;
use crate::entity::{BLACKBOX, ImageName, SEQUENCE};

/// Reads a manifest, and lays it over another if one is given.
pub(super) fn parse(text: &str, base: Option<Manifest>) -> Result<Manifest, ManifestError> {
    let file: File = serde_json::from_str(text)
        .map_err(|error| ManifestError::new(format!("is not valid: {error}")))?;
    let mut manifest = base.unwrap_or(Manifest {
        families: BTreeMap::new(),
        blackboxes: Vec::new(),
    });
    for (family, kinds) in file.runtimes {
        if kinds.is_empty() {
            manifest.families.remove(&family);
            continue;
        }
        let mut kinds = kinds
            .into_iter()
            .map(KindFile::check)
            .collect::<Result<Vec<_>, _>>()?;
        check_default(&family, &mut kinds)?;
        manifest.families.insert(family, kinds);
    }
    if let Some(images) = file.blackboxes {
        manifest.blackboxes = images
            .into_iter()
            .map(|image| image.name("blackboxes"))
            .collect::<Result<_, _>>()?;
    }
    check_unique(&manifest)?;
    Ok(manifest)
}

/// A family has one default: the only kind, or the one that says so.
fn check_default(family: &str, kinds: &mut [Kind]) -> Result<(), ManifestError> {
    if let [only] = kinds {
        only.default = true;
        return Ok(());
    }
    let defaults: Vec<_> = kinds
        .iter()
        .filter(|kind| kind.default)
        .map(|kind| kind.kind.as_str())
        .collect();
    match defaults.as_slice() {
        [_] => Ok(()),
        [] => Err(ManifestError::new(format!(
            "{family} has multiple versions, but no default."
        ))),
        several => Err(ManifestError::new(format!(
            "Found more than one default for {family}: {}",
            several.join(", ")
        ))),
    }
}

fn check_unique(manifest: &Manifest) -> Result<(), ManifestError> {
    let mut seen = std::collections::BTreeSet::new();
    match manifest.all().find(|kind| !seen.insert(&kind.kind)) {
        Some(twice) => Err(ManifestError::new(format!(
            "kind {} is there twice",
            twice.kind
        ))),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct File {
    runtimes: BTreeMap<String, Vec<KindFile>>,
    blackboxes: Option<Vec<ImageFile>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KindFile {
    kind: String,
    #[serde(default)]
    engine: EngineFile,
    image: Option<ImageFile>,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    deprecated: bool,
    attached: Option<IgnoredAny>,
    #[serde(default)]
    require_main: bool,
    #[serde(default = "yes")]
    sentinelled_logs: bool,
    concurrent: Option<bool>,
    #[serde(default)]
    stem_cells: Vec<StemCellFile>,
    #[serde(default)]
    stands_in_for: Vec<String>,
}

const fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EngineFile {
    #[default]
    Docker,
    Process,
}

impl KindFile {
    fn check(self) -> Result<Kind, ManifestError> {
        let kind = self.kind;
        // Kinds in actions are lower-cased, so another spelling could never be found.
        let legal = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase();
        if kind.is_empty()
            || !kind.chars().all(legal)
            || kind.ends_with(":default")
            || [BLACKBOX, SEQUENCE].contains(&kind.as_str())
        {
            return Err(ManifestError::new(format!("'{kind}' cannot name a kind")));
        }
        let image = match self.image {
            Some(image) => Some(image.name(&kind)?.to_string()),
            None => None,
        };
        let engine = match self.engine {
            EngineFile::Process => EngineKind::Process,
            EngineFile::Docker if image.is_none() => {
                return Err(ManifestError::new(format!(
                    "kind {kind} runs in docker and has no image"
                )));
            }
            EngineFile::Docker => EngineKind::Docker,
        };
        let in_docker = engine == EngineKind::Docker;
        if self.concurrent == Some(true) && !in_docker {
            return Err(ManifestError::new(format!(
                "kind {kind} runs as a process, which takes one activation at a time: it cannot be concurrent"
            )));
        }
        // Of OpenWhisk's proxies, those of node do; most others write to one pipe to the action.
        let usual = in_docker && kind.starts_with("nodejs:");
        let stem_cells = self.stem_cells.into_iter().map(|cell| cell.check(&kind));
        Ok(Kind {
            stem_cells: stem_cells.collect::<Result<_, _>>()?,
            engine,
            image,
            built_in: false,
            default: self.default,
            deprecated: self.deprecated,
            attached: self.attached.is_some(),
            require_main: self.require_main,
            sentinelled: self.sentinelled_logs,
            concurrent: self.concurrent.unwrap_or(usual),
            stands_in_for: self.stands_in_for,
            kind,
        })
    }
}

#[derive(Deserialize)]
struct ImageFile {
    registry: Option<String>,
    prefix: Option<String>,
    name: String,
    tag: Option<String>,
}

impl ImageFile {
    /// `[registry/][prefix/]name[:tag]`
    fn name(&self, of: &str) -> Result<ImageName, ManifestError> {
        let mut text = String::new();
        for part in [&self.registry, &self.prefix].into_iter().flatten() {
            let part = part.trim_end_matches('/');
            if !part.is_empty() {
                text.push_str(part);
                text.push('/');
            }
        }
        text.push_str(&self.name);
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        text.parse()
            .map_err(|_| ManifestError::new(format!("{of}: '{text}' is not an image name")))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StemCellFile {
    #[serde(alias = "count")]
    initial_count: u32,
    memory: String,
    reactive: Option<ReactiveFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReactiveFile {
    min_count: u32,
    max_count: u32,
    ttl: String,
    threshold: u32,
    increment: u32,
}

impl StemCellFile {
    fn check(self, kind: &str) -> Result<StemCell, ManifestError> {
        let wrong = |what: &str| Err(ManifestError::new(format!("stem cells of {kind}: {what}")));
        if self.initial_count == 0 {
            return wrong("initialCount must be larger than 0");
        }
        let memory = units::bytes(&self.memory).and_then(|bytes| u32::try_from(bytes >> 20).ok());
        let Some(memory) = memory.filter(|&mb| mb > 0) else {
            return wrong("memory must be a size of 1 MB or more, such as '256 MB'");
        };
        let reactive = match self.reactive {
            None => None,
            Some(file) => {
                let ttl = units::duration(&file.ttl).filter(|ttl| !ttl.is_zero());
                let Some(ttl) = ttl else {
                    return wrong("ttl must be a time larger than 0, such as '2 minutes'");
                };
                if file.max_count == 0 || file.min_count > file.max_count {
                    return wrong("maxCount must be larger than 0 and not below minCount");
                }
                if file.threshold == 0 {
                    return wrong("threshold must be larger than 0");
                }
                if file.increment == 0 || file.increment > file.max_count {
                    return wrong("increment must be larger than 0 and not above maxCount");
                }
                Some(Reactive {
                    min_count: file.min_count,
                    max_count: file.max_count,
                    ttl,
                    threshold: file.threshold,
                    increment: file.increment,
                })
            }
        };
        Ok(StemCell {
            initial_count: self.initial_count,
            memory,
            reactive,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(runtimes: &str) -> String {
        let text = format!("{{\"runtimes\":{{{runtimes}}}}}");
        parse(&text, None).unwrap_err().to_string()
    }

    #[test]
    fn images() {
        let manifest = parse(
            r#"{"runtimes":{"a":[{"kind":"a:1","image":{"registry":"r.io:1/","prefix":"p/q",
                "name":"n","tag":"t"}}],"b":[{"kind":"b:1","image":{"prefix":"","name":"n"}}]}}"#,
            None,
        )
        .unwrap();
        let image = |kind| manifest.kind(kind).unwrap().image.clone().unwrap();
        assert_eq!(image("a:1"), "r.io:1/p/q/n:t");
        assert_eq!(image("b:1"), "n");
        assert!(manifest.kind("a:1").unwrap().default);
    }

    #[test]
    fn a_users_file_over_ours() {
        let manifest = parse(
            r#"{"runtimes":{"swift":[],"nodejs":[{"kind":"nodejs:host","engine":"process"}]},
                "blackboxes":[]}"#,
            Some(Manifest::built_in()),
        )
        .unwrap();
        assert!(manifest.kind("swift:5.7").is_none());
        assert!(manifest.kind("nodejs:20").is_none());
        assert!(manifest.kind("python:3.11").is_some());
        assert_eq!(
            manifest.resolve("nodejs:default", false).unwrap().kind,
            "nodejs:host"
        );
        assert!(!manifest.is_native_blackbox("openwhisk/dockerskeleton:nightly"));
    }

    #[test]
    fn refused() {
        let image = r#""image":{"name":"n"}"#;
        assert_eq!(
            problem(&format!(
                r#""a":[{{"kind":"a:1",{image}}},{{"kind":"a:2",{image}}}]"#
            )),
            "runtimes manifest: a has multiple versions, but no default."
        );
        assert_eq!(
            problem(&format!(
                r#""a":[{{"kind":"a:1","default":true,{image}}},{{"kind":"a:2","default":true,{image}}}]"#
            )),
            "runtimes manifest: Found more than one default for a: a:1, a:2"
        );
        assert_eq!(
            problem(&format!(
                r#""a":[{{"kind":"x",{image}}}],"b":[{{"kind":"x",{image}}}]"#
            )),
            "runtimes manifest: kind x is there twice"
        );
        for (kind, expected) in [
            (
                r#"{"kind":"a:1"}"#,
                "kind a:1 runs in docker and has no image",
            ),
            (
                r#"{"kind":"A","engine":"process"}"#,
                "'A' cannot name a kind",
            ),
            (
                r#"{"kind":"a:1","image":{"name":"N"}}"#,
                "a:1: 'N' is not an image name",
            ),
            (
                r#"{"kind":"a:1","engine":"process","stemCells":[{"count":0,"memory":"1 MB"}]}"#,
                "stem cells of a:1: initialCount must be larger than 0",
            ),
            (
                r#"{"kind":"a:1","engine":"process","stemCells":[{"count":1,"memory":"1 KB"}]}"#,
                "stem cells of a:1: memory must be a size of 1 MB or more, such as '256 MB'",
            ),
        ] {
            assert_eq!(
                problem(&format!("\"a\":[{kind}]")),
                format!("runtimes manifest: {expected}")
            );
        }
        assert!(problem(r#""a":[{"kind":"a:1","engine":"vm"}]"#).contains("is not valid"));
    }

    #[test]
    fn reactive_stem_cells() {
        let with = |reactive: &str| {
            problem(&format!(
                r#""a":[{{"kind":"a:1","engine":"process",
                    "stemCells":[{{"initialCount":1,"memory":"1 MB","reactive":{reactive}}}]}}]"#
            ))
        };
        for (reactive, expected) in [
            (
                r#"{"minCount":0,"maxCount":1,"ttl":"0 s","threshold":1,"increment":1}"#,
                "ttl must be",
            ),
            (
                r#"{"minCount":2,"maxCount":1,"ttl":"1 s","threshold":1,"increment":1}"#,
                "maxCount must be",
            ),
            (
                r#"{"minCount":0,"maxCount":0,"ttl":"1 s","threshold":1,"increment":1}"#,
                "maxCount must be",
            ),
            (
                r#"{"minCount":0,"maxCount":1,"ttl":"1 s","threshold":0,"increment":1}"#,
                "threshold must be",
            ),
            (
                r#"{"minCount":0,"maxCount":1,"ttl":"1 s","threshold":1,"increment":2}"#,
                "increment must be",
            ),
        ] {
            assert!(with(reactive).contains(expected), "{reactive}");
        }
    }

    #[test]
    fn files() {
        let missing = Manifest::load("/nonexistent/runtimes.json".as_ref()).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("runtimes manifest /nonexistent/runtimes.json: cannot be read: ")
        );
    }
}
