//! Another master takes the place of the one that the copies are of.

use std::ops::ControlFlow;

use super::mark::Mark;
use crate::store::{Change, NoteKey, NoteKind, Store, StoreError};

/// What removes the copies of a master that is not asked any more, and what is known of it. What
/// was made here stays, as does what `waits` for that master.
///
/// # Errors
/// The store cannot be read.
pub fn leave(store: &Store, waits: &dyn Fn(&str) -> bool) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let visit = &mut |key: NoteKey, text: &[u8]| {
        match Mark::read(text) {
            Some(mark) if mark.is_kept() => return ControlFlow::Continue(()),
            Some(mark) if mark.is_copy() && !waits(&mark.path) => {
                changes.push(Change::Drop { path: mark.path });
            }
            _ => {}
        }
        changes.push(Change::Unnote { key });
        ControlFlow::Continue(())
    };
    store.visit_notes(NoteKind::Copy, &[], None, visit)?;
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use smol::block_on;

    use super::super::mark::{Base, Standing, Viewer};
    use super::*;
    use crate::store::{CodeChange, Collection, EntityWrite, Expect, Options};

    #[test]
    fn what_was_made_here_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap();
        let put = |path: &str, standing: Option<Standing>| {
            let mut changes = vec![Change::Put(EntityWrite {
                path: path.into(),
                collection: Collection::Triggers,
                document: b"{}".to_vec(),
                code: CodeChange::Remove,
                updated: 1,
                expect: Expect::Any,
            })];
            let mark = standing.map(|standing| Mark::new(path, standing));
            changes.extend(mark.map(|mark| mark.kept_for(&Viewer::Owner)));
            block_on(store.write_all(changes)).unwrap();
        };
        let base = Base {
            version: "0.0.1".into(),
            updated: 7,
        };
        put("ns/copy", Some(Standing::Copy(base.clone())));
        put("ns/waits", Some(Standing::Copy(base)));
        put("ns/kept", Some(Standing::Kept));
        put("ns/local", Some(Standing::Local));
        put("ns/own", None);
        let changes = leave(&store, &|path| path == "ns/waits").unwrap();
        block_on(store.write_all(changes)).unwrap();
        for (path, stays) in [
            ("ns/copy", false),
            ("ns/waits", true),
            ("ns/kept", true),
            ("ns/local", true),
            ("ns/own", true),
        ] {
            assert_eq!(store.entity(path).unwrap().is_some(), stays, "{path}");
        }
        let mut marks = Vec::new();
        let visit = &mut |_: NoteKey, text: &[u8]| {
            marks.push(Mark::read(text).unwrap().path);
            ControlFlow::Continue(())
        };
        store.visit_notes(NoteKind::Copy, &[], None, visit).unwrap();
        assert_eq!(marks, ["ns/kept"]);
    }
}
