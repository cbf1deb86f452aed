//! What a sequence may be made of (reference section 5.1).

use std::collections::HashMap;
use std::fmt;

use super::{Catalog, CatalogError};
use crate::entity::{Exec, FullName};

/// Why there cannot be such a sequence. The texts are OpenWhisk's.
#[derive(Debug)]
pub enum SequenceError {
    /// It has no components.
    Empty,
    /// It has more components than allowed, or more actions once sequences in it are written out.
    TooLong,
    /// It is part of itself.
    Cycle,
    /// A component, or one of a sequence in it, is not there.
    Missing,
    /// The catalogue does not tell what a component is.
    Catalog(CatalogError),
}

impl fmt::Display for SequenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "No component specified for the sequence.",
            Self::TooLong => "Too many actions in the sequence.",
            Self::Cycle => "Sequence may not refer to itself.",
            Self::Missing => "Sequence component does not exist.",
            Self::Catalog(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for SequenceError {}

impl From<CatalogError> for SequenceError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Missing => Self::Missing,
            error => Self::Catalog(error),
        }
    }
}

/// What the walk through a sequence asks of the catalogue.
trait Actions {
    /// Path of the action that a name means, behind bindings, whether it is there or not.
    fn path(&self, name: &FullName) -> Result<String, CatalogError>;

    /// The components of the action of a path; none if it is not a sequence.
    fn components(&self, path: &str) -> Result<Option<Vec<FullName>>, CatalogError>;
}

/// A sequence on the way from the new one down to the component that is looked at.
struct Level {
    path: String,
    rest: std::vec::IntoIter<FullName>,
    /// Actions that had been counted before it.
    before: usize,
}

/// Walks through the components of what is to be the sequence of `path`, and through those of the
/// sequences among them, depth first.
///
/// Every sequence is walked through once, and no more than `limit` other actions are looked at, so
/// the walk is short even where sequences have grown since they were put into others. It is a
/// loop, because nothing bounds how deep they are in each other.
fn check(
    path: &str,
    components: &[FullName],
    limit: usize,
    actions: &impl Actions,
) -> Result<(), SequenceError> {
    if components.is_empty() {
        return Err(SequenceError::Empty);
    }
    let mut number = 0;
    // How many actions the sequences are that were seen; none for those that are on the way.
    let mut seen = HashMap::from([(path.to_string(), None)]);
    let mut levels = vec![level(path.into(), components.to_vec(), limit, number)?];
    while let Some(current) = levels.last_mut() {
        let Some(component) = current.rest.next() else {
            let ended = std::mem::take(&mut current.path);
            seen.insert(ended, Some(number - current.before));
            levels.pop();
            continue;
        };
        let path = actions.path(&component)?;
        match seen.get(&path) {
            Some(None) => return Err(SequenceError::Cycle),
            Some(Some(known)) => number += known,
            None => match actions.components(&path)? {
                Some(components) => {
                    seen.insert(path.clone(), None);
                    levels.push(level(path, components, limit, number)?);
                }
                None => number += 1,
            },
        }
        if number > limit {
            return Err(SequenceError::TooLong);
        }
    }
    Ok(())
}

fn level(
    path: String,
    components: Vec<FullName>,
    limit: usize,
    before: usize,
) -> Result<Level, SequenceError> {
    if components.len() > limit {
        return Err(SequenceError::TooLong);
    }
    Ok(Level {
        path,
        rest: components.into_iter(),
        before,
    })
}

impl Actions for Catalog {
    fn path(&self, name: &FullName) -> Result<String, CatalogError> {
        if name.package().is_none() {
            return Ok(name.to_string());
        }
        let package = self.package(&name.path)?;
        Ok(match &package.binding {
            Some(binding) => format!("{}/{}", binding.path(), name.name),
            None => name.to_string(),
        })
    }

    fn components(&self, path: &str) -> Result<Option<Vec<FullName>>, CatalogError> {
        Ok(match &self.action(path)?.exec {
            Exec::Sequence { components } => Some(components.clone()),
            Exec::Code { .. } | Exec::Blackbox { .. } | Exec::Builtin => None,
        })
    }
}

impl Catalog {
    /// Whether the action of `path` may become a sequence of these components, at most `limit`
    /// actions in all. Who may use them is another question ([`Catalog::check_access`]).
    pub fn check_sequence(
        &self,
        path: &str,
        components: &[FullName],
        limit: usize,
    ) -> Result<(), SequenceError> {
        check(path, components, limit, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sequences by their paths, and `ns/a`, `ns/b`, `ns/p/a` that are none; `ns/to-p` is a
    /// binding to `ns/p`.
    #[derive(Default)]
    struct World(HashMap<String, Vec<FullName>>);

    fn names(names: &str) -> Vec<FullName> {
        names
            .split_whitespace()
            .map(|name| name.parse().unwrap())
            .collect()
    }

    impl World {
        fn sequence(mut self, path: &str, components: &str) -> Self {
            self.0.insert(path.into(), names(components));
            self
        }

        fn told(&self, path: &str, components: &[FullName], limit: usize) -> &'static str {
            match check(path, components, limit, self) {
                Ok(()) => "fine",
                Err(SequenceError::Empty) => "empty",
                Err(SequenceError::TooLong) => "too long",
                Err(SequenceError::Cycle) => "cycle",
                Err(SequenceError::Missing) => "missing",
                Err(SequenceError::Catalog(_)) => "other",
            }
        }
    }

    impl Actions for World {
        fn path(&self, name: &FullName) -> Result<String, CatalogError> {
            match name.package() {
                None | Some("p") => Ok(name.to_string()),
                Some("to-p") => Ok(format!("ns/p/{}", name.name)),
                Some(_) => Err(CatalogError::Missing),
            }
        }

        fn components(&self, path: &str) -> Result<Option<Vec<FullName>>, CatalogError> {
            match (self.0.get(path), path) {
                (Some(components), _) => Ok(Some(components.clone())),
                (None, "ns/a" | "ns/b" | "ns/p/a") => Ok(None),
                (None, "ns/trigger") => Err(CatalogError::OtherCollection),
                (None, _) => Err(CatalogError::Missing),
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let world = World::default()
            .sequence("ns/x", "ns/a ns/b")
            .sequence("ns/p/y", "ns/s")
            .sequence("ns/gone", "ns/missing");
        let told = |components: &str| world.told("ns/s", &names(components), 4);
        assert_eq!(told("ns/a ns/to-p/a ns/p/a"), "fine");
        // 11.9-216
        assert_eq!(told(""), "empty");
        // 11.9-218
        assert_eq!(told("ns/a ns/a ns/a ns/a ns/a"), "too long");
        // What is too long is not looked through.
        assert_eq!(told("ns/missing ns/a ns/a ns/a ns/a"), "too long");
        // 11.9-219
        for missing in ["ns/missing", "ns/a ns/q/a", "ns/gone"] {
            assert_eq!(told(missing), "missing");
        }
        assert_eq!(told("ns/trigger"), "other");
        // 11.9-220
        for cycle in ["ns/s", "ns/a ns/s", "ns/p/y", "ns/to-p/y"] {
            assert_eq!(told(cycle), "cycle");
        }
        let behind_binding = world.told("ns/p/new", &names("ns/to-p/new"), 4);
        assert_eq!(behind_binding, "cycle");
        // 11.9-222
        assert_eq!(told("ns/x ns/x"), "fine");
        assert_eq!(told("ns/x ns/a ns/x"), "too long");
    }

    #[test]
    fn large_ones_end() {
        let row = |name: &str| format!("{name} ").repeat(50);
        let mut world = World::default().sequence("ns/s0", &row("ns/a"));
        for n in 1..50 {
            world = world.sequence(&format!("ns/s{n}"), &row(&format!("ns/s{}", n - 1)));
        }
        assert_eq!(world.told("ns/s", &names("ns/s0"), 50), "fine");
        assert_eq!(world.told("ns/s", &names("ns/s0 ns/a"), 50), "too long");
        assert_eq!(world.told("ns/s", &names(&row("ns/s49")), 50), "too long");
        // One in the other, deeper than a stack of calls would be.
        let mut world = World::default().sequence("ns/s0", "ns/a");
        for n in 1..5_000 {
            world = world.sequence(&format!("ns/s{n}"), &format!("ns/s{}", n - 1));
        }
        assert_eq!(world.told("ns/s", &names("ns/s4999"), 50), "fine");
    }

    #[test]
    fn a_cycle_that_was_there_before_ends() {
        // Two updates at the same time can make one.
        let world = World::default()
            .sequence("ns/x", "ns/y")
            .sequence("ns/y", "ns/x");
        assert_eq!(world.told("ns/s", &names("ns/x"), 50), "cycle");
    }
}
