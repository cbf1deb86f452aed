//! The disk after a power cut, from what was done to it before: everything synced is there, and of
//! the rest any part. A pure function of the journal and of chance.

use std::collections::{BTreeMap, HashMap};

use super::journal::{Event, File, Naming};
use crate::dice::Dice;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// Sectors of a page, which the kernel writes as a whole to a disk that can.
const PAGE: usize = 4096 / SECTOR;

/// Files by their paths; a folder has no content.
pub type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// What of the writes that were not synced has reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    All,
    /// All of it.
    Nothing,
    /// What came before some moment, and a part of the write of that moment.
    Later,
    /// Of each page what came before some moment of its own.
    Pages,
    /// Of each sector what came before some moment of its own.
    Sectors,
}

impl Loss {
    /// One of them by chance.
    pub fn any(dice: &mut Dice) -> Self {
        use Loss::{All, Later, Nothing, Pages, Sectors};
        *dice.of(&[All, Nothing, Later, Pages, Pages, Sectors, Sectors])
    }
}

/// The files after a power cut behind these events. A disk that `lies` says of synchronous writes
/// that they are done when they are not; what it says of a sync of the whole file is true.
pub fn after(events: &[Event], loss: Loss, lies: bool, dice: &mut Dice) -> Tree {
    let mut disk = Disk::default();
    for event in events {
        disk.follow(event, lies);
    }
    disk.cut(loss, dice)
}

/// A disk, and what waits to be written to it.
#[derive(Default)]
struct Disk {
    contents: HashMap<File, Content>,
    /// In order, and whether each is on the disk.
    names: Vec<(Naming, bool)>,
    /// Writes so far.
    moment: u64,
}

/// A file.
#[derive(Default)]
struct Content {
    /// As programs see it.
    cached: Vec<u8>,
    /// As it is on the disk.
    durable: Vec<u8>,
    /// What became of each sector since then, and when.
    waiting: BTreeMap<usize, Vec<(u64, Vec<u8>)>>,
    /// What became of its size.
    sizes: Vec<(u64, usize)>,
}

impl Disk {
    fn follow(&mut self, event: &Event, lies: bool) {
        self.moment += 1;
        let moment = self.moment;
        match event {
            Event::Write {
                file,
                offset,
                data,
                durable,
            } => {
                let content = self.contents.entry(*file).or_default();
                let from = usize::try_from(*offset).expect("a small file");
                content.write(moment, from, data, *durable && !lies);
            }
            Event::Size(file, size) => {
                let size = usize::try_from(*size).expect("a small file");
                let content = self.contents.entry(*file).or_default();
                content.resize(moment, size);
            }
            Event::Synced(file) => self.contents.entry(*file).or_default().sync(),
            Event::FolderSynced(folder) => {
                for (naming, durable) in &mut self.names {
                    *durable |= folder_of(naming) == folder;
                }
            }
            Event::Named(naming) => self.names.push((naming.clone(), false)),
            Event::Mark(_) => (),
        }
    }

    fn cut(self, loss: Loss, dice: &mut Dice) -> Tree {
        let mut files = HashMap::new();
        // In an order that is the same each time.
        let mut contents: Vec<_> = self.contents.into_iter().collect();
        contents.sort_by_key(|(file, _)| *file);
        for (file, content) in contents {
            files.insert(file, content.cut(loss, dice));
        }
        // Either in order, as file systems with a journal have it, or as it comes.
        let in_order = dice.percent(60);
        let waiting = self.names.iter().filter(|(_, durable)| !durable).count();
        let mut kept = match loss {
            Loss::All => 0,
            Loss::Nothing => waiting,
            _ => dice.below(waiting as u64 + 1) as usize,
        };
        let mut names: BTreeMap<String, Option<File>> = BTreeMap::new();
        for (naming, durable) in self.names {
            let is_kept = match (durable, loss, in_order) {
                (true, ..) => true,
                (_, Loss::All | Loss::Nothing, _) | (_, _, true) => {
                    let is_kept = kept > 0;
                    kept = kept.saturating_sub(1);
                    is_kept
                }
                _ => dice.percent(50),
            };
            if is_kept {
                rename(&mut names, naming);
            }
        }
        let is_there = |path: &str| {
            let mut folder = parent(path);
            while !folder.is_empty() {
                if names.get(folder) != Some(&None) {
                    return false;
                }
                folder = parent(folder);
            }
            true
        };
        names
            .iter()
            .filter(|(path, _)| is_there(path))
            .map(|(path, file)| {
                let content = file.map(|file| files.get(&file).cloned().unwrap_or_default());
                (path.clone(), content)
            })
            .collect()
    }
}

fn rename(names: &mut BTreeMap<String, Option<File>>, naming: Naming) {
    match naming {
        Naming::File(path, file) => _ = names.insert(path, Some(file)),
        Naming::Folder(path) => _ = names.insert(path, None),
        Naming::Gone(path) => _ = names.remove(&path),
        Naming::Renamed(from, to, file) => {
            if names.get(&from) == Some(&Some(file)) {
                names.remove(&from);
            }
            names.insert(to, Some(file));
        }
    }
}

/// The folder that has to be synced for a change to last.
fn folder_of(naming: &Naming) -> &str {
    let (Naming::File(path, _)
    | Naming::Folder(path)
    | Naming::Renamed(_, path, _)
    | Naming::Gone(path)) = naming;
    parent(path)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Content {
    fn write(&mut self, moment: u64, from: usize, data: &[u8], durable: bool) {
        let end = from + data.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
            self.sizes.push((moment, end));
        }
        self.cached[from..end].copy_from_slice(data);
        for number in from / SECTOR..end.div_ceil(SECTOR) {
            let sector = sector(&self.cached, number);
            if durable {
                self.waiting.remove(&number);
                put_sector(&mut self.durable, number, &sector);
            } else {
                self.waiting
                    .entry(number)
                    .or_default()
                    .push((moment, sector));
            }
        }
        if durable {
            // The size goes along as far as it is needed to read that again.
            self.sizes.retain(|(_, size)| *size > end);
        }
    }

    fn resize(&mut self, moment: u64, size: usize) {
        self.cached.resize(size, 0);
        self.sizes.push((moment, size));
        // What is cut off does not come back when the file grows again.
        for number in size / SECTOR..self.durable.len().div_ceil(SECTOR) {
            let sector = sector(&self.cached, number);
            self.waiting
                .entry(number)
                .or_default()
                .push((moment, sector));
        }
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.cached);
        self.waiting.clear();
        self.sizes.clear();
    }

    fn cut(mut self, loss: Loss, dice: &mut Dice) -> Vec<u8> {
        let latest = self.waiting.values().flatten().map(|(moment, _)| *moment);
        let latest = latest.chain(self.sizes.iter().map(|(moment, _)| *moment));
        let (first, last) = latest.fold((u64::MAX, 0), |(first, last), moment| {
            (first.min(moment), last.max(moment))
        });
        let some = |dice: &mut Dice| match first <= last {
            true => first + dice.below(last - first + 2) - 1,
            false => 0,
        };
        let until = match loss {
            Loss::All => 0,
            Loss::Nothing => u64::MAX,
            _ => some(dice),
        };
        let mut of_page = (usize::MAX, 0);
        let mut size = self.durable.len();
        for (_, changed) in self.sizes.iter().filter(|(moment, _)| *moment <= until) {
            size = *changed;
        }
        for (number, versions) in self.waiting {
            let until = match loss {
                Loss::Sectors => some(dice),
                Loss::Pages if of_page.0 == number / PAGE => of_page.1,
                Loss::Pages => {
                    of_page = (number / PAGE, some(dice));
                    of_page.1
                }
                Loss::Later => until + u64::from(dice.percent(50)),
                Loss::All | Loss::Nothing => until,
            };
            let version = versions.iter().rfind(|(moment, _)| *moment <= until);
            if let Some((_, sector)) = version {
                put_sector(&mut self.durable, number, sector);
            }
        }
        self.durable.resize(size, 0);
        self.durable
    }
}

/// A sector of a file, as far as the file goes.
fn sector(content: &[u8], number: usize) -> Vec<u8> {
    let end = content.len().min((number + 1) * SECTOR);
    content[(number * SECTOR).min(end)..end].to_vec()
}

fn put_sector(content: &mut Vec<u8>, number: usize, sector: &[u8]) {
    let from = number * SECTOR;
    let end = from + sector.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[from..end].copy_from_slice(sector);
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
