//! What is an entity's own of the parameters that the master shows.
//!
//! A packaged action is shown with what its package gives it, and a binding with what its package
//! has. The catalogue merges them itself when somebody reaches the action, so the copy has only
//! what is its own; else a value that the package had once would stay in its actions.

use super::Copies;
use super::ask::{Answer, Part};
use super::ensure::Item;
use super::error::CopyError;
use crate::entity::{Action, Package, Parameters, names};
use crate::store::Collection;

/// An entity that is shown with parameters that are not its own.
pub(super) trait Heir {
    /// Path of the package whose parameters it is shown with.
    fn inherits_of(&self) -> Option<String>;

    /// The parameters that it is shown with, to be replaced by its own.
    fn parameters(&mut self) -> &mut Parameters;
}

impl Heir for Action {
    fn inherits_of(&self) -> Option<String> {
        let package = names::namespace_and_package(&self.namespace).1;
        package.map(|_| self.namespace.clone())
    }

    fn parameters(&mut self) -> &mut Parameters {
        &mut self.parameters
    }
}

impl Heir for Package {
    fn inherits_of(&self) -> Option<String> {
        self.binding.as_ref().map(|binding| binding.path())
    }

    fn parameters(&mut self) -> &mut Parameters {
        &mut self.parameters
    }
}

impl Copies {
    /// Leaves an entity what is its own, by the copy of its package. What is `known` to be its own
    /// stays.
    pub(super) fn disinherit(&self, heir: &mut impl Heir, known: &Parameters) {
        let package = heir.inherits_of();
        let package = package.and_then(|path| self.catalog().package(&path).ok());
        if let Some(package) = package {
            take_own(heir, &package.parameters, known);
        }
    }

    /// [`Copies::disinherit`], by what the master says of the package now: after the entity was
    /// asked for, so that a change of the package in between is not taken for the entity's own.
    ///
    /// This asks the master itself, without the copies: a fetch that waited for another could wait
    /// for itself, as bindings may lead in a circle.
    pub(super) async fn disinherit_now(
        &self,
        item: &Item,
        heir: &mut impl Heir,
        known: &Parameters,
    ) -> Result<(), CopyError> {
        if heir.parameters().0.is_empty() {
            return Ok(());
        }
        let Some(path) = heir.inherits_of() else {
            return Ok(());
        };
        let answer = self.ask(&item.identity, Collection::Packages, &path, Part::Whole);
        let answer = answer.await?;
        if let Answer::Document(document) = answer
            && let Some(package) = Package::told(&document, &path)
        {
            take_own(heir, &package.parameters, known);
        }
        Ok(())
    }
}

fn take_own(heir: &mut impl Heir, inherited: &Parameters, known: &Parameters) {
    let shown = std::mem::take(heir.parameters());
    *heir.parameters() = shown.own(inherited, known);
}
