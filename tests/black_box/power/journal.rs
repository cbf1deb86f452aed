//! The journal of a recorded daemon: what it did to its files, and what its clients knew when.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// What every entry begins with; its flags are in the last byte.
const MAGIC: u32 = 0x4c57_4f00;

/// Bytes of an entry before its name and its data.
const HEAD: usize = 32;

const OPEN: u32 = 1;
const WRITE: u32 = 2;
const SIZE: u32 = 3;
const SYNC: u32 = 4;
const RENAME: u32 = 5;
const UNLINK: u32 = 6;
const MKDIR: u32 = 7;
const RMDIR: u32 = 8;
const MARK: u32 = 9;

const CREATED: u32 = 1;
const TRUNCATED: u32 = 2;
const FOLDER: u32 = 4;
const DURABLE: u32 = 8;

/// A file, whatever its name is: counted from 0 in the order of their making.
pub type File = usize;

/// A change of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// A file was made.
    File(String, File),
    /// A folder was made.
    Folder(String),
    /// A file has another name, which may have been that of one that is gone now.
    Renamed(String, String, File),
    /// A file or an empty folder was removed.
    Gone(String),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written; if `durable`, to the disk before the writer went on.
    Write {
        file: File,
        offset: u64,
        data: Vec<u8>,
        durable: bool,
    },
    /// A file was made longer or shorter.
    Size(File, u64),
    /// What was written to a file before is on the disk.
    Synced(File),
    /// The names in a folder are on the disk; "" is the folder that was watched.
    FolderSynced(String),
    /// A name has changed.
    Named(Naming),
    /// A client has told what it knows.
    Mark(String),
}

/// Reads a journal. No file may have been there before its beginning.
///
/// # Errors
/// It cannot be read, or has something that is not understood.
pub fn read(path: &Path) -> Result<Vec<Event>, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot read the journal: {error}"))?;
    parse(&bytes)
}

/// Tells the journal what a client knows from now on.
pub fn mark(path: &Path, text: &str) {
    append(path, MARK, 0, 0, 0, text.as_bytes());
}

/// Adds a write that the daemon was killed in the middle of: it was done, and not written down.
pub fn add_write(path: &Path, inode: u64, offset: u64, data: &[u8]) {
    append(path, WRITE, DURABLE, inode, offset, data);
}

fn append(path: &Path, kind: u32, flags: u32, inode: u64, offset: u64, data: &[u8]) {
    let length = u32::try_from(data.len()).expect("a small entry");
    let mut entry = Vec::with_capacity(HEAD + data.len());
    for number in [MAGIC | flags, kind] {
        entry.extend(number.to_le_bytes());
    }
    for number in [inode, offset] {
        entry.extend(number.to_le_bytes());
    }
    for number in [0, length] {
        entry.extend(number.to_le_bytes());
    }
    entry.extend(data);
    // In one piece: the daemon writes to the same file.
    let mut file = OpenOptions::new()
        .append(true)
        .open(path)
        .expect("the journal");
    let written = file.write(&entry).expect("write to the journal");
    assert_eq!(written, entry.len(), "the journal is full");
}

fn parse(mut bytes: &[u8]) -> Result<Vec<Event>, String> {
    let mut reader = Reader::default();
    while !bytes.is_empty() {
        let head = bytes.get(..HEAD).ok_or("half an entry")?;
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("4 bytes"));
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
        if word(0) & !0xff != MAGIC {
            return Err(format!("no entry: {head:?}"));
        }
        let name_ends = HEAD + word(24) as usize;
        let ends = name_ends + word(28) as usize;
        let name = bytes.get(HEAD..name_ends).ok_or("half a name")?;
        let data = bytes.get(name_ends..ends).ok_or("half the data")?;
        bytes = &bytes[ends..];
        reader.entry(Entry {
            kind: word(4),
            flags: word(0) & 0xff,
            inode: long(8),
            offset: long(16),
            name: String::from_utf8_lossy(name).into_owned(),
            data,
        })?;
    }
    Ok(reader.events)
}

struct Entry<'a> {
    kind: u32,
    flags: u32,
    inode: u64,
    offset: u64,
    name: String,
    data: &'a [u8],
}

/// What is known so far.
#[derive(Default)]
struct Reader {
    events: Vec<Event>,
    /// An inode is used again for another file after the one that had it is gone.
    by_inode: HashMap<u64, File>,
    by_name: HashMap<String, File>,
    files: usize,
}

impl Reader {
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), String> {
        let event = match entry.kind {
            OPEN => return self.opened(entry),
            WRITE => Event::Write {
                file: self.file(entry.inode)?,
                offset: entry.offset,
                data: entry.data.to_vec(),
                durable: entry.flags & DURABLE != 0,
            },
            SIZE => Event::Size(self.file(entry.inode)?, entry.offset),
            SYNC if entry.flags & FOLDER != 0 => Event::FolderSynced(entry.name),
            SYNC => Event::Synced(self.file(entry.inode)?),
            RENAME => {
                let to = String::from_utf8_lossy(entry.data).into_owned();
                let file = self.by_name.remove(&entry.name);
                let file = file.ok_or_else(|| format!("{} is no file", entry.name))?;
                self.by_name.insert(to.clone(), file);
                Event::Named(Naming::Renamed(entry.name, to, file))
            }
            UNLINK | RMDIR => {
                self.by_name.remove(&entry.name);
                Event::Named(Naming::Gone(entry.name))
            }
            MKDIR => Event::Named(Naming::Folder(entry.name)),
            MARK => Event::Mark(String::from_utf8_lossy(entry.data).into_owned()),
            kind => return Err(format!("entry {kind}: {}", entry.name)),
        };
        self.events.push(event);
        Ok(())
    }

    fn opened(&mut self, entry: Entry<'_>) -> Result<(), String> {
        if entry.flags & FOLDER != 0 {
            return Ok(());
        }
        if entry.flags & CREATED != 0 {
            let file = self.files;
            self.files += 1;
            self.by_inode.insert(entry.inode, file);
            self.by_name.insert(entry.name.clone(), file);
            self.events
                .push(Event::Named(Naming::File(entry.name, file)));
        } else if entry.flags & TRUNCATED != 0 {
            let file = self.file(entry.inode)?;
            self.events.push(Event::Size(file, 0));
        }
        Ok(())
    }

    fn file(&self, inode: u64) -> Result<File, String> {
        let file = self.by_inode.get(&inode).copied();
        file.ok_or_else(|| format!("inode {inode} was there before the journal"))
    }
}
