//! Questions that are under way: a few at once, and each only once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use smol::lock::{OnceCell, Semaphore};

use super::wrong::Print;
use crate::sync::lock;

/// So many questions wait already that another one must not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Questions with answers of one type.
pub(super) struct Questions<T> {
    /// By what they are about. Each has at least one who waits for it.
    open: Mutex<HashMap<Print, Arc<OnceCell<T>>>>,
    most: usize,
    permits: Semaphore,
}

impl<T: Clone> Questions<T> {
    /// With as many `at_once`, and so many at `most` that have to wait for others, too.
    pub(super) fn new(at_once: usize, most: usize) -> Self {
        Questions {
            open: Mutex::default(),
            most,
            permits: Semaphore::new(at_once),
        }
    }

    /// Asks a question. If the same is asked already, its answer is shared, and if those who asked
    /// first go away without one, it is asked again for those who stay.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(super) async fn ask(
        &self,
        about: Print,
        question: impl Future<Output = T>,
    ) -> Result<T, TooMany> {
        let waiting = self.join(about)?;
        let ask = async {
            let _permit = self.permits.acquire().await;
            question.await
        };
        Ok(waiting.cell.get_or_init(|| ask).await.clone())
    }

    fn join(&self, about: Print) -> Result<Waiting<'_, T>, TooMany> {
        let mut open = lock(&self.open);
        if !open.contains_key(&about) && open.len() >= self.most {
            return Err(TooMany);
        }
        let cell = open.entry(about).or_default().clone();
        Ok(Waiting {
            questions: self,
            about,
            cell,
        })
    }
}

/// One who waits for an answer.
struct Waiting<'a, T> {
    questions: &'a Questions<T>,
    about: Print,
    cell: Arc<OnceCell<T>>,
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let mut open = lock(&self.questions.open);
        // An answer is for those who have waited for it, and a question for those who still do.
        let is_settled = self.cell.is_initialized() || Arc::strong_count(&self.cell) <= 2;
        let is_own = |cell: &Arc<OnceCell<T>>| Arc::ptr_eq(cell, &self.cell);
        if is_settled && open.get(&self.about).is_some_and(is_own) {
            open.remove(&self.about);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;
    use smol::future::{poll_once, zip};
    use smol::{block_on, channel};

    fn print(number: u8) -> Print {
        [number; 32]
    }

    #[test]
    fn the_same_question_is_asked_once() {
        let questions = Questions::new(4, 8);
        let asked = Cell::new(0);
        let (sender, receiver) = channel::bounded(1);
        let ask = || {
            questions.ask(print(1), async {
                asked.set(asked.get() + 1);
                receiver.recv().await.unwrap()
            })
        };
        let answers = block_on(async {
            let (one, other) = (ask(), ask());
            let answer = async {
                smol::future::yield_now().await;
                sender.send(7).await.unwrap();
            };
            zip(zip(one, other), answer).await.0
        });
        assert_eq!((answers, asked.get()), ((Ok(7), Ok(7)), 1));
        // Its answer is not for those who come later.
        sender.try_send(8).unwrap();
        assert_eq!(block_on(ask()), Ok(8));
        assert!(lock(&questions.open).is_empty());
    }

    #[test]
    fn who_stays_asks_again() {
        let questions = Questions::new(1, 8);
        block_on(async {
            let mut gone = Box::pin(questions.ask(print(1), pending()));
            assert!(poll_once(&mut gone).await.is_none());
            let mut stays = Box::pin(questions.ask(print(1), async { 7 }));
            assert!(poll_once(&mut stays).await.is_none());
            drop(gone);
            assert_eq!(stays.await, Ok(7));
        });
        assert!(lock(&questions.open).is_empty());
    }

    #[test]
    fn few_at_once_and_a_bounded_line() {
        let questions = Questions::new(1, 2);
        block_on(async {
            let mut first = Box::pin(questions.ask(print(1), pending()));
            assert!(poll_once(&mut first).await.is_none());
            let mut second = Box::pin(questions.ask(print(2), async { 7 }));
            assert!(poll_once(&mut second).await.is_none());
            assert_eq!(questions.ask(print(3), async { 7 }).await, Err(TooMany));
            drop(first);
            assert_eq!(second.await, Ok(7));
            assert_eq!(questions.ask(print(3), async { 8 }).await, Ok(8));
        });
        assert!(lock(&questions.open).is_empty());
    }
}
