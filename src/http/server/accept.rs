//! The loop that takes connections from a listening socket.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smol::Timer;

use super::socket::Listener;
use super::{Shared, connection};
use crate::Executor;

/// First and longest pause after an error of the kernel, such as no free file descriptors.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Takes connections from a socket, for ever.
pub(super) async fn accept<S>(executor: Executor, shared: Arc<Shared<S>>, listener: Listener)
where
    S: Clone + Send + Sync + 'static,
{
    let mut pause = BACK_OFF.0;
    loop {
        let (socket, ends) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => {
                log::debug!("a connection was gone before it was accepted: {error}");
                continue;
            }
            Err(error) => {
                log::error!("cannot accept connections, trying again: {error}");
                // Idle connections may hold the file descriptors that are missing.
                shared.signals.set_crowded(true);
                Timer::after(pause).await;
                shared.signals.set_crowded(false);
                pause = (pause * 2).min(BACK_OFF.1);
                continue;
            }
        };
        pause = BACK_OFF.0;
        // This one waits in hand, those behind it in the kernel's queue.
        let slot = match shared.slots.try_acquire_arc() {
            Some(slot) => slot,
            None => {
                log::debug!("too many connections: idle ones are closed");
                shared.signals.set_crowded(true);
                let slot = shared.slots.acquire_arc().await;
                shared.signals.set_crowded(false);
                slot
            }
        };
        shared.signals.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(shared.clone());
        executor
            .spawn(async move {
                let _slot = slot;
                connection::drive(open.0.clone(), socket, ends).await;
            })
            .detach();
    }
}

/// Errors that say something about the connection rather than the socket (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
    )
}

/// Counts a connection for as long as it lives.
struct Open<S>(Arc<Shared<S>>);

impl<S> Drop for Open<S> {
    fn drop(&mut self) {
        self.0.signals.open.fetch_sub(1, Ordering::SeqCst);
        self.0.signals.gone.notify(usize::MAX);
    }
}
