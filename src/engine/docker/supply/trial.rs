//! A container whose image is made for other machines, and may run all the same: by processors
//! that know both, or by emulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use smol::Timer;

use super::{Choice, Supply};
use crate::engine::{Mismatch, StartError};

/// What the kernel says of a program that it cannot run, as runtimes of containers print it.
const REFUSAL: &str = "exec format error";

/// How long what a container has printed may take to arrive after its end.
const PATIENCE: Duration = Duration::from_millis(500);

/// One such container.
pub(in crate::engine::docker) struct Trial {
    mismatch: Mismatch,
    image: Choice,
    supply: Arc<Supply>,
    refused: AtomicBool,
}

impl Trial {
    /// Of an image; none if that is made for the engine's machine.
    pub(in crate::engine::docker) fn of(supply: &Arc<Supply>, image: &Choice) -> Option<Arc<Self>> {
        Some(Arc::new(Trial {
            mismatch: image.mismatch.clone()?,
            image: image.clone(),
            supply: supply.clone(),
            refused: AtomicBool::new(false),
        }))
    }

    /// The container prints something.
    pub(in crate::engine::docker) fn prints(&self, text: &[u8]) {
        if says_refusal(&String::from_utf8_lossy(text)) {
            self.refused.store(true, Ordering::Release);
        }
    }

    /// The engine did not start it: what that means, if the kernel does not run its program.
    pub(in crate::engine::docker) fn refusal(&self, reason: &str) -> Option<StartError> {
        says_refusal(reason).then(|| {
            self.supply.does_not_run(&self.image.id);
            StartError::Foreign {
                image: self.image.reference.clone(),
                mismatch: self.mismatch.clone(),
            }
        })
    }

    /// It has ended before it took anything. Gives the image and for what it is made, if that was
    /// the reason.
    pub(in crate::engine::docker) async fn verdict(&self) -> Option<(String, Mismatch)> {
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while !self.refused.load(Ordering::Acquire) {
            if waited >= PATIENCE {
                return None;
            }
            Timer::after(step).await;
            waited += step;
        }
        self.supply.does_not_run(&self.image.id);
        Some((self.image.reference.clone(), self.mismatch.clone()))
    }
}

fn says_refusal(text: &str) -> bool {
    text.to_ascii_lowercase().contains(REFUSAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runtimes_of_containers_print() {
        for text in [
            "exec /server: exec format error\n",
            "standard_init_linux.go:228: exec user process caused: exec format error",
            "crun: exec container process `/server`: Exec format error: OCI runtime error",
        ] {
            assert!(says_refusal(text), "{text}");
        }
        assert!(!says_refusal("no such file or directory"));
    }
}
