//! Keys at rest: sealed under a device key, so that a copy of the store alone gives none of them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::error::StoreError;
use crate::entity::Secret;

/// Shortest device key.
const MIN_DEVICE_KEY: usize = 32;

/// Name of the systemd credential that holds the device key.
const CREDENTIAL: &str = "owl-device-key";

/// Seals and opens keys. ChaCha20 because many ARM processors have no AES instructions.
pub(super) struct Sealer {
    key: LessSafeKey,
    source: PathBuf,
}

impl Sealer {
    /// With the systemd credential in the folder `credentials` if there is one, else with the key
    /// in `dir`. `make` makes that one if it is missing; only one process may do so at a time.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if there is no key, it is too short, or others than its owner may
    /// read it.
    pub(super) fn open(
        dir: &Path,
        credentials: Option<&Path>,
        make: bool,
    ) -> Result<Self, StoreError> {
        let credential = credentials
            .map(|folder| folder.join(CREDENTIAL))
            .filter(|path| path.try_exists().unwrap_or(true));
        if let Some(path) = credential {
            // systemd decides who can read it.
            return Self::from_file(path, false);
        }
        let path = dir.join("device.key");
        if make && !path.exists() {
            make_device_key(&path)
                .map_err(|error| StoreError::file("cannot make the device key", &path, &error))?;
        }
        Self::from_file(path, true)
    }

    fn from_file(source: PathBuf, check_mode: bool) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| {
            StoreError::Failed(format!(
                "cannot read the device key {}: {error}: the keys of this store are sealed with it, \
                 so restore it, or give it as the systemd credential {CREDENTIAL}",
                source.display()
            ))
        };
        if check_mode {
            let mode = fs::metadata(&source).map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(StoreError::Failed(format!(
                    "the device key {} can be read by others (mode {mode:o}): chmod 600 it, and \
                     if others may have read it, make new keys for all namespaces",
                    source.display()
                )));
            }
        }
        let secret = Zeroizing::new(fs::read(&source).map_err(failed)?);
        if secret.len() < MIN_DEVICE_KEY {
            return Err(StoreError::Failed(format!(
                "the device key {} has {} bytes: it needs {MIN_DEVICE_KEY} or more",
                source.display(),
                secret.len()
            )));
        }
        // Hashed, because a credential may be text or longer than a key. A device key is random,
        // so it needs no slow hash.
        let key = digest(&SHA256, &secret);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref())
            .expect("SHA-256 gives as many bytes as the cipher takes");
        Ok(Sealer {
            key: LessSafeKey::new(key),
            source,
        })
    }

    /// Where the device key came from.
    pub(super) fn source(&self) -> &Path {
        &self.source
    }

    /// The secret, sealed, and bound to `owner`: what is sealed for one cannot be opened as that of
    /// another.
    pub(super) fn seal(&self, owner: &[&str], secret: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .expect("the kernel gives random bytes");
        let mut text = Vec::with_capacity(secret.len() + CHACHA20_POLY1305.tag_len());
        text.extend_from_slice(secret.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(owner), &mut text)
            .expect("a key is far shorter than the cipher's limit");
        [&nonce[..], &text].concat()
    }

    /// The secret again. None if it was sealed with another device key or for another owner.
    pub(super) fn open_sealed(&self, owner: &[&str], sealed: &[u8]) -> Option<Secret> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let secret = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                bound(owner),
                &mut text,
            )
            .ok()?;
        let secret = str::from_utf8(secret).ok()?;
        Some(Secret::new(secret.to_owned()))
    }
}

fn bound(owner: &[&str]) -> Aad<Vec<u8>> {
    Aad::from(owner.join("\0").into_bytes())
}

/// Makes the file with all its content or not at all.
fn make_device_key(path: &Path) -> std::io::Result<()> {
    let mut key = Zeroizing::new([0; MIN_DEVICE_KEY]);
    SystemRandom::new()
        .fill(key.as_mut())
        .expect("the kernel gives random bytes");
    let draft = path.with_extension("new");
    write_draft(&draft, &*key)?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write_draft(draft: &Path, key: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::open(dir.path(), None, true).unwrap();
        let sealed = sealer.seal(&["guest", "uuid"], "a secret");
        assert!(!sealed.windows(8).any(|part| part == b"a secret"));
        let opened = sealer.open_sealed(&["guest", "uuid"], &sealed).unwrap();
        assert_eq!(opened.expose(), "a secret");
        assert!(sealer.open_sealed(&["guest", "other"], &sealed).is_none());
        assert!(
            sealer
                .open_sealed(&["guest", "uuid"], &sealed[1..])
                .is_none()
        );
        assert!(sealer.open_sealed(&["guest", "uuid"], b"short").is_none());
        assert_ne!(sealer.seal(&["guest", "uuid"], "a secret"), sealed);
        let again = Sealer::open(dir.path(), None, false).unwrap();
        assert!(again.open_sealed(&["guest", "uuid"], &sealed).is_some());
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Sealer::open(elsewhere.path(), None, true).unwrap();
        assert!(other.open_sealed(&["guest", "uuid"], &sealed).is_none());
    }

    #[test]
    fn the_file_is_closed_to_others_and_must_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        Sealer::open(dir.path(), None, true).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Sealer::open(dir.path(), None, true)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("mode 640") && error.contains("chmod 600"),
            "{error}"
        );
    }

    #[test]
    fn a_short_or_missing_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Sealer::open(dir.path(), None, false).is_err());
        write_draft(&dir.path().join("device.key"), b"short").unwrap();
        let error = Sealer::open(dir.path(), None, true)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("has 5 bytes"), "{error}");
    }

    #[test]
    fn a_credential_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = tempfile::tempdir().unwrap();
        let open = || Sealer::open(dir.path(), Some(credentials.path()), true).unwrap();
        assert_eq!(open().source(), dir.path().join("device.key"));
        let credential = credentials.path().join(CREDENTIAL);
        fs::write(&credential, [7; 50]).unwrap();
        let sealer = open();
        assert_eq!(sealer.source(), credential);
        let sealed = sealer.seal(&["guest"], "a secret");
        assert!(open().open_sealed(&["guest"], &sealed).is_some());
        fs::write(&credential, [8; 50]).unwrap();
        assert!(open().open_sealed(&["guest"], &sealed).is_none());
    }
}
