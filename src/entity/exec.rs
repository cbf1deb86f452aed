//! What an action runs (reference section 2.2.1).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{EntityError, FullName};

/// The kind of actions that run a user's image.
pub const BLACKBOX: &str = "blackbox";
/// The kind of actions that run other actions.
pub const SEQUENCE: &str = "sequence";
/// The kind of actions that are part of OWL. Nobody else can make one.
pub const BUILTIN: &str = "builtin";

/// What an action runs. Its code is kept apart, since only `/init` and reading the whole action
/// need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exec {
    /// Code of a kind in the runtimes manifest.
    Code {
        /// Concrete kind.
        kind: String,
        /// Whether the code is base64.
        binary: bool,
        /// Entry point, if given.
        main: Option<String>,
    },
    /// A user's image.
    Blackbox {
        /// The image as given.
        image: String,
        /// Whether the code is base64; false if there is none.
        binary: bool,
        /// Entry point, if given.
        main: Option<String>,
    },
    /// Other actions, one after another (reference section 5).
    Sequence {
        /// Their names, none with `_` for a namespace.
        components: Vec<FullName>,
    },
    /// A function of OWL itself.
    Builtin,
}

impl Exec {
    /// Concrete kind, `blackbox`, `sequence` or `builtin`.
    pub fn kind(&self) -> &str {
        match self {
            Exec::Code { kind, .. } => kind,
            Exec::Blackbox { .. } => BLACKBOX,
            Exec::Sequence { .. } => SEQUENCE,
            Exec::Builtin => BUILTIN,
        }
    }

    /// Whether the code is base64.
    pub fn binary(&self) -> bool {
        match self {
            Exec::Code { binary, .. } | Exec::Blackbox { binary, .. } => *binary,
            Exec::Sequence { .. } | Exec::Builtin => false,
        }
    }

    /// Entry point, if given.
    pub fn main(&self) -> Option<&str> {
        match self {
            Exec::Code { main, .. } | Exec::Blackbox { main, .. } => main.as_deref(),
            Exec::Sequence { .. } | Exec::Builtin => None,
        }
    }

    /// The image of a blackbox.
    pub fn image(&self) -> Option<&str> {
        match self {
            Exec::Blackbox { image, .. } => Some(image),
            Exec::Code { .. } | Exec::Sequence { .. } | Exec::Builtin => None,
        }
    }

    /// The components of a sequence.
    pub fn components(&self) -> Option<&[FullName]> {
        match self {
            Exec::Sequence { components } => Some(components),
            Exec::Code { .. } | Exec::Blackbox { .. } | Exec::Builtin => None,
        }
    }

    /// The document with or without code.
    pub(super) fn fields<'a>(&'a self, code: Option<&'a str>) -> Fields<'a> {
        Fields {
            kind: self.kind().into(),
            image: self.image().map(Into::into),
            code: code.map(Into::into),
            // A sequence has nothing that could be binary.
            binary: self.components().is_none().then(|| self.binary()),
            main: self.main().map(Into::into),
            components: self
                .components()
                .map(|all| all.iter().map(|name| format!("/{name}")).collect()),
        }
    }
}

/// An `exec` as it is stored (without code) and as clients get it.
#[derive(Serialize, Deserialize)]
pub(super) struct Fields<'a> {
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    main: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    components: Option<Vec<String>>,
}

impl TryFrom<Fields<'_>> for Exec {
    type Error = EntityError;

    fn try_from(fields: Fields<'_>) -> Result<Self, EntityError> {
        let main = fields.main.map(Cow::into_owned);
        let binary = fields.binary.unwrap_or(false);
        if let Some(components) = fields.components {
            let components: Result<_, _> = components.iter().map(|name| name.parse()).collect();
            return Ok(Exec::Sequence {
                components: components?,
            });
        }
        Ok(match fields.image {
            Some(image) => Exec::Blackbox {
                image: image.into_owned(),
                binary,
                main,
            },
            None => Exec::Code {
                kind: fields.kind.into_owned(),
                binary,
                main,
            },
        })
    }
}
