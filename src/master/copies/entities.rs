//! The entities that requests name, with what stands on the way to them.

use std::sync::Arc;

use super::ensure::Item;
use super::error::CopyError;
use super::freshness::Need;
use super::{Copies, Source};
use crate::entity::{Identity, Rule};
use crate::store::Collection;

impl Copies {
    /// Sees to it that the catalogue has the action that a caller reaches under a name, and the
    /// package and binding on the way to it. To run a sequence, its components are fetched along;
    /// which of them are not to be had is seen when they are resolved.
    ///
    /// What the master does not have, the catalogue does not have then, either.
    ///
    /// # Errors
    /// The caller has no copy and the master does not give one: why.
    pub async fn ensure_action(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        package: Option<&str>,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        let (path, source) = self
            .ensure_alone(identity, namespace, package, name, need)
            .await?;
        let Some(path) = path.filter(|_| need == Need::Run) else {
            return Ok(source);
        };
        let components = self.components(&path);
        if components.is_empty() {
            return Ok(source);
        }
        Ok(source.max(self.fetch_along(identity, components).await))
    }

    /// Sees to it that the catalogue has a package, and the package that a binding refers to. What
    /// is in it is not fetched.
    ///
    /// # Errors
    /// As [`Copies::ensure_action`].
    pub async fn ensure_package(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        let path = format!("{namespace}/{name}");
        let item = Item::new(identity, Collection::Packages, path);
        let source = self.ensure(&item, need).await?;
        let Ok(package) = self.catalog().package(&item.path) else {
            return Ok(source);
        };
        let Some(provider) = package.binding.as_ref().map(|to| to.path()) else {
            return Ok(source);
        };
        let provider = Item::new(identity, Collection::Packages, provider);
        match self.ensure(&provider, need).await {
            Ok(provider) => Ok(source.max(provider)),
            // As OpenWhisk tells it: the binding is what the caller has asked for.
            Err(CopyError::Forbidden(_)) => Err(CopyError::Forbidden(item.path)),
            Err(error) => Err(error),
        }
    }

    /// Sees to it that the catalogue has a trigger of the caller's; to run it, the actions of its
    /// active rules, too.
    ///
    /// # Errors
    /// As [`Copies::ensure_action`].
    pub async fn ensure_trigger(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        if identity.namespace != namespace {
            // Nobody sees triggers of others.
            return Ok(self.source());
        }
        let path = format!("{namespace}/{name}");
        let item = Item::new(identity, Collection::Triggers, path);
        let source = self.ensure(&item, need).await?;
        if need == Need::Read {
            return Ok(source);
        }
        let actions = self.actions_of_trigger(&item.path);
        if actions.is_empty() {
            return Ok(source);
        }
        Ok(source.max(self.fetch_along(identity, actions).await))
    }

    /// Sees to it that the catalogue has a rule of the caller's, and its trigger, which knows its
    /// status.
    ///
    /// # Errors
    /// As [`Copies::ensure_action`].
    pub async fn ensure_rule(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        name: &str,
        need: Need,
    ) -> Result<Source, CopyError> {
        if identity.namespace != namespace {
            return Ok(self.source());
        }
        let path = format!("{namespace}/{name}");
        let item = Item::new(identity, Collection::Rules, path);
        let source = self.ensure(&item, need).await?;
        let Ok(rule) = self.catalog().get::<Rule>(&item.path) else {
            return Ok(source);
        };
        let trigger = Item::new(identity, Collection::Triggers, rule.trigger.to_string());
        match self.ensure(&trigger, need).await {
            Ok(trigger) => Ok(source.max(trigger)),
            // Without its trigger the rule is inactive, and that is all.
            Err(CopyError::Missing | CopyError::OtherCollection | CopyError::Forbidden(_)) => {
                Ok(source)
            }
            Err(error) => Err(error),
        }
    }

    /// The action alone, without components, with its path if it can be told.
    pub(super) async fn ensure_alone(
        &self,
        identity: &Arc<Identity>,
        namespace: &str,
        package: Option<&str>,
        name: &str,
        need: Need,
    ) -> Result<(Option<String>, Source), CopyError> {
        let (path, on_the_way) = match package {
            None if identity.namespace != namespace => return Ok((None, self.source())),
            None => (format!("{namespace}/{name}"), Source::Fresh),
            Some(package) => {
                let source = self
                    .ensure_package(identity, namespace, package, need)
                    .await?;
                let resolved = self.catalog().resolve_package(identity, namespace, package);
                // What is wrong with it, the catalogue tells whoever resolves the action.
                let Ok(resolved) = resolved else {
                    return Ok((None, source));
                };
                (format!("{}/{name}", resolved.provider.path()), source)
            }
        };
        let item = Item::new(identity, Collection::Actions, path);
        let source = self.ensure(&item, need).await?;
        Ok((Some(item.path), source.max(on_the_way)))
    }
}
