//! From the name of an action to the action that runs, for a certain caller: packages, bindings,
//! inherited parameters and rights (reference sections 1.5 and 4.3).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Catalog, CatalogError};
use crate::entity::{Action, EntityError, FullName, Identity, Package, Parameters};

/// Why a caller does not get a resource.
#[derive(Debug)]
pub enum AccessError {
    /// It is somebody else's, whether it is there or not: its name as OpenWhisk tells it.
    Forbidden(String),
    /// The catalogue does not have it.
    Catalog(CatalogError),
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(resource) => write!(
                f,
                "The supplied authentication is not authorized to access '{resource}'."
            ),
            Self::Catalog(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AccessError {}

impl From<CatalogError> for AccessError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

impl From<EntityError> for AccessError {
    fn from(error: EntityError) -> Self {
        Self::Catalog(error.into())
    }
}

/// An action as a caller reached it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The action, with the parameters of its package and binding under its own.
    pub action: Arc<Action>,
    /// The binding it was reached through, as `ns/binding`.
    pub binding: Option<String>,
}

/// A package as a caller reached it.
#[derive(Clone, Debug)]
pub struct ResolvedPackage {
    /// What has the name: a package or a binding.
    pub named: Arc<Package>,
    /// What a binding refers to; else the same.
    pub provider: Arc<Package>,
}

impl ResolvedPackage {
    /// Parameters that actions inherit: those of the package, and over them those of the binding.
    pub fn parameters(&self) -> Parameters {
        if self.named.binding.is_none() {
            return self.provider.parameters.clone();
        }
        let provided = self.provider.parameters.clone();
        provided.merged(&self.named.parameters)
    }

    /// The binding, as `ns/binding`.
    pub fn binding(&self) -> Option<String> {
        self.named.binding.as_ref().map(|_| self.named.path())
    }
}

impl Catalog {
    /// The action that a caller means and may read and invoke.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] for what is not the caller's and not public, be it there or not;
    /// [`CatalogError::Missing`] for what is missing in between; [`CatalogError::OtherCollection`]
    /// for what is no package or no action.
    pub fn resolve(
        &self,
        identity: &Identity,
        namespace: &str,
        package: Option<&str>,
        name: &str,
    ) -> Result<Resolved, AccessError> {
        let Some(package) = package else {
            let path = format!("{namespace}/{name}");
            if identity.namespace != namespace {
                return Err(AccessError::Forbidden(path));
            }
            return Ok(Resolved {
                action: self.action(&path)?,
                binding: None,
            });
        };
        let package = self.resolve_package(identity, namespace, package)?;
        Ok(self.packaged(&package, name)?)
    }

    /// An action of a package that a caller reached.
    pub fn packaged(
        &self,
        package: &ResolvedPackage,
        name: &str,
    ) -> Result<Resolved, CatalogError> {
        let path = format!("{}/{name}", package.provider.path());
        let action = self.action(&path)?;
        let inherited = package.parameters();
        let action = if inherited.0.is_empty() {
            action
        } else {
            let mut action = (*action).clone();
            action.parameters = inherited.merged(&action.parameters);
            Arc::new(action)
        };
        Ok(Resolved {
            action,
            binding: package.binding(),
        })
    }

    /// [`Catalog::resolve`] for the name in a document.
    pub fn resolve_name(
        &self,
        identity: &Identity,
        name: &FullName,
    ) -> Result<Resolved, AccessError> {
        self.resolve(identity, name.namespace(), name.package(), &name.name)
    }

    /// Whether a caller may read and invoke all actions of these names, be they there or not
    /// (reference sections 3.3.3 and 4.2).
    ///
    /// # Errors
    /// What is wrong with a package of the caller's own; else [`AccessError::Forbidden`] with all
    /// names that the caller may not use.
    pub fn check_access(&self, identity: &Identity, names: &[FullName]) -> Result<(), AccessError> {
        let mut forbidden = BTreeSet::new();
        for name in names {
            let access = match name.package() {
                Some(package) => self
                    .resolve_package(identity, name.namespace(), package)
                    .map(drop),
                None if name.namespace() == identity.namespace => Ok(()),
                None => Err(AccessError::Forbidden(String::new())),
            };
            match access {
                Err(AccessError::Forbidden(_)) => {
                    forbidden.insert(name.to_string());
                }
                access => access?,
            }
        }
        if forbidden.is_empty() {
            return Ok(());
        }
        let forbidden: Vec<String> = forbidden.into_iter().collect();
        Err(AccessError::Forbidden(forbidden.join(", ")))
    }

    /// The package or binding that a caller means and may read.
    ///
    /// # Errors
    /// As [`Catalog::resolve`]. A binding is missing if its package was the caller's own and is
    /// gone, or has become a binding; if it was somebody else's, it is forbidden.
    pub fn resolve_package(
        &self,
        identity: &Identity,
        namespace: &str,
        name: &str,
    ) -> Result<ResolvedPackage, AccessError> {
        let path = format!("{namespace}/{name}");
        let owned = identity.namespace == namespace;
        let named = match self.package(&path) {
            Err(CatalogError::Store(error)) => return Err(CatalogError::Store(error).into()),
            Err(_) if !owned => return Err(AccessError::Forbidden(path)),
            named => named?,
        };
        if !owned && !named.is_public() {
            return Err(AccessError::Forbidden(path));
        }
        let Some(binding) = &named.binding else {
            return Ok(ResolvedPackage {
                provider: named.clone(),
                named,
            });
        };
        let owned = identity.namespace == binding.namespace;
        let provider = match self.package(&binding.path()) {
            Err(CatalogError::Store(error)) => return Err(CatalogError::Store(error).into()),
            Err(_) if !owned => return Err(AccessError::Forbidden(path)),
            provider => provider?,
        };
        if !owned && !provider.is_public() {
            return Err(AccessError::Forbidden(path));
        }
        if provider.binding.is_some() {
            return Err(CatalogError::Missing.into());
        }
        Ok(ResolvedPackage { named, provider })
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
