//! Tells the pool of the time, when it needs to know: sleeps until then, or for as long as there
//! is nothing that time could change.

use std::sync::Weak;
use std::time::Instant;

use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};

use super::Inner;

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
    loop {
        let due = {
            let Some(inner) = inner.upgrade() else { return };
            let mut state = inner.lock();
            let mut decisions = Vec::new();
            state.pool.tick(Instant::now(), &mut decisions);
            let due = state.pool.next_tick();
            state.armed = due;
            inner.carry_out(state, decisions);
            due
        };
        let rung = async { bell.recv().await.is_ok() };
        let go_on = match due {
            Some(due) => {
                smol::future::or(rung, async {
                    Timer::at(due).await;
                    true
                })
                .await
            }
            None => rung.await,
        };
        if !go_on {
            return;
        }
    }
}
