//! What is fetched along with what was asked for, so that it is here when the master is not: the
//! components of sequences and the actions of triggers' rules.

use std::collections::HashSet;
use std::sync::Arc;

use smol::Task;
use smol::future::poll_once;

use super::freshness::Need;
use super::{Copies, Source};
use crate::BoxFuture;
use crate::catalog::{AccessError, Supplier};
use crate::entity::{FullName, Identity, RuleStatus, Trigger};

/// Most actions that are fetched along: the longest sequence of sequences has fewer.
const MOST: usize = 200;

/// How many of them at the same time.
const AT_ONCE: usize = 4;

/// What one of them is, with its own components.
type Fetched = (Source, Vec<FullName>);

impl Copies {
    /// The components of the action of a path, if it is a sequence that is here.
    pub(super) fn components(&self, path: &str) -> Vec<FullName> {
        let action = self.catalog().action(path);
        let components = action.ok().and_then(|action| {
            let components = action.exec.components()?;
            Some(components.to_vec())
        });
        components.unwrap_or_default()
    }

    /// The actions of a trigger's active rules, if it is here.
    pub(super) fn actions_of_trigger(&self, path: &str) -> Vec<FullName> {
        let Ok(trigger) = self.catalog().get::<Trigger>(path) else {
            return Vec::new();
        };
        let rules = trigger.rules.unwrap_or_default().into_values();
        let active = rules.filter(|rule| rule.status == RuleStatus::Active);
        active.map(|rule| rule.action).collect()
    }

    /// Sees to it that actions are here, and the components of the sequences among them. What is
    /// not to be had is told to nobody here, but to whoever comes to run it.
    pub(super) async fn fetch_along(
        &self,
        identity: &Arc<Identity>,
        names: Vec<FullName>,
    ) -> Source {
        let mut source = Source::Fresh;
        let mut seen = HashSet::new();
        let mut names = names;
        let mut under_way: Vec<Task<Fetched>> = Vec::new();
        loop {
            let Some(name) = names.pop() else {
                let Some(task) = under_way.pop() else {
                    return source;
                };
                let (from, components) = task.await;
                source = source.max(from);
                names.extend(components);
                continue;
            };
            if seen.len() >= MOST || !seen.insert(name.clone()) {
                continue;
            }
            // What is fresh is done at once, without a task.
            let mut fetched = Box::pin(self.clone().fetch_one(identity.clone(), name));
            match poll_once(&mut fetched).await {
                Some((from, components)) => {
                    source = source.max(from);
                    names.extend(components);
                }
                None => under_way.push(self.0.rooms.executor.spawn(fetched)),
            }
            if under_way.len() >= AT_ONCE {
                let (from, components) = under_way.remove(0).await;
                source = source.max(from);
                names.extend(components);
            }
        }
    }

    async fn fetch_one(self, identity: Arc<Identity>, name: FullName) -> Fetched {
        let (namespace, package) = (name.namespace(), name.package());
        let fetched = self
            .ensure_alone(&identity, namespace, package, &name.name, Need::Run)
            .await;
        match fetched {
            Ok((path, source)) => {
                let components = path.map(|path| self.components(&path));
                (source, components.unwrap_or_default())
            }
            Err(error) => {
                log::debug!("{name} is not fetched along: {error}");
                (Source::Fresh, Vec::new())
            }
        }
    }
}

impl Supplier for Copies {
    fn supply<'a>(
        &'a self,
        identity: &'a Arc<Identity>,
        name: &'a FullName,
        came: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), AccessError>> {
        Box::pin(async move {
            let (namespace, package) = (name.namespace(), name.package());
            let supplied = self
                .for_request(came)
                .ensure_alone(identity, namespace, package, &name.name, Need::Run)
                .await;
            supplied.map(drop).map_err(Into::into)
        })
    }
}
