//! Work that blocks, away from the thread that everything else runs on.
//!
//! It is rare here (a look-up of a name, the end of the store), so each piece gets a thread that
//! ends with it. smol's pool would keep one for ever that wakes up twice a second, on a device
//! that may have nothing to do for days.

use std::io;

use smol::channel::bounded;

/// Starts `work` on a thread of its own, at once; the future gives its result.
///
/// # Errors
/// No thread could be started, or the work panicked.
pub fn unblock<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = io::Result<T>> {
    let (sender, receiver) = bounded(1);
    let started = std::thread::Builder::new()
        .name("owl-blocking".to_owned())
        .spawn(move || {
            // Nobody may wait any more; the work is done all the same.
            let _ = sender.try_send(work());
        });
    async move {
        started?;
        let ended = |_| io::Error::other("the work on a thread of its own has panicked");
        receiver.recv().await.map_err(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_result_or_tells_of_a_panic() {
        assert_eq!(smol::block_on(unblock(|| 6 * 7)).unwrap(), 42);
        let result = smol::block_on(unblock(|| {
            std::panic::resume_unwind(Box::new("no message"));
        }));
        assert!(result.is_err());
    }
}
