//! What machines an image is made for, and whether an engine's runs it. No I/O.

use std::fmt;

/// An architecture as Go and Docker name it, with its variant: `arm64`, `arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine::docker) struct Platform {
    architecture: String,
    variant: Option<String>,
}

/// How an image fits a machine, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It is made for such machines, or says of none.
    Native,
    /// It is made for others whose code such processors run as well, as a rule.
    Compatible,
    /// It runs only if it is emulated, and it may be.
    Emulated,
    /// It does not run.
    Foreign,
}

impl Platform {
    /// An architecture and its variant, in whatever way the kernel, Docker or Rust name them.
    pub(in crate::engine::docker) fn new(architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, implied) = match architecture {
            "x86_64" | "x86-64" => ("amd64", None),
            "aarch64" | "aarch64_be" => ("arm64", None),
            "armv5tel" | "armv5tejl" => ("arm", Some("v5")),
            "armv6l" => ("arm", Some("v6")),
            "armv7l" => ("arm", Some("v7")),
            "armv8l" => ("arm", Some("v8")),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            "i386" | "i486" | "i586" | "i686" | "x86" => ("386", None),
            other => (other, None),
        };
        let variant = variant.filter(|variant| !variant.is_empty()).or(implied);
        // Docker writes `v7`, some tools `7`.
        let variant = variant.map(|variant| match variant.parse::<u8>() {
            Ok(number) => format!("v{number}"),
            Err(_) => variant.to_owned(),
        });
        Platform {
            // There is no other arm64 so far.
            variant: match architecture {
                "arm64" => Some("v8".to_owned()),
                _ => variant,
            },
            architecture: architecture.to_owned(),
        }
    }

    /// `architecture` or `architecture/variant`.
    #[cfg(test)]
    pub(super) fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((architecture, variant)) => Self::new(architecture, Some(variant)),
            None => Self::new(text, None),
        }
    }

    /// Go's name of the architecture.
    pub(in crate::engine::docker) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Its variant: `v6`, `v7`, `v8`.
    pub(super) fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// How an image of another platform fits a machine of this one. `emulated` tells whether
    /// programs of that platform may be emulated here.
    pub(super) fn fit(&self, image: &Platform, emulated: impl FnOnce() -> bool) -> Fit {
        match (&*self.architecture, &*image.architecture) {
            (_, "" | "unknown") => Fit::Native,
            ("arm", "arm") if image.arm_version() <= self.arm_version() => Fit::Native,
            (machine, image) if machine == image && machine != "arm" => Fit::Native,
            // Podman tells of no variant.
            ("arm", "arm") if self.variant.is_none() => Fit::Compatible,
            // Not every such processor does, and not every kernel lets it: seen when it is tried.
            ("arm64", "arm") | ("amd64", "386") => Fit::Compatible,
            _ if emulated() => Fit::Emulated,
            _ => Fit::Foreign,
        }
    }

    /// The number of an `arm` variant. Who says none means what all have.
    fn arm_version(&self) -> u8 {
        let number = self.variant().and_then(|variant| variant.strip_prefix('v'));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.architecture)?;
        match self.variant() {
            Some(variant) if self.architecture != "arm64" => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kernels_docker_and_rust_agree() {
        for (architecture, variant, shown) in [
            ("x86_64", None, "amd64"),
            ("amd64", Some(""), "amd64"),
            ("aarch64", None, "arm64"),
            ("arm64", Some("v8"), "arm64"),
            ("arm64", Some(""), "arm64"),
            ("armv7l", None, "arm/v7"),
            ("armv6l", None, "arm/v6"),
            ("arm", Some("v7"), "arm/v7"),
            ("arm", Some("7"), "arm/v7"),
            ("arm", None, "arm"),
            ("i686", None, "386"),
            ("riscv64", None, "riscv64"),
        ] {
            assert_eq!(Platform::new(architecture, variant).to_string(), shown);
        }
    }

    #[test]
    fn what_runs_where() {
        for (machine, image, fit) in [
            ("amd64", "amd64", Fit::Native),
            ("amd64", "", Fit::Native),
            ("amd64", "386", Fit::Compatible),
            ("386", "amd64", Fit::Foreign),
            ("amd64", "arm64", Fit::Foreign),
            ("arm64", "arm64/v8", Fit::Native),
            ("arm64", "arm/v7", Fit::Compatible),
            ("arm64", "arm/v6", Fit::Compatible),
            ("arm64", "amd64", Fit::Foreign),
            ("arm/v7", "arm/v7", Fit::Native),
            ("arm/v7", "arm/v6", Fit::Native),
            ("arm/v7", "arm", Fit::Native),
            ("arm/v7", "arm/v8", Fit::Foreign),
            ("arm/v7", "arm64", Fit::Foreign),
            ("arm/v6", "arm/v7", Fit::Foreign),
            ("arm", "arm", Fit::Native),
            ("arm", "arm/v7", Fit::Compatible),
            ("armv8l", "arm/v7", Fit::Native),
            ("riscv64", "riscv64", Fit::Native),
        ] {
            let (machine, image) = (Platform::parse(machine), Platform::parse(image));
            assert_eq!(machine.fit(&image, || false), fit, "{image} on {machine}");
            let emulated = match fit {
                Fit::Foreign => Fit::Emulated,
                fit => fit,
            };
            assert_eq!(machine.fit(&image, || true), emulated);
        }
    }
}
