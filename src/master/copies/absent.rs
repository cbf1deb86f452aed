//! What the master has said that there is nothing at, in memory and for a short while: whoever asks
//! for it in a loop does not ask the master each time.

use std::time::Duration;

use super::mark::Viewer;

/// How long it is remembered at most. What is made at the master meanwhile is not seen here before.
const FOR: Duration = Duration::from_secs(5);

/// Most paths that are remembered. A path has up to some hundred bytes.
const MOST: usize = 256;

/// Paths at which there is nothing for a viewer. What is looked up in it is as rare as what is not
/// there, so that it need not be fast.
#[derive(Default)]
pub(super) struct Absent(Vec<(String, Viewer, Duration)>);

impl Absent {
    /// Remembers that there is nothing at a path, as the master has said to a question of then.
    pub(super) fn set(&mut self, path: &str, viewer: &Viewer, asked: Duration) {
        self.0
            .retain(|(known, by, _)| known != path || by != viewer);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push((path.to_owned(), viewer.clone(), asked));
    }

    /// Whether there is nothing at a path, as far as is known. `revalidate` is how long copies are
    /// fresh.
    pub(super) fn has(
        &self,
        path: &str,
        viewer: &Viewer,
        now: Duration,
        revalidate: Duration,
    ) -> bool {
        let mut known = self.0.iter();
        let found = known.find(|(known, by, _)| known == path && by == viewer);
        found.is_some_and(|(.., asked)| now.saturating_sub(*asked) < FOR.min(revalidate))
    }

    /// There may be something at a path now.
    pub(super) fn forget(&mut self, path: &str) {
        self.0.retain(|(known, ..)| known != path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn for_a_short_while_and_each_viewer() {
        let mut absent = Absent::default();
        let other = Viewer::Other("1".into());
        absent.set("ns/a", &Viewer::Owner, at(0));
        let has = |absent: &Absent, viewer: &Viewer, now| absent.has("ns/a", viewer, now, HOUR);
        assert!(has(&absent, &Viewer::Owner, at(4999)));
        assert!(!has(&absent, &Viewer::Owner, at(5000)));
        assert!(!has(&absent, &other, at(0)));
        absent.set("ns/a", &other, at(1));
        absent.set("ns/a", &Viewer::Owner, at(4000));
        assert!(has(&absent, &Viewer::Owner, at(8000)));
        assert_eq!(absent.0.len(), 2);
        absent.forget("ns/a");
        assert!(!has(&absent, &Viewer::Owner, at(4000)) && !has(&absent, &other, at(4000)));
    }

    #[test]
    fn no_longer_than_a_copy_is_fresh() {
        let mut absent = Absent::default();
        absent.set("ns/a", &Viewer::Owner, at(0));
        let has = |now, revalidate| absent.has("ns/a", &Viewer::Owner, now, revalidate);
        assert!(has(at(999), at(1000)) && !has(at(1000), at(1000)));
        assert!(!has(at(0), Duration::ZERO));
    }

    #[test]
    fn bounded() {
        let mut absent = Absent::default();
        for i in 0..=MOST {
            absent.set(&i.to_string(), &Viewer::Owner, at(0));
        }
        assert_eq!(absent.0.len(), MOST);
        assert!(!absent.has("0", &Viewer::Owner, at(0), HOUR));
        assert!(absent.has("1", &Viewer::Owner, at(0), HOUR));
    }
}
