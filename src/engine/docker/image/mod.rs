//! The binary as its own runtime image: packed into a tar and imported through the Engine API, so
//! that no registry is needed.

mod elf;
mod files;
mod upload;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::client::Client;
use super::error::DockerError;
use super::images::{Image, error_in, name_and_tag, outcome};
use super::supply::platform::Platform;
use crate::http::percent::encode;
use files::{Needs, SELF};

/// Name of the image unless told otherwise.
pub const DEFAULT_TAG: &str = "owl-runtime:latest";

/// What the image runs.
const CHANGES: [&str; 3] = [
    r#"ENTRYPOINT ["/owl"]"#,
    r#"CMD ["runtime","--listen","tcp:0.0.0.0:8080"]"#,
    "EXPOSE 8080",
];

/// Packs this binary and imports it under a name, `latest` if it has no tag. An image that had
/// the name before loses it.
pub async fn import(client: &Client, name: &str) -> Result<Image, DockerError> {
    let what = format!("import image {name}");
    check_architecture(client).await?;
    let needs = Needs::of_this_process().map_err(pack_error)?;
    let (repository, tag) = name_and_tag(name);
    let named = client.flavour().import_query(repository, tag);
    let mut path = format!("/images/create?fromSrc=-&{named}");
    for change in CHANGES {
        path.push_str("&changes=");
        path.push_str(&encode(change));
    }
    let answer = upload::post(client, &what, &path, move |out| write(&needs, out)).await?;
    outcome(&what, error_in(&what, &answer))?;
    let image = client.inspect_image(name).await?;
    image.ok_or(DockerError::Unreadable {
        what,
        start: String::from_utf8_lossy(&answer).into_owned(),
    })
}

/// Packs this binary into a tar, as [`import`] does, for `docker import` elsewhere.
pub fn pack(mut out: impl Write) -> Result<(), DockerError> {
    let needs = Needs::of_this_process().map_err(pack_error)?;
    write(&needs, &mut out).map_err(pack_error)
}

/// An image of this binary can run on an engine of its own architecture only.
async fn check_architecture(client: &Client) -> Result<(), DockerError> {
    let Some(engine) = client.info().await?.architecture else {
        return Ok(());
    };
    let own = std::env::consts::ARCH;
    let architecture = |name| Platform::new(name, None).architecture().to_owned();
    if architecture(&engine) == architecture(own) {
        return Ok(());
    }
    Err(DockerError::Pack {
        what: "an image of this binary".to_owned(),
        reason: format!(
            "it is for {own} and the engine for {engine}: use the owl binary for {engine}"
        ),
    })
}

fn pack_error(error: io::Error) -> DockerError {
    DockerError::Pack {
        what: "an image of this binary".to_owned(),
        reason: error.to_string(),
    }
}

/// Writes the tar. The same binary always gives the same bytes.
fn write(needs: &Needs, out: &mut dyn Write) -> io::Result<()> {
    let mut tar = Builder::new(out);
    add_file(&mut tar, Path::new("/owl"), Path::new(SELF))?;
    // Actions may need a place for files.
    add_directory(&mut tar, Path::new("/tmp"), 0o1777)?;
    let mut directories = BTreeSet::new();
    let paths = needs
        .files
        .iter()
        .chain(needs.links.iter().map(|(link, _)| link));
    for path in paths {
        directories.extend(
            path.ancestors()
                .skip(1)
                .filter(|path| path.parent().is_some()),
        );
    }
    for directory in directories {
        if directory != Path::new("/tmp") {
            add_directory(&mut tar, directory, 0o755)?;
        }
    }
    for file in &needs.files {
        add_file(&mut tar, file, file)?;
    }
    for (link, target) in &needs.links {
        if !needs.files.contains(link) {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            tar.append_link(&mut header, inside(link), target)?;
        }
    }
    tar.into_inner()?.flush()
}

fn add_file<W: Write>(tar: &mut Builder<W>, path: &Path, source: &Path) -> io::Result<()> {
    let file = File::open(source)?;
    let size = file.metadata()?.len();
    tar.append_data(
        &mut header(EntryType::Regular, 0o755, size),
        inside(path),
        file,
    )
}

fn add_directory<W: Write>(tar: &mut Builder<W>, path: &Path, mode: u32) -> io::Result<()> {
    tar.append_data(
        &mut header(EntryType::Directory, mode, 0),
        inside(path),
        io::empty(),
    )
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// A path inside a tar: relative to its root.
fn inside(path: &Path) -> PathBuf {
    path.components().skip(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_static_binary_is_alone() {
        let mut out = Vec::new();
        write(&Needs::default(), &mut out).expect("is packed");
        let mut archive = tar::Archive::new(&out[..]);
        let names: Vec<_> = archive
            .entries()
            .expect("is a tar")
            .map(|entry| {
                entry
                    .expect("is whole")
                    .path()
                    .expect("has a path")
                    .into_owned()
            })
            .collect();
        assert_eq!(names, [Path::new("owl"), Path::new("tmp")]);
    }

    #[test]
    fn libraries_and_links_keep_their_places() {
        let dir = tempfile::tempdir().expect("is made");
        let root = dir.path().canonicalize().expect("is there");
        let (library, link) = (root.join("libx.so.1.2"), root.join("libx.so.1"));
        std::fs::write(&library, "code").expect("is written");
        let needs = Needs {
            files: [library.clone()].into(),
            links: [(link.clone(), library.clone())].into(),
        };
        let mut out = Vec::new();
        write(&needs, &mut out).expect("is packed");
        let mut seen = (false, false);
        let mut known = BTreeSet::from([PathBuf::new()]);
        for entry in tar::Archive::new(&out[..]).entries().expect("is a tar") {
            let mut entry = entry.expect("is whole");
            let path = entry.path().expect("has a path").into_owned();
            assert!(
                known.contains(path.parent().expect("is no root")),
                "{path:?} has no parent"
            );
            known.insert(path.clone());
            if path == inside(&library) {
                let mut content = String::new();
                entry.read_to_string(&mut content).expect("is read");
                assert_eq!(content, "code");
                seen.0 = true;
            } else if path == inside(&link) {
                let target = entry.link_name().expect("is read").expect("is a link");
                assert_eq!(target, library);
                seen.1 = true;
            }
        }
        assert_eq!(seen, (true, true));
    }

    #[test]
    fn packing_twice_gives_the_same() {
        let tar = || {
            let mut out = Vec::new();
            pack(&mut out).expect("is packed");
            out
        };
        assert!(tar() == tar());
    }
}
