//! Which activation records go, and how they go: the oldest first.

use std::time::Duration;

use heed::RwTxn;

use super::environment::{AnyTxn, Environment};
use super::layout::{HeadHeader, list_key, start_of};
use super::operation::Operation;
use super::types::Change;

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Activation records.
    pub activations: u64,
    /// Bytes of the pages of activation records and their indexes.
    pub activation_bytes: u64,
    /// Bytes of all pages in use.
    pub bytes: u64,
    /// Start of the oldest activation record, in milliseconds since 1970.
    pub oldest: Option<u64>,
    /// Bytes that the store can grow to.
    pub map_size: u64,
}

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of [`Usage::activations`].
    pub(super) activations: u64,
    /// Of [`Usage::activation_bytes`].
    pub(super) activation_bytes: u64,
    /// Milliseconds from the start of a record until it goes.
    pub(super) age: u64,
    /// Pages kept free. Every commit, also one that deletes, writes its pages anew before it gives
    /// back the old ones, and those are free again only two commits later.
    pub(super) reserve: u64,
}

impl Limits {
    /// The reserve for a map of this size.
    pub(super) fn reserve_of(map_size: u64) -> u64 {
        (map_size / 16).clamp(512 << 10, 64 << 20)
    }

    /// Whether the oldest activation must go at the time `now`, if `more` bytes are to be written.
    pub(super) fn exceeded(&self, usage: &Usage, more: u64, now: u64) -> bool {
        let Some(oldest) = usage.oldest else {
            return false;
        };
        usage.activations > self.activations
            || usage.activation_bytes > self.activation_bytes
            || usage.bytes + more > usage.map_size.saturating_sub(self.reserve)
            || now.saturating_sub(oldest) > self.age
    }

    /// Whether the operation can be written once all activations are evicted. Entities leave the
    /// reserve alone; activations may use half of it, so that they go on in a store that is full
    /// of entities; what frees pages may use all of it.
    pub(super) fn fits(&self, usage: &Usage, operation: &Operation) -> bool {
        let kept_free = match operation {
            Operation::PutEntity(_) | Operation::PutKey(_) | Operation::ChangeKey(..) => {
                self.reserve
            }
            Operation::Changes(changes) if changes.iter().any(Change::puts) => self.reserve,
            Operation::Accept(..)
            | Operation::AcceptNew(..)
            | Operation::NoteRunning(..)
            | Operation::PutActivation(_) => self.reserve / 2,
            Operation::MarkStarted(_)
            | Operation::DeleteEntity(..)
            | Operation::DeleteKey(_)
            | Operation::Forget(_)
            | Operation::Changes(_) => 0,
        };
        let others = usage.bytes.saturating_sub(usage.activation_bytes);
        others + operation.bytes() + kept_free <= usage.map_size
    }

    /// Whether activations have to go in commits of their own before `more` bytes are written.
    pub(super) fn needs_eviction(&self, usage: &Usage, more: u64) -> bool {
        let ceiling = usage.map_size.saturating_sub(self.reserve / 2);
        usage.activations > 0 && usage.bytes + more > ceiling
    }

    /// How long until the oldest activation is too old; at least a second, at most an hour.
    pub(super) fn next_expiry(&self, usage: &Usage, now: u64) -> Duration {
        let most = Duration::from_secs(3600);
        let Some(oldest) = usage.oldest else {
            return most;
        };
        let expiry = oldest.saturating_add(self.age).saturating_add(1);
        Duration::from_millis(expiry.saturating_sub(now)).clamp(Duration::from_secs(1), most)
    }
}

impl Environment {
    /// How much is stored. Costs a few page reads, whatever the size.
    pub(super) fn usage(&self, txn: &AnyTxn) -> Result<Usage, heed::Error> {
        let activation_bytes =
            self.bytes_of(txn, &[self.heads, self.tails, self.lists, self.ids])?;
        let others = [
            self.meta,
            self.entities,
            self.code,
            self.entity_list,
            self.pending,
            self.keys,
            self.notes,
        ];
        let oldest = self.heads.first(txn)?.and_then(|(key, _)| start_of(key));
        Ok(Usage {
            activations: self.heads.len(txn)?,
            activation_bytes,
            bytes: activation_bytes + self.bytes_of(txn, &others)?,
            oldest,
            map_size: self.map_size(),
        })
    }
}

/// Removes the oldest activation. False if there is none.
pub(super) fn remove_oldest(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
) -> Result<bool, heed::Error> {
    let Some((key, _)) = environment.heads.first(txn)? else {
        return Ok(false);
    };
    let key = key.to_vec();
    remove(environment, txn, &key)?;
    Ok(true)
}

/// Removes one activation from everywhere.
pub(super) fn remove(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    key: &[u8],
) -> Result<(), heed::Error> {
    let record = environment.heads.get(txn, key)?;
    let header = record.and_then(HeadHeader::split).map(|(header, _)| header);
    if let (Some(header), Ok(time)) = (header, key.try_into()) {
        for group in [&header.namespace, &header.name] {
            environment.lists.delete(txn, &list_key(group, time))?;
        }
    }
    environment.ids.delete(txn, &key[8..])?;
    environment.tails.delete(txn, key)?;
    environment.heads.delete(txn, key)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        activations: 10,
        activation_bytes: 1000,
        age: 60_000,
        reserve: 100,
    };

    const WITHIN: Usage = Usage {
        activations: 10,
        activation_bytes: 1000,
        bytes: 1900,
        oldest: Some(1_000_000),
        map_size: 2000,
    };

    #[test]
    fn each_bound_counts() {
        let now = 1_060_000;
        assert!(!LIMITS.exceeded(&WITHIN, 0, now));
        let over = |usage: Usage| LIMITS.exceeded(&usage, 0, now);
        assert!(over(Usage {
            activations: 11,
            ..WITHIN
        }));
        assert!(over(Usage {
            activation_bytes: 1001,
            ..WITHIN
        }));
        assert!(over(Usage {
            bytes: 1901,
            ..WITHIN
        }));
        assert!(LIMITS.exceeded(&WITHIN, 1, now));
        assert!(LIMITS.exceeded(&WITHIN, 0, now + 1));
    }

    #[test]
    fn nothing_goes_from_an_empty_store_or_by_a_clock_that_is_behind() {
        let empty = Usage {
            oldest: None,
            bytes: 5000,
            ..WITHIN
        };
        assert!(!LIMITS.exceeded(&empty, 0, u64::MAX));
        assert!(!LIMITS.exceeded(&WITHIN, 0, 0));
    }

    #[test]
    fn the_next_expiry_is_bounded() {
        let seconds = |now| LIMITS.next_expiry(&WITHIN, now).as_secs();
        assert_eq!(seconds(1_000_000), 60);
        assert_eq!(seconds(2_000_000), 1);
        assert_eq!(seconds(0), 1060);
        let later = Usage {
            oldest: Some(1 << 50),
            ..WITHIN
        };
        assert_eq!(LIMITS.next_expiry(&later, 0).as_secs(), 3600);
        let empty = Usage {
            oldest: None,
            ..WITHIN
        };
        assert_eq!(LIMITS.next_expiry(&empty, 0).as_secs(), 3600);
    }
}
