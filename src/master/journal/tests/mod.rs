//! The journal over a real store, with a master that is a model.

mod cloud;
mod decisions;
mod endings;
mod gateway;
mod property;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// Polls a future so often, and gives it up then: as good as a crash between two steps.
async fn polled<T>(times: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut left = times;
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
