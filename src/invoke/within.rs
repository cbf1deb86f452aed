//! What the activations of one request share that are inside sequences and compositions: how many
//! more of them there may be (reference sections 5.2 and 5.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Sequences and compositions inside one another, the outermost included. The limits of what they
/// run do not bound this: one that has come to contain itself, through changes after it was made,
/// runs nothing on its way down.
pub(super) const MOST_NESTED: u32 = 50;

/// Where an activation stands: inside which sequence and which composition, and how deep.
#[derive(Clone, Default)]
pub(super) struct Within {
    depth: u32,
    sequence: Option<Arc<Allowance>>,
    composition: Option<Arc<Steps>>,
}

/// How often something may still happen.
pub(super) struct Allowance(AtomicU32);

impl Allowance {
    fn new(most: u32) -> Self {
        Allowance(AtomicU32::new(most))
    }

    /// Uses one up, if there is one.
    pub(super) fn take(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    /// Whether all are used up.
    pub(super) fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// What a composition and all compositions inside it may still do.
pub(super) struct Steps {
    /// Components to invoke, sequences as one.
    pub(super) components: Allowance,
    /// Calls of conductors: one before, between and after the components.
    pub(super) conductors: Allowance,
}

impl Within {
    /// What the components of a sequence that stands here share with it and with each other: the
    /// atomic actions that may still run. None if it stands too deep. `length` is the largest
    /// length of a sequence.
    pub(super) fn sequence(&self, length: u32) -> Option<(Within, Arc<Allowance>)> {
        let atoms = match &self.sequence {
            Some(atoms) => atoms.clone(),
            None => Arc::new(Allowance::new(length)),
        };
        let within = Within {
            depth: self.deeper()?,
            sequence: Some(atoms.clone()),
            composition: self.composition.clone(),
        };
        Some((within, atoms))
    }

    /// The same for a composition that stands here. It shares its steps with the composition that
    /// it is in, also through a sequence; a sequence among its components counts for itself.
    pub(super) fn composition(&self, length: u32) -> Option<(Within, Arc<Steps>)> {
        let steps = match &self.composition {
            Some(steps) => steps.clone(),
            None => Arc::new(Steps {
                components: Allowance::new(length),
                conductors: Allowance::new(length.saturating_mul(2).saturating_add(1)),
            }),
        };
        let within = Within {
            depth: self.deeper()?,
            sequence: None,
            composition: Some(steps.clone()),
        };
        Some((within, steps))
    }

    fn deeper(&self) -> Option<u32> {
        (self.depth < MOST_NESTED).then_some(self.depth + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(allowance: &Allowance) -> usize {
        (0..1000).take_while(|_| allowance.take()).count()
    }

    #[test]
    fn sequences_inside_one_another_share_their_atoms() {
        let (inner, outer_atoms) = Within::default().sequence(3).unwrap();
        assert!(outer_atoms.take());
        let (_, inner_atoms) = inner.sequence(3).unwrap();
        assert_eq!(times(&inner_atoms), 2);
        assert!(outer_atoms.is_used_up() && !outer_atoms.take());
    }

    #[test]
    fn compositions_inside_one_another_share_their_steps() {
        // 11.10-245, 11.10-246
        let (inside, steps) = Within::default().composition(3).unwrap();
        assert!(steps.conductors.take() && steps.components.take());
        // A sequence in between counts its own atoms, and hands the steps on.
        let (in_sequence, atoms) = inside.sequence(3).unwrap();
        let (again, nested) = in_sequence.composition(3).unwrap();
        assert_eq!(
            (times(&nested.components), times(&nested.conductors)),
            (2, 6)
        );
        assert_eq!(times(&atoms), 3);
        let (_, atoms) = again.sequence(3).unwrap();
        assert_eq!(times(&atoms), 3);
    }

    #[test]
    fn compositions_side_by_side_share_nothing() {
        let (inside, _) = Within::default().sequence(3).unwrap();
        for _ in 0..2 {
            let (_, steps) = inside.composition(3).unwrap();
            assert_eq!(times(&steps.conductors), 7);
        }
    }

    #[test]
    fn depth_ends() {
        let mut within = Within::default();
        for _ in 0..MOST_NESTED / 2 {
            within = within.sequence(1).unwrap().0;
            within = within.composition(1).unwrap().0;
        }
        assert!(within.sequence(1).is_none());
        assert!(within.composition(1).is_none());
    }
}
