//! `owl key`: namespaces, their keys and limits (reference sections 1.2 and 3.2). Works on the
//! store itself, whether the daemon runs or not; a running one obeys at once.

mod credentials;
mod learned;
mod limits;
mod list;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use smol::block_on;

use crate::entity::{Identity, NamespaceLimits, names};
use crate::store::{KeyEntry, Store, StoreError};
use credentials::Credentials;

/// Namespaces, their keys and limits.
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
    Block(Block),
    Unblock(Unblock),
    Limits(Limits),
}

/// make a namespace and print its uuid:key
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "create")]
struct Create {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
    /// file with the uuid:key to use instead of a random one; - reads it from standard input
    #[argh(option)]
    key_file: Option<PathBuf>,
}

/// list the namespaces and their uuids, which are blocked, and keys that a master has accepted
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "list")]
struct List {
    /// print the keys too
    #[argh(switch)]
    show: bool,
}

/// print the uuid:key of a namespace: the one made here, else the one a master has accepted last
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "get")]
struct Get {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
}

/// delete the key of a namespace with its limits, and forget those that a master has accepted; its
/// entities and activations stay
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "delete")]
struct Delete {
    /// name of the namespace, or uuid of one key that a master has accepted
    #[argh(positional)]
    namespace: String,
}

/// let the key of a namespace open nothing, and run nothing more of it
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "block")]
struct Block {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
}

/// let the key of a namespace open again
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "unblock")]
struct Unblock {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
}

/// show or change the limits of a namespace
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "limits")]
struct Limits {
    #[argh(subcommand)]
    action: LimitsAction,
}

#[derive(FromArgs, Debug)]
#[argh(subcommand)]
enum LimitsAction {
    Get(GetLimits),
    Set(SetLimits),
    Clear(ClearLimits),
}

/// print the limits that are set for a namespace
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "get")]
struct GetLimits {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
}

/// set limits of a namespace; they hold within those of the system
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "set")]
struct SetLimits {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
    /// NAME=VALUE, with the names of GET /namespaces/_/limits: invocationsPerMinute=600
    #[argh(positional)]
    settings: Vec<String>,
}

/// put limits of a namespace back to what holds for everybody
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "clear")]
struct ClearLimits {
    /// name of the namespace
    #[argh(positional)]
    namespace: String,
    /// names of limits; without any, all
    #[argh(positional)]
    names: Vec<String>,
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
        let folder = super::data_dir(self.data_dir)?;
        let store = || Store::open_shared(&folder).map_err(|error| error.to_string());
        match self.action {
            Action::Create(create) => {
                check_namespace(&create.namespace)?;
                let credentials = match &create.key_file {
                    None => credentials::random(),
                    Some(path) => credentials::read(path)?,
                };
                create_key(&store()?, &create.namespace, &credentials)
            }
            Action::List(List { show }) => {
                list::list(&store()?, show).map_err(|error| error.to_string())
            }
            Action::Get(get) => get_key(&store()?, &get.namespace),
            Action::Delete(delete) => learned::delete(&store()?, &delete.namespace),
            Action::Block(Block { namespace }) => {
                changed(block_on(store()?.block_key(&namespace, true)), &namespace)?;
                Ok(format!("blocked {namespace}\n"))
            }
            Action::Unblock(Unblock { namespace }) => {
                changed(block_on(store()?.block_key(&namespace, false)), &namespace)?;
                Ok(format!("unblocked {namespace}\n"))
            }
            Action::Limits(limits) => limits.execute(&store()?),
        }
    }
}

impl Limits {
    fn execute(self, store: &Store) -> Result<String, String> {
        let (namespace, limits) = match self.action {
            LimitsAction::Get(get) => {
                let entry = entry(store, &get.namespace)?;
                return Ok(limits::show(&entry.identity.limits));
            }
            LimitsAction::Set(set) => {
                let mut limits = limits_of(store, &set.namespace)?;
                limits::set(&mut limits, &set.settings)?;
                (set.namespace, limits)
            }
            // All can be cleared even where they cannot be read.
            LimitsAction::Clear(clear) if clear.names.is_empty() => {
                (clear.namespace, NamespaceLimits::default())
            }
            LimitsAction::Clear(clear) => {
                let mut limits = limits_of(store, &clear.namespace)?;
                limits::clear(&mut limits, &clear.names)?;
                (clear.namespace, limits)
            }
        };
        changed(block_on(store.set_limits(&namespace, &limits)), &namespace)?;
        Ok(limits::show(&limits))
    }
}

fn limits_of(store: &Store, namespace: &str) -> Result<NamespaceLimits, String> {
    let entry = entry(store, namespace)?;
    Ok((*entry.identity.limits).clone())
}

/// What the store has of a namespace that must be there.
fn entry(store: &Store, namespace: &str) -> Result<KeyEntry, String> {
    match store.key_entry(namespace) {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => Err(no_key(namespace)),
        Err(error) => Err(error.to_string()),
    }
}

/// The outcome of a change of a namespace that must be there.
fn changed(outcome: Result<(), StoreError>, namespace: &str) -> Result<(), String> {
    outcome.map_err(|error| match error {
        StoreError::Changed => no_key(namespace),
        error => error.to_string(),
    })
}

fn get_key(store: &Store, namespace: &str) -> Result<String, String> {
    match entry(store, namespace) {
        Ok(entry) => Ok(line(&entry.identity)),
        Err(missing) => match store.learned_key_of(namespace) {
            Ok(Some(known)) => Ok(line(&known.identity)),
            _ => Err(missing),
        },
    }
}

fn create_key(store: &Store, namespace: &str, credentials: &Credentials) -> Result<String, String> {
    let (uuid, key) = credentials;
    match block_on(store.put_key(namespace, uuid, key)) {
        Ok(()) => Ok(format!("{uuid}:{}\n", key.expose())),
        Err(StoreError::Exists) => Err(match store.key_entry(namespace) {
            Ok(Some(_)) => format!(
                "namespace {namespace} has a key already: owl key get prints it, owl key delete \
                 makes way for another"
            ),
            _ => format!("uuid {uuid} belongs to another namespace: give each its own"),
        }),
        Err(error) => Err(error.to_string()),
    }
}

fn line(identity: &Identity) -> String {
    format!("{}:{}\n", identity.uuid, identity.key.expose())
}

fn no_key(namespace: &str) -> String {
    format!(
        "namespace {namespace} has no key made here: owl key list shows what there is, owl key \
         create makes one (for limits and blocks only, where a master decides about keys)"
    )
}

/// `_` follows the rule of names, but stands for the caller's namespace in the API.
fn check_namespace(name: &str) -> Result<(), String> {
    if name == "_" {
        return Err("_ cannot be a namespace: it stands for that of the caller".to_owned());
    }
    names::check_namespace(name).map_err(|error| format!("{name:?} cannot be a namespace: {error}"))
}

#[cfg(test)]
mod tests;
