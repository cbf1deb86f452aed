//! A sequence or composition under way: its children, one after another, what the store knows of
//! it meanwhile, and its end.
//!
//! Every activation inside is a task of its own and answers through a channel, however deep it is
//! nested: no stack grows, and a child that is late goes on when nobody waits for it any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use smol::channel::bounded;
use smol::{Task, Timer};

use super::account::{Account, Form};
use super::answer::Landed;
use super::pending::{self, Open};
use super::run::{Flown, Runner};
use super::within::Within;
use super::{Call, Inner};
use crate::catalog::Resolved;
use crate::clock::now;
use crate::entity::{Activation, ActivationId, Response};

/// A sequence or composition under way.
pub(super) struct Composite {
    inner: Arc<Inner>,
    form: Form,
    flown: Flown,
    account: Account,
    /// Children whose records may not be in the store yet.
    open: Vec<Child>,
}

struct Child {
    open: Open,
    task: Task<()>,
}

/// Why a child gave no result.
pub(super) enum NoResult {
    /// It has taken too long, and goes on alone.
    Late(ActivationId),
    /// Its task is gone.
    Lost,
}

impl Composite {
    /// Begins. From here on the store knows that it runs: a restart closes it.
    pub(super) fn begin(inner: Arc<Inner>, flown: Flown, form: Form) -> Self {
        let wait = flown.received.elapsed().as_millis();
        let composite = Composite {
            form,
            account: Account::new(now(), u64::try_from(wait).unwrap_or(u64::MAX)),
            open: Vec::new(),
            inner,
            flown,
        };
        composite.note(None);
        composite
    }

    /// Waits, for one that was promised, until it is sure that a restart will not run it: its
    /// children may have been run by then.
    pub(super) async fn begun(&self) {
        if self.flown.sender.is_some() {
            return;
        }
        let id = self.flown.id;
        if let Err(error) = self.inner.store.mark_started(id).await {
            log::error!("cannot mark activation {id} as started: {error}");
        }
    }

    /// The call that began it.
    pub(super) fn call(&self) -> &Call {
        &self.flown.call
    }

    /// What runs it.
    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Runs a component and waits for its result.
    ///
    /// # Errors
    /// It gave no result in its time limit and the grace beyond. What runs others is waited for as long as it
    /// takes if it is a sequence: its components have such limits themselves.
    pub(super) async fn component(
        &mut self,
        resolved: Resolved,
        payload: Option<Box<RawValue>>,
        within: Within,
    ) -> Result<Arc<Activation>, NoResult> {
        let call = self.child_call(resolved, payload);
        let runner = Runner::of(&call.action);
        self.run(runner, call, within).await
    }

    /// Runs the conductor of a composition itself, as a plain action, and waits for its result.
    ///
    /// # Errors
    /// As for a component.
    pub(super) async fn conductor(
        &mut self,
        payload: Option<Box<RawValue>>,
    ) -> Result<Arc<Activation>, NoResult> {
        let itself = Resolved {
            action: self.flown.call.action.clone(),
            binding: self.flown.call.binding.clone(),
        };
        let call = self.child_call(itself, payload);
        self.run(Runner::plain(&call.action), call, Within::default())
            .await
    }

    /// Ends: answers, and stores the record when those of the children are stored, so that after
    /// a crash in between this one's pending document still tells of them.
    pub(super) async fn end(self, response: Response) {
        let Composite {
            inner,
            form,
            flown,
            account,
            open,
        } = self;
        let ids = (flown.id, flown.cause);
        let record = account.record(form, &flown.call, ids, now(), response);
        let activation = Arc::new(record);
        let landed = Landed {
            activation: activation.clone(),
            refusal: None,
        };
        let (call, sender) = (&flown.call, flown.sender);
        let waiting = inner
            .answer(call, flown.cause.is_some(), sender, landed)
            .await;
        for child in open {
            child.task.await;
        }
        let (logs, awaited) = (&activation.logs, waiting.is_some());
        let stored = inner
            .store_record(&call.identity, &activation, logs, awaited)
            .await;
        if let Some(waiting) = waiting {
            waiting.give(stored);
        }
    }

    fn child_call(&self, resolved: Resolved, payload: Option<Box<RawValue>>) -> Call {
        let call = &self.flown.call;
        let (identity, transaction) = (call.identity.clone(), call.transaction_id.clone());
        let mut child = Call::new(identity, resolved, payload, transaction, None);
        child.via = call.via.clone();
        child
    }

    async fn run(
        &mut self,
        runner: Runner,
        call: Call,
        within: Within,
    ) -> Result<Arc<Activation>, NoResult> {
        let id = ActivationId::random();
        let call = Arc::new(call);
        let (sender, receiver) = bounded(1);
        let child = Flown {
            call: call.clone(),
            id,
            cause: Some(self.flown.id),
            received: Instant::now(),
            sender: Some(sender),
            flight: self.inner.flight(runner, &call),
        };
        let open = Open::new(id, &call);
        self.account.children.push(id);
        self.open.retain(|child| !child.task.is_finished());
        // Noted before it starts: it may note itself.
        self.note(Some(&open));
        let task = self.inner.start(runner, child, within, None);
        self.open.push(Child { open, task });

        let result = async {
            let landed: Result<Landed, _> = receiver.recv().await;
            landed
                .map(|landed| landed.activation)
                .map_err(|_| NoResult::Lost)
        };
        let activation = if runner == Runner::Sequence {
            result.await
        } else {
            let limit = Duration::from_millis(call.action.limits.timeout);
            let patience = limit + self.inner.settings.component_grace;
            smol::future::or(result, async {
                Timer::after(patience).await;
                Err(NoResult::Late(id))
            })
            .await
        };
        match &activation {
            Ok(activation) => self.account.add(activation),
            Err(_) => self.let_go(runner, &call),
        }
        activation
    }

    /// Lets the last child go on alone: nobody else tells the store of it any more.
    fn let_go(&mut self, runner: Runner, call: &Call) {
        let Some(child) = self.open.pop() else {
            return;
        };
        if !runner.is_composite() {
            let document = pending::running(call, Some(self.flown.id));
            self.inner.store.note_running(child.open.id, document);
        }
        child.task.detach();
    }

    /// Tells the store how far it has come, and of a child that is about to start.
    fn note(&self, next: Option<&Open>) {
        let Flown {
            call, id, cause, ..
        } = &self.flown;
        let open = self.open.iter().map(|child| &child.open).chain(next);
        let open = open.cloned().collect();
        let document = pending::composite(call, *cause, self.form, &self.account, open);
        self.inner.store.note_running(*id, document);
    }
}
