//! When copies were last compared with the master's, in memory: to look is all that a fresh copy
//! costs.

use std::collections::HashMap;
use std::time::Duration;

use super::mark::Viewer;

/// Most paths that are remembered. A path has up to some hundred bytes.
const MOST_PATHS: usize = 4096;

/// Most viewers of one path that are remembered.
const MOST_VIEWERS: usize = 64;

/// What is remembered of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    /// It was compared then, on the clock that is passed in.
    Compared(Duration),
    /// It has been changed at the master since it was compared.
    Outdated,
    /// The master does not know it.
    Kept,
}

impl Remembered {
    /// The age of the copy; none if it does not matter how old it is.
    pub(super) fn age(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Compared(at) => Some(now.saturating_sub(at)),
            Self::Outdated | Self::Kept => None,
        }
    }
}

/// What is remembered of copies, by path and viewer. What is forgotten is read from the store
/// again, where a copy is as old as its last change.
#[derive(Default)]
pub(super) struct Checked(HashMap<String, Vec<(Viewer, Remembered)>>);

impl Checked {
    /// What is remembered of a viewer's copy.
    pub(super) fn get(&self, path: &str, viewer: &Viewer) -> Option<Remembered> {
        let viewers = self.0.get(path)?;
        let found = viewers.iter().find(|(known, _)| known == viewer);
        found.map(|&(_, remembered)| remembered)
    }

    /// Remembers a viewer's copy.
    pub(super) fn set(&mut self, path: &str, viewer: &Viewer, remembered: Remembered) {
        if !self.0.contains_key(path) && self.0.len() >= MOST_PATHS {
            self.make_room();
        }
        let viewers = self.0.entry(path.to_owned()).or_default();
        viewers.retain(|(known, _)| known != viewer);
        if viewers.len() >= MOST_VIEWERS {
            viewers.remove(0);
        }
        viewers.push((viewer.clone(), remembered));
    }

    /// Remembers a viewer's copy that has replaced what others have seen.
    pub(super) fn set_alone(&mut self, path: &str, viewer: &Viewer, remembered: Remembered) {
        self.0.remove(path);
        self.set(path, viewer, remembered);
    }

    /// A path has been changed at the master: whoever is remembered to have a copy asks first.
    pub(super) fn outdate(&mut self, path: &str) {
        for (_, remembered) in self.0.get_mut(path).into_iter().flatten() {
            if *remembered != Remembered::Kept {
                *remembered = Remembered::Outdated;
            }
        }
    }

    /// [`Checked::outdate`] for everything in a package.
    pub(super) fn outdate_in(&mut self, package: &str) {
        let inside = |path: &&String| {
            path.strip_prefix(package)
                .is_some_and(|p| p.starts_with('/'))
        };
        let paths: Vec<String> = self.0.keys().filter(inside).cloned().collect();
        for path in paths {
            self.outdate(&path);
        }
    }

    /// Forgets a viewer's copy.
    pub(super) fn forget(&mut self, path: &str, viewer: &Viewer) {
        if let Some(viewers) = self.0.get_mut(path) {
            viewers.retain(|(known, _)| known != viewer);
        }
    }

    /// Forgets all copies of a path.
    pub(super) fn forget_all(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// Forgets the path that was compared first.
    fn make_room(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, viewers)| {
            let compared = viewers.iter().map(|(_, remembered)| match remembered {
                Remembered::Compared(at) => *at,
                Remembered::Outdated | Remembered::Kept => Duration::ZERO,
            });
            compared.max()
        });
        if let Some(path) = oldest.map(|(path, _)| path.clone()) {
            self.0.remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Remembered {
        Remembered::Compared(Duration::from_secs(seconds))
    }

    fn other(uuid: usize) -> Viewer {
        Viewer::Other(uuid.to_string())
    }

    #[test]
    fn each_viewer_for_itself() {
        let mut checked = Checked::default();
        assert_eq!(checked.get("o/p", &other(1)), None);
        checked.set("o/p", &other(1), at(1));
        checked.set("o/p", &other(2), at(2));
        assert_eq!(checked.get("o/p", &other(1)), Some(at(1)));
        assert_eq!(checked.get("o/p", &Viewer::Owner), None);
        checked.set("o/p", &other(1), at(3));
        assert_eq!(checked.get("o/p", &other(1)), Some(at(3)));
        checked.set_alone("o/p", &other(2), at(4));
        assert_eq!(checked.get("o/p", &other(1)), None);
        checked.forget("o/p", &other(2));
        assert_eq!(checked.get("o/p", &other(2)), None);
    }

    #[test]
    fn changes_at_the_master() {
        let mut checked = Checked::default();
        for path in ["ns/p", "ns/p/a", "ns/pa", "ns/p/kept"] {
            checked.set(path, &Viewer::Owner, at(1));
        }
        checked.set("ns/p/kept", &Viewer::Owner, Remembered::Kept);
        checked.outdate_in("ns/p");
        let now = |path: &str| checked.get(path, &Viewer::Owner).unwrap();
        assert_eq!(now("ns/p/a"), Remembered::Outdated);
        assert_eq!(now("ns/p/a").age(Duration::from_secs(9)), None);
        assert_eq!(now("ns/p/kept"), Remembered::Kept);
        for path in ["ns/p", "ns/pa"] {
            assert_eq!(
                now(path).age(Duration::from_secs(9)),
                Some(Duration::from_secs(8))
            );
        }
        checked.outdate("ns/p");
        assert_eq!(
            checked.get("ns/p", &Viewer::Owner),
            Some(Remembered::Outdated)
        );
        checked.outdate("ns/unknown");
        assert_eq!(checked.get("ns/unknown", &Viewer::Owner), None);
        checked.forget_all("ns/p");
        assert_eq!(checked.get("ns/p", &Viewer::Owner), None);
    }

    #[test]
    fn bounded() {
        let mut checked = Checked::default();
        for i in 0..=MOST_PATHS {
            checked.set(&i.to_string(), &Viewer::Owner, at(i as u64 + 1));
        }
        assert_eq!(checked.0.len(), MOST_PATHS);
        assert_eq!(checked.get("0", &Viewer::Owner), None);
        assert!(checked.get("1", &Viewer::Owner).is_some());
        for i in 0..=MOST_VIEWERS {
            checked.set("1", &other(i), at(1));
        }
        assert_eq!(checked.0["1"].len(), MOST_VIEWERS);
        assert!(checked.get("1", &other(MOST_VIEWERS)).is_some());
    }
}
