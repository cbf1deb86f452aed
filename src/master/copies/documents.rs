//! From documents of the master's to the changes that make them copies.

use super::compare::{Based, code_of};
use super::error::CopyError;
use super::inherited::Heir;
use super::mark::{Mark, Standing, Viewer};
use super::{Copies, Shown};
use crate::catalog::{Entity, change, creation};
use crate::entity::{Action, Package, Parameters, ReducedRule, Rule, RuleStatus, Trigger};
use crate::store::{Change, CodeChange, Collection, EntityWrite, Expect};

impl Copies {
    /// What makes the copy of a path what a document says.
    pub(super) fn changes(
        &self,
        viewer: &Viewer,
        shown: Shown,
        collection: Collection,
        path: &str,
        document: &[u8],
    ) -> Result<Vec<Change>, CopyError> {
        let unreadable = || CopyError::unreadable(path);
        let mut changes = Vec::new();
        let base = match collection {
            Collection::Actions => {
                let told = Action::told(document, path);
                let (mut action, code) = told.ok_or_else(unreadable)?;
                self.leave_own(shown, &mut action);
                let code = code_of(&action, code).ok_or_else(unreadable)?;
                changes.push(put(&action, code));
                action.base()
            }
            Collection::Packages => {
                let mut package = Package::told(document, path).ok_or_else(unreadable)?;
                self.leave_own(shown, &mut package);
                changes.extend(self.off_a_binding(&package)?);
                changes.push(put(&package, CodeChange::Remove));
                package.base()
            }
            Collection::Triggers => {
                let trigger = Trigger::told(document, path).ok_or_else(unreadable)?;
                changes.push(put(&trigger, CodeChange::Remove));
                trigger.base()
            }
            Collection::Rules => {
                let (rule, status) = Rule::told(document, path).ok_or_else(unreadable)?;
                changes.extend(self.moved(&rule));
                changes.extend(self.attached(&rule, status));
                changes.push(put(&rule, CodeChange::Remove));
                rule.base()
            }
            Collection::Apis => return Err(unreadable()),
        };
        changes.push(Mark::new(path, Standing::Copy(base)).kept_for(viewer));
        Ok(changes)
    }

    /// Leaves an entity what is its own, if it is shown with more.
    fn leave_own<E: Heir + Based>(&self, shown: Shown, entity: &mut E) {
        if shown == Shown::Own {
            return;
        }
        let old = self.catalog().get::<E>(&entity.path()).ok();
        let known = old.filter(|old| old.base() == entity.base());
        let known = known.map_or_else(Parameters::default, |mut old| {
            std::mem::take(old.parameters())
        });
        self.disinherit(entity, &known);
    }

    /// The trigger of a rule, if it is here, with the rule attached to it.
    pub(super) fn attached(&self, rule: &Rule, status: RuleStatus) -> Option<Change> {
        let mut trigger: Trigger = self.catalog().get(&rule.trigger.to_string()).ok()?;
        let action = rule.action.clone();
        let rules = trigger.rules.get_or_insert_default();
        // Without a new time: it is the master's, until that tells another.
        rules.insert(rule.path(), ReducedRule { action, status });
        Some(Change::Put(change(&trigger, CodeChange::Keep)))
    }

    /// The trigger that a rule had before, if it has another now, without the rule.
    fn moved(&self, rule: &Rule) -> Option<Change> {
        let old: Rule = self.catalog().get(&rule.path()).ok()?;
        if old.trigger == rule.trigger {
            return None;
        }
        self.off_its_trigger(&rule.path())
    }
}

/// The write of an entity as the master has it, whatever is here.
fn put<E: Entity>(entity: &E, code: CodeChange) -> Change {
    Change::Put(EntityWrite {
        expect: Expect::Any,
        ..creation(entity, code)
    })
}
