//! The profiles of the actions that are called most.

use std::collections::HashMap;
use std::sync::Arc;

use super::profile::Profile;

/// Profiles that are kept; beyond, the least used goes. About 60 KB in all.
const MOST: usize = 256;

/// Profiles, found by whose they are.
#[derive(Debug, Default)]
pub(super) struct Book {
    numbers: HashMap<Arc<str>, usize>,
    /// By number; places of profiles that have gone are taken again.
    pages: Vec<Page>,
    /// Counts what was put somewhere, so that a bookmark from before finds nothing.
    edition: u32,
    /// Whose profiles have gone, and are still in the store.
    gone: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Page {
    whose: Arc<str>,
    profile: Profile,
    edition: u32,
}

/// Leads to a profile without looking for its name, and to none when that has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bookmark {
    number: usize,
    edition: u32,
}

impl Book {
    /// The profile of `whose`, if there is one.
    pub(super) fn find(&mut self, whose: &str) -> Option<(Bookmark, &mut Profile)> {
        let number = *self.numbers.get(whose)?;
        let page = &mut self.pages[number];
        let bookmark = Bookmark {
            number,
            edition: page.edition,
        };
        Some((bookmark, &mut page.profile))
    }

    /// The profile of `whose`; a new one takes the place of the least used, if need be.
    pub(super) fn profile(&mut self, now: i64, whose: &str) -> &mut Profile {
        if let Some(number) = self.numbers.get(whose) {
            return &mut self.pages[*number].profile;
        }
        self.insert(now, whose, Profile::default())
    }

    /// Puts a profile in.
    pub(super) fn insert(&mut self, now: i64, whose: &str, profile: Profile) -> &mut Profile {
        let whose: Arc<str> = whose.into();
        self.gone.retain(|gone| *gone != whose);
        let number = match self.numbers.get(&whose) {
            Some(number) => *number,
            None if self.pages.len() < MOST => {
                self.pages.push(Page {
                    whose: whose.clone(),
                    profile: Profile::default(),
                    edition: 0,
                });
                self.pages.len() - 1
            }
            None => {
                let number = self.least_used(now);
                self.leave(number);
                number
            }
        };
        self.numbers.insert(whose.clone(), number);
        self.edition += 1;
        let page = &mut self.pages[number];
        *page = Page {
            whose,
            profile,
            edition: self.edition,
        };
        &mut page.profile
    }

    /// Forgets the profile of `whose`.
    pub(super) fn forget(&mut self, whose: &str) {
        let Some(number) = self.numbers.get(whose).copied() else {
            return;
        };
        self.leave(number);
        // The last page moves to the free place: bookmarks to both find nothing any more.
        self.pages.swap_remove(number);
        if let Some(moved) = self.pages.get(number) {
            self.numbers.insert(moved.whose.clone(), number);
        }
    }

    /// What is at a number is to be found no more.
    fn leave(&mut self, number: usize) {
        let Page { whose, profile, .. } = &self.pages[number];
        self.numbers.remove(whose);
        if profile.is_kept {
            self.gone.push(whose.clone());
        }
    }

    /// The profile at a bookmark.
    pub(super) fn at(&self, bookmark: Bookmark) -> Option<&Profile> {
        let page = self.pages.get(bookmark.number)?;
        (page.edition == bookmark.edition).then_some(&page.profile)
    }

    /// Every profile.
    pub(super) fn each(&mut self) -> impl Iterator<Item = (Bookmark, &Arc<str>, &mut Profile)> {
        self.pages.iter_mut().enumerate().map(|(number, page)| {
            let bookmark = Bookmark {
                number,
                edition: page.edition,
            };
            (bookmark, &page.whose, &mut page.profile)
        })
    }

    /// Whose profiles have gone since this was asked last, of those that the store has.
    pub(super) fn take_gone(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.gone)
    }

    fn least_used(&self, now: i64) -> usize {
        let pages = self.pages.iter().enumerate();
        let used = |page: &Page| (page.profile.use_at(now), page.profile.last);
        let least = pages.min_by(|(_, one), (_, other)| {
            let ((one, one_last), (other, other_last)) = (used(one), used(other));
            one.total_cmp(&other).then(one_last.cmp(&other_last))
        });
        least.map_or(0, |(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(book: &mut Book, now: i64, whose: &str) {
        let profile = book.profile(now, whose);
        profile.is_kept = true;
        profile.arrived(now, 20_000);
        profile.ended(now);
    }

    #[test]
    fn the_least_used_makes_room() {
        let mut book = Book::default();
        for round in 0..3 {
            for number in 0..MOST as i64 {
                called(&mut book, round * 1_000_000 + number, &number.to_string());
            }
        }
        for _ in 0..2 {
            called(&mut book, 4_000_000, "17");
        }
        let bookmark = book.find("0").unwrap().0;
        // "0" has not been called for longest among equals.
        called(&mut book, 5_000_000, "new");
        assert!(book.find("0").is_none() && book.at(bookmark).is_none());
        assert!(book.find("17").is_some() && book.find("new").is_some());
        // New ones replace each other before what is in use goes.
        called(&mut book, 5_000_001, "newer");
        assert!(book.find("new").is_none() && book.find("1").is_some());
        let gone: Vec<_> = book.take_gone();
        assert_eq!(
            gone.iter().map(|name| &**name).collect::<Vec<_>>(),
            ["0", "new"]
        );
        assert_eq!(book.each().count(), MOST);
    }

    #[test]
    fn what_is_forgotten_is_found_no_more_and_the_others_are() {
        let mut book = Book::default();
        for whose in ["a", "b", "c"] {
            called(&mut book, 1, whose);
        }
        let [a, c] = ["a", "c"].map(|whose| book.find(whose).unwrap().0);
        book.forget("a");
        book.forget("nobody");
        assert_eq!(book.at(a), None);
        assert_eq!(book.at(c), None, "it has moved");
        called(&mut book, 1, "e");
        assert_eq!(book.at(c), None, "another has its place");
        assert!(book.find("a").is_none());
        for whose in ["b", "c"] {
            let bookmark = book.find(whose).unwrap().0;
            assert_eq!(book.at(bookmark).unwrap().last, Some(1));
        }
        assert_eq!(book.take_gone().len(), 1);
        // Who comes back is not gone, and who was never kept leaves nothing behind.
        book.forget("b");
        called(&mut book, 2, "b");
        book.profile(3, "d");
        book.forget("d");
        assert!(book.take_gone().is_empty());
    }
}
