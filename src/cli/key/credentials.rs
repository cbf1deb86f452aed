//! Credentials in the form of OpenWhisk's `wskadmin`: `uuid:key`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use crate::entity::{ActivationId, Secret};

/// Characters of a key (reference section 1.2).
const KEY_LENGTH: usize = 64;

/// A uuid and a key.
pub(super) type Credentials = (String, Secret);

/// Reads credentials from a file, `-` for standard input: an argument would stand in the list of
/// processes.
///
/// # Errors
/// What cannot be read, or is wrong with it.
pub(super) fn read(path: &Path) -> Result<Credentials, String> {
    let standard_input = path.as_os_str() == "-";
    let failed = |error: std::io::Error| match standard_input {
        true => format!("cannot read the key from standard input: {error}"),
        false => format!("cannot read the key from {}: {error}", path.display()),
    };
    let mut text = String::new();
    let read = match standard_input {
        true => std::io::stdin().take(1024).read_to_string(&mut text),
        false => File::open(path)
            .map_err(failed)?
            .take(1024)
            .read_to_string(&mut text),
    };
    read.map_err(failed)?;
    parse(text.trim())
}

/// Takes credentials apart.
///
/// # Errors
/// What is wrong with them.
pub(super) fn parse(text: &str) -> Result<Credentials, String> {
    let (uuid, key) = text
        .split_once(':')
        .ok_or("a key is given as uuid:key, with a colon between")?;
    let groups: Vec<_> = uuid.split('-').collect();
    let hexadecimal = |group: &&str| group.chars().all(|c| c.is_ascii_hexdigit());
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    if lengths != [8, 4, 4, 4, 12] || !groups.iter().all(hexadecimal) {
        return Err(
            "what is before the colon is not a uuid (8-4-4-4-12 hexadecimal digits)".into(),
        );
    }
    if key.len() != KEY_LENGTH || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(format!(
            "what is behind the colon must be {KEY_LENGTH} letters and digits"
        ));
    }
    Ok((uuid.to_owned(), Secret::new(key.to_owned())))
}

/// Credentials that nobody has.
pub(super) fn random() -> Credentials {
    const CHARACTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let random = SystemRandom::new();
    let mut key = String::with_capacity(KEY_LENGTH);
    while key.len() < KEY_LENGTH {
        let mut byte = [0];
        random
            .fill(&mut byte)
            .expect("the kernel gives random bytes");
        // Six bits, and those beyond the characters drawn again, so that all are as likely.
        if let Some(character) = CHARACTERS.get(usize::from(byte[0] & 63)) {
            key.push(char::from(*character));
        }
    }
    (random_uuid(), Secret::new(key))
}

/// An activation id is a random UUID too, but without dashes.
fn random_uuid() -> String {
    let digits = ActivationId::random().to_string();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &digits[range]);
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::super::tests::GIVEN;
    use super::*;

    #[test]
    fn what_is_not_a_key() {
        let error = |text: &str| parse(text).unwrap_err();
        assert!(error("no colon").contains("uuid:key"));
        assert!(error(&GIVEN.replace("0badc0de", "0badc0d")).contains("not a uuid"));
        assert!(error(&GIVEN.replace("cafe", "cafx")).contains("not a uuid"));
        assert!(error(&format!("{GIVEN}2")).contains("64 letters and digits"));
        assert!(error(&GIVEN.replace("abc", "a-c")).contains("64 letters and digits"));
    }

    #[test]
    fn random_credentials_are_valid_and_differ() {
        let (uuid, key) = random();
        let (parsed, _) = parse(&format!("{uuid}:{}", key.expose())).unwrap();
        assert_eq!(parsed, uuid);
        assert_ne!(random().1.expose(), key.expose());
    }

    #[test]
    fn a_file_that_is_not_there() {
        let error = read(Path::new("/nowhere/key")).unwrap_err();
        assert!(
            error.starts_with("cannot read the key from /nowhere/key: "),
            "{error}"
        );
    }
}
