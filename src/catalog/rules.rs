//! Triggers and rules, which change together (reference sections 3.5 and 3.6.1).
//!
//! A rule's status is kept in its trigger, so most changes of a rule are changes of a trigger,
//! too. Both go into one commit, at the revisions that they were decided on.

use super::{AccessError, Catalog, CatalogError, Entity, change, creation};
use crate::clock::now;
use crate::entity::{
    EntityError, FullName, Identity, NewRule, NewTrigger, ReducedRule, Rule, RuleStatus, Trigger,
};
use crate::store::{Change, CodeChange};

/// How often a change is decided again because what it was decided on has changed.
const TRIES: usize = 4;

impl Catalog {
    /// Creates a trigger, or with `overwrite` changes it.
    pub async fn put_trigger(
        &self,
        namespace: &str,
        name: &str,
        new: &NewTrigger,
        overwrite: bool,
    ) -> Result<Trigger, AccessError> {
        let path = format!("{namespace}/{name}");
        self.transact(|| match self.get::<Trigger>(&path) {
            Ok(_) if !overwrite => Err(CatalogError::Exists.into()),
            Ok(old) => {
                let trigger = new.update(old, now());
                Ok((vec![changed(&trigger)], trigger))
            }
            Err(CatalogError::Missing) => {
                let trigger = new.create(namespace, name, now())?;
                Ok((vec![created(&trigger)], trigger))
            }
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Deletes a trigger. Its rules stay, and are inactive.
    pub async fn delete_trigger(&self, path: &str) -> Result<Trigger, AccessError> {
        self.transact(|| {
            let trigger = self.get::<Trigger>(path)?;
            Ok((vec![removed(&trigger)], trigger))
        })
        .await
    }

    /// A rule with its status.
    pub fn rule(&self, path: &str) -> Result<(Rule, RuleStatus), CatalogError> {
        let rule = self.get::<Rule>(path)?;
        let trigger = self.trigger_of(&rule)?;
        let status = status(trigger.as_ref(), path);
        Ok((rule, status))
    }

    /// Creates an active rule, or with `overwrite` changes one, which keeps its status.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] if the caller may not read what the body refers to;
    /// [`CatalogError::Refused`] if the rule's trigger or action is not there.
    pub async fn put_rule(
        &self,
        identity: &Identity,
        name: &str,
        new: &NewRule,
        overwrite: bool,
    ) -> Result<(Rule, RuleStatus), AccessError> {
        let namespace = &identity.namespace;
        let path = format!("{namespace}/{name}");
        let references = new.trigger.iter().chain(&new.action).cloned();
        self.check_access(identity, &references.collect::<Vec<_>>())?;
        self.transact(|| match self.get::<Rule>(&path) {
            Ok(_) if !overwrite => Err(CatalogError::Exists.into()),
            Ok(old) => self.rule_changed(identity, new, old),
            Err(CatalogError::Missing) => {
                let rule = new.create(namespace, name, now())?;
                let trigger = self.attached(identity, &rule, RuleStatus::Active)?;
                let changes = vec![created(&rule), changed(&trigger)];
                Ok((changes, (rule, RuleStatus::Active)))
            }
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Enables or disables a rule.
    ///
    /// # Errors
    /// [`CatalogError::TriggerGone`] if it should be active and its trigger is gone.
    pub async fn set_rule_status(&self, path: &str, wanted: RuleStatus) -> Result<(), AccessError> {
        self.transact(|| {
            let rule = self.get::<Rule>(path)?;
            let trigger = self.trigger_of(&rule)?;
            if status(trigger.as_ref(), path) == wanted {
                return Ok((Vec::new(), ()));
            }
            let mut trigger = trigger.ok_or(CatalogError::TriggerGone)?;
            attach(&mut trigger, &rule, wanted);
            Ok((vec![changed(&trigger)], ()))
        })
        .await
    }

    /// Deletes a rule, and what its trigger knows of it.
    pub async fn delete_rule(&self, path: &str) -> Result<Rule, AccessError> {
        self.transact(|| {
            let rule = self.get::<Rule>(path)?;
            let mut changes = vec![removed(&rule)];
            changes.extend(self.detached(&rule)?);
            Ok((changes, rule))
        })
        .await
    }

    /// Makes the changes that `decide` finds, in one commit; gives its result. If somebody else
    /// was quicker, it is asked again.
    ///
    /// Changes decided so follow one another. Without that, the last of many that want the same
    /// trigger at the same time would run out of tries.
    async fn transact<T>(
        &self,
        decide: impl Fn() -> Result<(Vec<Change>, T), AccessError>,
    ) -> Result<T, AccessError> {
        let _turn = self.turn().await;
        let mut tries = 1;
        loop {
            let (changes, result) = decide()?;
            // What goes along is made even where nothing changes: it may say what was wanted.
            if changes.is_empty() && self.is_alone() {
                return Ok(result);
            }
            match self.write_all(changes).await {
                // Writers without a turn, and those that left while their commit was under way.
                Err(CatalogError::Changed | CatalogError::Exists) if tries < TRIES => tries += 1,
                written => return written.map(|_| result).map_err(Into::into),
            }
        }
    }

    /// What makes of a rule what the body of an update asks for.
    fn rule_changed(
        &self,
        identity: &Identity,
        new: &NewRule,
        old: Rule,
    ) -> Result<(Vec<Change>, (Rule, RuleStatus)), AccessError> {
        let status = status(self.trigger_of(&old)?.as_ref(), &old.path());
        let rule = new.update(old.clone(), now());
        let trigger = self.attached(identity, &rule, status)?;
        let mut changes = vec![changed(&rule), changed(&trigger)];
        if old.trigger != rule.trigger {
            changes.extend(self.detached(&old)?);
        }
        Ok((changes, (rule, status)))
    }

    /// The trigger of a rule with the rule attached. The rule's action must be there, too.
    fn attached(
        &self,
        identity: &Identity,
        rule: &Rule,
        status: RuleStatus,
    ) -> Result<Trigger, AccessError> {
        let trigger = self.get::<Trigger>(&rule.trigger.to_string());
        let mut trigger = trigger.map_err(|error| unusable("trigger", &rule.trigger, error))?;
        match self.resolve_name(identity, &rule.action) {
            Ok(_) => {}
            // The caller may read what the body names; this is what an older rule refers to.
            Err(AccessError::Forbidden(_)) => {
                return Err(unusable("action", &rule.action, CatalogError::Missing).into());
            }
            Err(AccessError::Catalog(error)) => {
                return Err(unusable("action", &rule.action, error).into());
            }
        }
        attach(&mut trigger, rule, status);
        Ok(trigger)
    }

    /// What takes a rule off its trigger, if that knows it.
    fn detached(&self, rule: &Rule) -> Result<Option<Change>, CatalogError> {
        let trigger = self.trigger_of(rule)?;
        Ok(trigger.and_then(|mut trigger| {
            let was_attached = trigger.detach(&rule.path(), now());
            was_attached.then(|| changed(&trigger))
        }))
    }

    /// The trigger of a rule, if it is still there.
    fn trigger_of(&self, rule: &Rule) -> Result<Option<Trigger>, CatalogError> {
        match self.get::<Trigger>(&rule.trigger.to_string()) {
            Err(CatalogError::Store(error)) => Err(error.into()),
            trigger => Ok(trigger.ok()),
        }
    }
}

fn status(trigger: Option<&Trigger>, rule: &str) -> RuleStatus {
    trigger.map_or(RuleStatus::Inactive, |trigger| trigger.status_of(rule))
}

fn attach(trigger: &mut Trigger, rule: &Rule, status: RuleStatus) {
    let action = rule.action.clone();
    trigger.attach(rule.path(), ReducedRule { action, status }, now());
}

/// What a rule refers to cannot be used.
fn unusable(what: &str, name: &FullName, error: CatalogError) -> CatalogError {
    let problem = match error {
        CatalogError::Missing | CatalogError::OtherCollection => "does not exist",
        CatalogError::Corrupt => "is corrupted",
        error => return error,
    };
    EntityError::Invalid(format!("{what} /{name} {problem}")).into()
}

fn created<E: Entity>(entity: &E) -> Change {
    Change::Put(creation(entity, CodeChange::Remove))
}

fn changed<E: Entity>(entity: &E) -> Change {
    Change::Put(change(entity, CodeChange::Keep))
}

fn removed<E: Entity>(entity: &E) -> Change {
    Change::Delete {
        path: entity.path(),
        revision: entity.revision(),
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
