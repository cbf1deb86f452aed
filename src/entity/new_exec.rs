//! The `exec` of an action as a client sends it (reference section 2.2.1).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{BLACKBOX, EntityError, Exec, FullName, ImageName, SEQUENCE, json};

/// The kinds of code that there are: the runtimes manifest, as far as a document needs it.
pub trait Kinds {
    /// The concrete kind that a kind or an alias such as `nodejs:default` stands for, and whether
    /// it needs `main`.
    fn resolve(&self, kind: &str) -> Option<(&str, bool)>;

    /// All concrete kinds, for the message that lists them.
    fn names(&self) -> Vec<&str>;
}

/// Components of a sequence that are looked at, many times the longest there may be: a body of 50 MB
/// has room for millions, and each takes many times the memory that it has in the body.
const MOST_COMPONENTS: usize = 1000;

/// An `exec` as a client sends it.
#[derive(Debug)]
pub struct NewExec {
    /// What to run.
    pub exec: Exec,
    /// Its code: source text or base64. Only a blackbox may have none.
    pub code: Option<String>,
}

impl NewExec {
    /// Parses the `exec` that a client sends, with OpenWhisk's messages.
    pub fn parse(json: &RawValue, kinds: &dyn Kinds) -> Result<Self, EntityError> {
        let sent: Sent = json::object(json)
            .ok_or_else(|| EntityError::malformed("'exec' must be a JSON object"))?;
        let kind = sent
            .kind
            .and_then(text)
            .ok_or_else(|| EntityError::malformed("'kind' must be a string defined in 'exec'"))?;
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            BLACKBOX => sent.blackbox(),
            SEQUENCE => sent.sequence(),
            _ => sent.code(&kind, kinds),
        }
    }

    /// This with `namespace` in the place of `_` in the names of components.
    #[must_use]
    pub fn resolved(mut self, namespace: &str) -> Self {
        if let Exec::Sequence { components } = self.exec {
            let resolved = components.into_iter().map(|name| name.resolved(namespace));
            self.exec = Exec::Sequence {
                components: resolved.collect(),
            };
        }
        self
    }

    /// Bytes that count against the limit (reference section 1.9).
    pub fn size(&self) -> u64 {
        let parts = [self.code.as_deref(), self.exec.main(), self.exec.image()];
        let parts = parts.iter().flatten().map(|part| part.len());
        let components = self.exec.components().unwrap_or_default();
        let names = components
            .iter()
            .map(|name| name.path.len() + 1 + name.name.len());
        parts.chain(names).map(|bytes| bytes as u64).sum()
    }
}

/// An `exec` before its parts are checked, so that each can be refused with its own message.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    /// `jar` is its old name.
    #[serde(borrow, alias = "jar")]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    main: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<&'a RawValue>,
    #[serde(borrow)]
    components: Option<&'a RawValue>,
}

impl Sent<'_> {
    fn blackbox(&self) -> Result<NewExec, EntityError> {
        let image = self.image.and_then(text).ok_or_else(|| {
            EntityError::malformed(
                "'image' must be a string defined in 'exec' for 'blackbox' actions",
            )
        })?;
        let image = image.trim().to_string();
        image.parse::<ImageName>()?;
        let code = match self.code {
            Some(code) => Some(text(code).ok_or_else(|| bad_code(BLACKBOX))?),
            None => None,
        };
        let code = code.filter(|code| !code.trim().is_empty());
        let exec = Exec::Blackbox {
            image,
            binary: code.as_deref().is_some_and(is_base64),
            main: self.main(BLACKBOX)?,
        };
        Ok(NewExec { exec, code })
    }

    fn sequence(&self) -> Result<NewExec, EntityError> {
        let components = self.components.ok_or_else(|| {
            EntityError::malformed("'components' must be defined for sequence kind")
        })?;
        let components = json::first_elements(components, MOST_COMPONENTS + 1)
            .ok_or_else(|| EntityError::malformed("'components' must be an array"))?;
        if components.len() > MOST_COMPONENTS {
            return Err(EntityError::Invalid(
                "Too many actions in the sequence.".into(),
            ));
        }
        let components: Result<_, _> = components.into_iter().map(FullName::parse).collect();
        Ok(NewExec {
            exec: Exec::Sequence {
                components: components?,
            },
            code: None,
        })
    }

    fn code(&self, kind: &str, kinds: &dyn Kinds) -> Result<NewExec, EntityError> {
        let Some((kind, needs_main)) = kinds.resolve(kind) else {
            return Err(unknown_kind(kind, kinds));
        };
        let code = self.code.and_then(text).ok_or_else(|| bad_code(kind))?;
        let main = self.main(kind)?;
        if needs_main && main.is_none() {
            return Err(EntityError::malformed(format!(
                "'main' must be a string defined in 'exec' for '{kind}' actions"
            )));
        }
        let exec = Exec::Code {
            kind: kind.into(),
            binary: is_base64(&code),
            main,
        };
        Ok(NewExec {
            exec,
            code: Some(code),
        })
    }

    fn main(&self, kind: &str) -> Result<Option<String>, EntityError> {
        let Some(main) = self.main else {
            return Ok(None);
        };
        text(main).map(Some).ok_or_else(|| {
            EntityError::malformed(format!(
                "if defined, 'main' be a string in 'exec' for '{kind}' actions"
            ))
        })
    }
}

fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

fn bad_code(kind: &str) -> EntityError {
    EntityError::malformed(format!(
        "'code' must be a string or attachment object defined in 'exec' for '{kind}' actions"
    ))
}

fn unknown_kind(kind: &str, kinds: &dyn Kinds) -> EntityError {
    let mut names = kinds.names();
    names.extend([SEQUENCE, BLACKBOX]);
    EntityError::malformed(format!(
        "The specified runtime '{kind}' is not supported by this platform. Valid values are: '{}'.",
        names.join("', '")
    ))
}

/// Whether code is taken for base64. It is OpenWhisk's guess: the source text `main` is, too.
pub fn is_base64(code: &str) -> bool {
    let code = code.trim().as_bytes();
    let padding = code.iter().rev().take_while(|&&c| c == b'=').count();
    !code.is_empty()
        && code.len().is_multiple_of(4)
        && padding <= 2
        && code[..code.len() - padding]
            .iter()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/'))
}

#[cfg(test)]
#[path = "new_exec_tests.rs"]
pub(super) mod tests;
