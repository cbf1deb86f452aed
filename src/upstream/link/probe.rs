//! Asking another OpenWhisk whether it is there.

use std::time::Instant;

use hyper::Method;
use smol::Timer;
use smol::future::or;

use super::super::{Judged, Outgoing};
use super::{Upstream, Verdict, chance};
use crate::sync::lock;

/// What is asked to learn whether an OpenWhisk is there: it needs no key (reference section 1.11).
pub(super) const PROBE: &str = "/api/v1";

impl Upstream {
    /// Asks it from time to time whether it is there, once at the beginning and then while there
    /// is doubt: a task that has to run as long as this is used. At rest it waits for no time.
    pub async fn watch(self) {
        loop {
            self.probe().await;
            self.until_doubted().await;
        }
    }

    /// Waits until a probe is due.
    async fn until_doubted(&self) {
        loop {
            let turned = self.0.turned.listen();
            let probe_at = lock(&self.0.known).probe_at();
            match probe_at {
                Some(at) if at <= Instant::now() => return,
                Some(at) => {
                    let due = async {
                        Timer::at(at).await;
                    };
                    or(due, turned).await;
                }
                None => turned.await,
            }
        }
    }

    /// Asks for what needs no key, and as little as possible; [`Upstream::watch`] knows when.
    pub async fn probe(&self) {
        let epoch = lock(&self.0.known).epoch();
        let mut probe = Outgoing::new(Method::GET, PROBE);
        probe.short = true;
        let answer = self.0.exchange.send(probe).await;
        self.0.counts.add_probe();
        let verdict = match &answer {
            Ok(answer) => Verdict::of_answer(Judged::ByStatus, answer.status, &answer.headers),
            Err(error) => Verdict::of_error(error),
        };
        self.learn(|known, now| known.learn_of_probe(&verdict, epoch, now, chance()));
    }
}
