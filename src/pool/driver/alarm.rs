//! Tells the pool of the time, when it needs to know: sleeps until then, or for as long as there
//! is nothing that time could change.

use std::sync::Weak;
use std::time::Instant;

use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::Inner;
use super::watch::Asked;

/// Wakes [`ticks`] because it would wake up too late.
pub(super) struct Alarm(Sender<()>);

impl Alarm {
    pub(super) fn new() -> (Self, Receiver<()>) {
        let (alarm, bell) = bounded(1);
        (Alarm(alarm), bell)
    }

    pub(super) fn ring(&self) {
        let _ = self.0.try_send(());
    }
}

/// Tells the pool of the time until it is no more.
pub(super) async fn ticks(inner: Weak<Inner>, bell: Receiver<()>) {
    let mut asked = Asked::Not;
    let mut stalled = false;
    loop {
        let due = {
            let Some(inner) = inner.upgrade() else { return };
            let mut state = inner.lock();
            let mut decisions = Vec::new();
            state.tick(Instant::now(), stalled, &mut decisions);
            state.ask_kernel(&mut asked);
            let due = state.next_tick();
            state.armed = due;
            inner.carry_out(state, decisions);
            due
        };
        let rung = async { bell.recv().await.ok().map(|()| false) };
        let timer = async {
            match due {
                Some(due) => _ = Timer::at(due).await,
                None => std::future::pending().await,
            }
            Some(false)
        };
        let told = async {
            asked.stalled().await;
            Some(true)
        };
        stalled = match or(rung, or(timer, told)).await {
            Some(stalled) => stalled,
            None => return,
        };
    }
}
