//! Random bytes, in stock: the kernel is asked once for a thousand of them, not for each id.
//!
//! For names that must differ from each other and not be guessed. Keys are made of bytes that
//! nobody else ever had in memory: those come from the kernel one by one.

use std::sync::Mutex;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroize;

use crate::sync::lock;

/// Bytes that are got at a time.
const STOCK: usize = 1024;

static SHARED: Mutex<Stock> = Mutex::new(Stock::EMPTY);

/// Random bytes that nobody else gets: 1 KB of them at most.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= STOCK) };
    let mut out = [0; N];
    lock(&SHARED).take(&mut out, |stock| {
        SystemRandom::new()
            .fill(stock)
            .expect("the kernel gives random bytes");
    });
    out
}

/// Bytes of which the first `left` have not been given away.
///
/// A child process that went on with the memory of this one would have the same; all that this
/// program starts begin with another program (exec).
struct Stock {
    bytes: [u8; STOCK],
    left: usize,
}

impl Stock {
    const EMPTY: Stock = Stock {
        bytes: [0; STOCK],
        left: 0,
    };

    /// Gives bytes away. What is given is wiped here, so that what is in memory later tells nothing
    /// of what was in use before.
    fn take(&mut self, out: &mut [u8], refill: impl FnOnce(&mut [u8])) {
        if self.left < out.len() {
            refill(&mut self.bytes);
            self.left = STOCK;
        }
        let rest = self.left - out.len();
        let given = &mut self.bytes[rest..self.left];
        out.copy_from_slice(given);
        given.zeroize();
        self.left = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_byte_is_given_twice_and_none_is_kept() {
        let mut stock = Stock::EMPTY;
        let mut refills = 0;
        let mut given = HashSet::new();
        // 30 does not divide the stock: what is left of it is not given.
        for _ in 0..100 {
            let mut out = [0; 30];
            stock.take(&mut out, |bytes| {
                refills += 1;
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = (at / 30 + 1) as u8;
                }
            });
            assert!(!out.contains(&0));
            given.insert((refills, out));
            let kept = stock.bytes.iter().filter(|byte| **byte != 0).count();
            assert_eq!(kept, stock.left);
        }
        assert_eq!(given.len(), 100);
        assert_eq!(refills, 100_usize.div_ceil(STOCK / 30));
    }

    #[test]
    fn all_of_several_threads_differ() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..500).map(|_| bytes::<16>()).collect::<Vec<_>>()))
            .collect();
        let all: HashSet<[u8; 16]> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(all.len(), 2000);
        assert!(all.iter().all(|bytes| bytes.iter().any(|byte| *byte != 0)));
    }
}
