//! `owl key`: namespaces and their keys (reference section 1.2). Works while the daemon runs.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use ring::rand::{SecureRandom, SystemRandom};
use smol::block_on;

use crate::config::default_data_dir;
use crate::entity::{ActivationId, Identity, Secret, names};
use crate::store::{Store, StoreError};

/// Characters of a key (reference section 1.2).
const KEY_LENGTH: usize = 64;

/// Create, show and delete the keys of namespaces.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "key")]
pub struct KeyCommand {
    /// folder of the store (default: OWL_DATA_DIR, else that of owl serve)
    #[argh(option)]
    data_dir: Option<PathBuf>,
    #[argh(subcommand)]
    action: Action,
}

#[derive(FromArgs, Debug)]
#[argh(subcommand)]
enum Action {
    Create(Create),
    List(List),
    Get(Get),
    Delete(Delete),
}

/// make a namespace and print its uuid:key
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "create")]
struct Create {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
    /// uuid:key to use instead of a random one; - reads it from standard input
    #[argh(option)]
    key: Option<String>,
}

/// list the namespaces and their uuids
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "list")]
struct List {
    /// print the keys too
    #[argh(switch)]
    show: bool,
}

/// print the uuid:key of a namespace
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "get")]
struct Get {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
}

/// delete the key of a namespace; its entities and activations stay
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "delete")]
struct Delete {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
}

impl KeyCommand {
    /// Does it, prints the result or what went wrong, and gives the exit code.
    pub fn run(self) -> ExitCode {
        let output = self.execute();
        let printed = match &output {
            Ok(text) => std::io::stdout().write_all(text.as_bytes()),
            Err(error) => writeln!(std::io::stderr(), "owl key: {error}"),
        };
        match (output, printed) {
            (Ok(_), Ok(())) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    fn execute(self) -> Result<String, String> {
        let folder = self.data_dir.unwrap_or_else(|| {
            let environment =
                |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            environment("OWL_DATA_DIR")
                .map_or_else(|| default_data_dir(&environment), PathBuf::from)
        });
        let store = || Store::open_shared(&folder).map_err(|error| error.to_string());
        match self.action {
            Action::Create(create) => {
                check_namespace(&create.namespace)?;
                let credentials = match create.key.as_deref() {
                    None => random_credentials(),
                    Some("-") => parse_credentials(&read_credentials()?)?,
                    Some(text) => parse_credentials(text)?,
                };
                create_key(&store()?, &create.namespace, &credentials)
            }
            Action::List(list) => list_keys(&store()?, list.show),
            Action::Get(get) => match store()?.key_of_namespace(&get.namespace) {
                Ok(Some(identity)) => Ok(line(&identity)),
                Ok(None) => Err(no_key(&get.namespace)),
                Err(error) => Err(error.to_string()),
            },
            Action::Delete(delete) => match block_on(store()?.delete_key(&delete.namespace)) {
                Ok(()) => Ok(format!("deleted the key of {}\n", delete.namespace)),
                Err(StoreError::Changed) => Err(no_key(&delete.namespace)),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// A uuid and a key.
type Credentials = (String, Secret);

fn create_key(store: &Store, namespace: &str, credentials: &Credentials) -> Result<String, String> {
    let (uuid, key) = credentials;
    match block_on(store.put_key(namespace, uuid, key)) {
        Ok(()) => Ok(format!("{uuid}:{}\n", key.expose())),
        Err(StoreError::Exists) => Err(match store.key_of_namespace(namespace) {
            Ok(Some(_)) => format!(
                "namespace {namespace} has a key already: owl key get prints it, owl key delete \
                 makes way for another"
            ),
            _ => format!("uuid {uuid} belongs to another namespace: give each its own"),
        }),
        Err(error) => Err(error.to_string()),
    }
}

fn list_keys(store: &Store, show: bool) -> Result<String, String> {
    let keys = store.keys().map_err(|error| error.to_string())?;
    keys.into_iter()
        .map(|(namespace, uuid, _)| {
            if !show {
                return Ok(format!("{namespace} {uuid}\n"));
            }
            // None if it was deleted since the list was read.
            let identity = store
                .key_of_namespace(&namespace)
                .map_err(|error| error.to_string())?;
            Ok(identity.map_or_else(String::new, |identity| {
                format!("{namespace} {}", line(&identity))
            }))
        })
        .collect()
}

fn line(identity: &Identity) -> String {
    format!("{}:{}\n", identity.uuid, identity.key.expose())
}

fn no_key(namespace: &str) -> String {
    format!("namespace {namespace} has no key: owl key list shows those that have one")
}

/// `_` follows the rule of names, but stands for the caller's namespace in the API.
fn check_namespace(name: &str) -> Result<(), String> {
    if name == "_" {
        return Err("_ cannot be a namespace: it stands for that of the caller".to_owned());
    }
    names::check_namespace(name).map_err(|error| format!("{name:?} cannot be a namespace: {error}"))
}

fn read_credentials() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin()
        .take(1024)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read the key from standard input: {error}"))?;
    Ok(text.trim().to_owned())
}

fn parse_credentials(text: &str) -> Result<Credentials, String> {
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

fn random_credentials() -> Credentials {
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
    use super::*;
    use std::path::Path;

    const GIVEN: &str = "0badc0de-0000-4000-8000-00000000cafe:0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";

    fn owl_key(folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let folder = folder.to_str().unwrap();
        let arguments = [&["--data-dir", folder], arguments].concat();
        KeyCommand::from_args(&["owl", "key"], &arguments)
            .map_err(|exit| exit.output)?
            .execute()
    }

    #[test]
    fn the_life_of_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| owl_key(dir.path(), arguments);
        let made = run(&["create", "plant 1"]).unwrap();
        parse_credentials(made.trim()).unwrap();
        assert_eq!(run(&["get", "plant 1"]), Ok(made.clone()));
        assert!(
            run(&["create", "plant 1"])
                .unwrap_err()
                .contains("has a key already")
        );
        assert_eq!(
            run(&["create", "other", "--key", GIVEN]),
            Ok(format!("{GIVEN}\n"))
        );
        let same = run(&["create", "third", "--key", GIVEN]).unwrap_err();
        assert!(same.contains("belongs to another namespace"), "{same}");
        let list = run(&["list"]).unwrap();
        let (uuid, key) = made.trim().split_once(':').unwrap();
        assert!(list.contains(&format!("plant 1 {uuid}\n")) && !list.contains(key));
        assert!(list.contains("guest 23bc46b1-71f6-4ed5-8c54-816aa4f8c502\n"));
        let shown = run(&["list", "--show"]).unwrap();
        assert!(shown.contains(&format!("other {GIVEN}\n")));
        run(&["delete", "other"]).unwrap();
        run(&["delete", "guest"]).unwrap();
        assert!(run(&["get", "other"]).unwrap_err().contains("has no key"));
        assert!(
            run(&["delete", "other"])
                .unwrap_err()
                .contains("has no key")
        );
        assert_eq!(run(&["list"]), Ok(format!("plant 1 {uuid}\n")));
    }

    #[test]
    fn what_is_not_a_key() {
        let error = |text: &str| parse_credentials(text).unwrap_err();
        assert!(error("no colon").contains("uuid:key"));
        assert!(error(&GIVEN.replace("0badc0de", "0badc0d")).contains("not a uuid"));
        assert!(error(&GIVEN.replace("cafe", "cafx")).contains("not a uuid"));
        assert!(error(&format!("{GIVEN}2")).contains("64 letters and digits"));
        assert!(error(&GIVEN.replace("abc", "a-c")).contains("64 letters and digits"));
    }

    #[test]
    fn names_of_namespaces() {
        let dir = tempfile::tempdir().unwrap();
        for illegal in ["_", "", "a/b", "a ", &"n".repeat(257)] {
            let error = owl_key(dir.path(), &["create", illegal]).unwrap_err();
            assert!(error.contains("cannot be a namespace: "), "{error}");
        }
        owl_key(dir.path(), &["create", &"n".repeat(256)]).unwrap();
    }

    #[test]
    fn random_credentials_are_valid_and_differ() {
        let (uuid, key) = random_credentials();
        let (parsed, _) = parse_credentials(&format!("{uuid}:{}", key.expose())).unwrap();
        assert_eq!(parsed, uuid);
        assert_ne!(random_credentials().1.expose(), key.expose());
    }
}
