//! The runtimes manifest: which kinds there are, what runs them, and which one a family's
//! `:default` means (reference section 9).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::manifest_file;
use crate::entity::{ImageName, Kinds};

/// The kinds of OpenWhisk's own manifest, and `quickjs:1`.
const BUILT_IN: &str = include_str!("runtimes.json");

/// What runs a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The Docker engine, with the kind's image.
    Docker,
    /// A child of the daemon.
    Process,
}

/// One kind of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name, such as `nodejs:20`.
    pub kind: String,
    /// What runs it.
    pub engine: EngineKind,
    /// `[registry/][prefix/]name[:tag]`; a kind that runs in Docker has one.
    pub image: Option<String>,
    /// Whether its family's `:default` means it.
    pub default: bool,
    /// Whether its actions can only be read and deleted.
    pub deprecated: bool,
    /// Whether the manifest declares an attachment; shown to clients, of no other effect.
    pub attached: bool,
    /// Whether actions must say their entry point.
    pub require_main: bool,
    /// Whether it prints the sentinels after each run.
    pub sentinelled: bool,
    /// Whether its proxy takes a run while others are under way.
    pub concurrent: bool,
    /// Sandboxes to keep ready.
    pub stem_cells: Vec<StemCell>,
    /// Whether it is of the built-in manifest, rather than of the operator's.
    pub built_in: bool,
    /// Families whose `:default` means this kind while no Docker engine answers.
    pub stands_in_for: Vec<String>,
}

/// Sandboxes of one kind and size that are kept ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StemCell {
    /// How many at start.
    pub initial_count: u32,
    /// MB of memory of each.
    pub memory: u32,
    /// How their number follows demand, if it does.
    pub reactive: Option<Reactive>,
}

/// How the number of stem cells follows demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reactive {
    /// Fewest.
    pub min_count: u32,
    /// Most.
    pub max_count: u32,
    /// How long an unused one is kept.
    pub ttl: Duration,
    /// Cold starts in a minute from which there are more.
    pub threshold: u32,
    /// How many more.
    pub increment: u32,
}

/// All kinds, by family, and the user images that behave like kinds.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub(super) families: BTreeMap<String, Vec<Kind>>,
    pub(super) blackboxes: Vec<ImageName>,
}

/// Why a manifest is refused.
#[derive(Debug)]
pub struct ManifestError {
    file: Option<PathBuf>,
    problem: String,
}

impl ManifestError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        ManifestError {
            file: None,
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "runtimes manifest {}: {}", file.display(), self.problem),
            None => write!(f, "runtimes manifest: {}", self.problem),
        }
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// The built-in manifest.
    pub fn built_in() -> Self {
        let parsed = manifest_file::parse(BUILT_IN, None);
        let mut manifest = parsed.expect("the built-in manifest is tested");
        let kinds = manifest.families.values_mut().flatten();
        kinds.for_each(|kind| kind.built_in = true);
        manifest
    }

    /// The built-in manifest with a user's file over it: families of the file replace ours of the
    /// same name, an empty one takes it away; `blackboxes` replaces ours if it is there.
    pub fn load(file: &Path) -> Result<Self, ManifestError> {
        let in_file = |problem| ManifestError {
            file: Some(file.into()),
            problem,
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| in_file(format!("cannot be read: {error}")))?;
        manifest_file::parse(&text, Some(Self::built_in())).map_err(|error| in_file(error.problem))
    }

    /// A concrete kind.
    pub fn kind(&self, kind: &str) -> Option<&Kind> {
        self.all().find(|known| known.kind == kind)
    }

    /// The kind that a kind or `<family>:default` means, which depends on whether a Docker engine
    /// answers.
    pub fn resolve(&self, kind: &str, docker: bool) -> Option<&Kind> {
        match kind.strip_suffix(":default") {
            Some(family) => self.default_of(family, docker),
            None => self.kind(kind),
        }
    }

    /// Whether a user's image is one that is never pulled and prints the sentinels.
    pub fn is_native_blackbox(&self, image: &str) -> bool {
        image
            .parse()
            .is_ok_and(|image: ImageName| self.blackboxes.iter().any(|known| known.is_same(&image)))
    }

    /// The kinds as documents of actions see them.
    pub const fn kinds(&self, docker: bool) -> ManifestKinds<'_> {
        ManifestKinds {
            manifest: self,
            docker,
        }
    }

    /// `runtimes` of the info document (reference section 1.11). Each family has one default: the
    /// kind that its `:default` means now.
    pub fn info(&self, docker: bool) -> BTreeMap<&str, Vec<KindInfo<'_>>> {
        let mut families = BTreeMap::new();
        for (family, kinds) in &self.families {
            families.insert(family.as_str(), self.family_info(family, kinds, docker));
        }
        families
    }

    fn family_info<'a>(
        &'a self,
        family: &str,
        kinds: &'a [Kind],
        docker: bool,
    ) -> Vec<KindInfo<'a>> {
        let default = self.default_of(family, docker);
        let is_default = |kind: &Kind| default.is_some_and(|default| default.kind == kind.kind);
        let mut infos: Vec<_> = kinds
            .iter()
            .map(|kind| KindInfo::of(kind, is_default(kind)))
            .collect();
        // The kind that stands in is of another family, and clients look for it here.
        if let Some(kind) = default.filter(|_| !kinds.iter().any(is_default)) {
            infos.push(KindInfo::of(kind, true));
        }
        infos
    }

    /// All kinds, family by family.
    pub fn all(&self) -> impl Iterator<Item = &Kind> {
        self.families.values().flatten()
    }

    fn default_of(&self, family: &str, docker: bool) -> Option<&Kind> {
        let own = self.families.get(family)?.iter().find(|kind| kind.default);
        let works = |kind: &Kind| docker || kind.engine == EngineKind::Process;
        if own.is_some_and(works) {
            return own;
        }
        self.all()
            .find(|kind| works(kind) && kind.stands_in_for.iter().any(|name| name == family))
            .or(own)
    }
}

/// The manifest while a Docker engine answers, or does not.
#[derive(Clone, Copy)]
pub struct ManifestKinds<'a> {
    manifest: &'a Manifest,
    docker: bool,
}

impl Kinds for ManifestKinds<'_> {
    fn resolve(&self, kind: &str) -> Option<(&str, bool)> {
        let kind = self.manifest.resolve(kind, self.docker)?;
        Some((&kind.kind, kind.require_main))
    }

    fn names(&self) -> Vec<&str> {
        self.manifest.all().map(|kind| kind.kind.as_str()).collect()
    }
}

/// A kind as the info document shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindInfo<'a> {
    kind: &'a str,
    image: &'a str,
    deprecated: bool,
    default: bool,
    attached: bool,
    require_main: bool,
}

impl<'a> KindInfo<'a> {
    fn of(kind: &'a Kind, default: bool) -> Self {
        KindInfo {
            kind: &kind.kind,
            image: kind.image.as_deref().unwrap_or_default(),
            deprecated: kind.deprecated,
            default,
            attached: kind.attached,
            require_main: kind.require_main,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_docker() {
        let manifest = Manifest::built_in();
        let resolve = |kind, docker| manifest.resolve(kind, docker).map(|k| k.kind.as_str());
        assert_eq!(resolve("nodejs:default", true), Some("nodejs:20"));
        assert_eq!(resolve("nodejs:default", false), Some("quickjs:1"));
        assert_eq!(resolve("quickjs:default", true), Some("quickjs:1"));
        assert_eq!(resolve("python:default", false), Some("python:3.10"));
        assert_eq!(resolve("nodejs:18", false), Some("nodejs:18"));
        assert_eq!(resolve("nodejs", true), None);
        assert_eq!(resolve("cobol:default", true), None);
        assert_eq!(resolve(":default", true), None);
    }

    #[test]
    fn built_in_kinds() {
        let manifest = Manifest::built_in();
        let node = manifest.kind("nodejs:20").unwrap();
        assert_eq!(node.engine, EngineKind::Docker);
        assert_eq!(
            node.image.as_deref(),
            Some("openwhisk/action-nodejs-v20:nightly")
        );
        assert!(node.sentinelled && node.attached && !node.require_main && !node.deprecated);
        assert_eq!(
            node.stem_cells,
            [StemCell {
                initial_count: 2,
                memory: 256,
                reactive: Some(Reactive {
                    min_count: 1,
                    max_count: 4,
                    ttl: Duration::from_secs(120),
                    threshold: 1,
                    increment: 1,
                }),
            }]
        );
        assert!(manifest.kind("java:8").unwrap().require_main);
        let quickjs = manifest.kind("quickjs:1").unwrap();
        assert_eq!(quickjs.engine, EngineKind::Process);
        assert_eq!(quickjs.image, None);
        assert_eq!(manifest.all().count(), 14);
    }

    #[test]
    fn native_blackboxes() {
        let manifest = Manifest::built_in();
        assert!(manifest.is_native_blackbox("openwhisk/dockerskeleton:nightly"));
        assert!(!manifest.is_native_blackbox("openwhisk/dockerskeleton"));
        assert!(!manifest.is_native_blackbox("NOT AN IMAGE"));
    }

    #[test]
    fn info_has_one_default_a_family() {
        // 11.1-3
        let manifest = Manifest::built_in();
        for docker in [true, false] {
            for (family, kinds) in manifest.info(docker) {
                let defaults = kinds.iter().filter(|kind| kind.default).count();
                assert_eq!(defaults, 1, "{family}");
            }
        }
        let without = serde_json::to_value(manifest.info(false)).unwrap();
        assert_eq!(
            without["nodejs"][2],
            serde_json::json!({"kind": "quickjs:1", "image": "", "deprecated": false,
                "default": true, "attached": true, "requireMain": false})
        );
        assert_eq!(without["nodejs"][1]["default"], false);
    }
}
