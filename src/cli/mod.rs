//! The commands, one file each.

mod check;
mod demo;
mod host_kinds;
mod idle;
mod image;
mod key;
mod node;
mod operator;
mod output;
mod pool;
mod reload;
mod rest;
mod runtime;
mod serve;
mod status;
mod sync;
mod upstreams;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;

use crate::config;
use output::say;

/// What `--version` says; a build that is not for use tells so.
const VERSION: &str = if cfg!(feature = "emulated") {
    concat!("owl ", env!("CARGO_PKG_VERSION"), " for emulators only")
} else {
    concat!("owl ", env!("CARGO_PKG_VERSION"))
};

/// OpenWhisk-Light: the Apache OpenWhisk API for gateways. Without a command it serves.
#[derive(FromArgs)]
struct Owl {
    /// print the version
    #[argh(switch)]
    version: bool,

    #[argh(subcommand)]
    command: Option<Command>,
}

// There is one value of it in a process.
#[expect(clippy::large_enum_variant)]
#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Serve(serve::ServeCommand),
    Status(status::StatusCommand),
    Demo(demo::DemoCommand),
    Check(check::CheckCommand),
    Key(key::KeyCommand),
    Image(image::ImageCommand),
    Runtime(runtime::RuntimeCommand),
    Sync(sync::SyncCommand),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(argument) => {
            eprintln!("owl: the argument {argument:?} is not valid UTF-8");
            return ExitCode::FAILURE;
        }
    };
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let owl = match Owl::from_args(&["owl"], &words) {
        Ok(owl) => owl,
        Err(exit) => {
            return match exit.status {
                Ok(()) => {
                    say(&exit.output);
                    ExitCode::SUCCESS
                }
                Err(()) => {
                    eprintln!("{}\nRun owl --help for more information.", exit.output);
                    ExitCode::FAILURE
                }
            };
        }
    };
    if owl.version {
        say(VERSION);
        return ExitCode::SUCCESS;
    }
    match owl.command {
        Some(Command::Serve(command)) => command.run(),
        Some(Command::Status(command)) => command.run(),
        Some(Command::Demo(command)) => command.run(),
        Some(Command::Check(command)) => command.run(),
        Some(Command::Key(command)) => command.run(),
        Some(Command::Image(command)) => command.run(),
        Some(Command::Runtime(command)) => command.run(),
        Some(Command::Sync(command)) => command.run(),
        // `arguments` names the command where nobody did.
        None => ExitCode::FAILURE,
    }
}

/// What `--help` prints for a command, such as `["key", "create"]`, or for `owl` itself; none if
/// there is no such command. The manual pages and the completions of shells are made of it.
pub fn help(command: &[&str]) -> Option<String> {
    let words: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
    let exit = Owl::from_args(&["owl"], &words).err()?;
    exit.status.is_ok().then_some(exit.output)
}

/// The arguments, with `serve` put in front where there is no command: plain `owl` serves.
fn arguments() -> Result<Vec<String>, OsString> {
    let mut arguments = std::env::args_os()
        .skip(1)
        .map(OsString::into_string)
        .collect::<Result<Vec<_>, _>>()?;
    let names_command = match arguments.first().map(String::as_str) {
        None => false,
        Some("--version" | "--help" | "-h" | "help") => true,
        Some(first) => !first.starts_with('-'),
    };
    if !names_command {
        arguments.insert(0, "serve".to_string());
    }
    Ok(arguments)
}

/// The folder of the store: as given, or as `owl serve` finds it.
///
/// # Errors
/// There is a file of settings that cannot be used.
fn data_dir(given: Option<PathBuf>) -> Result<PathBuf, String> {
    match given {
        Some(folder) => Ok(folder),
        None => config::data_dir(&environment).map_err(|error| error.to_string()),
    }
}

/// A value of this process's environment, if it is valid UTF-8.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Logs to standard error what [`log::max_level`] lets through, `level` at first. Journald stamps lines itself, so there are no timestamps of ours.
pub(crate) fn log_to_stderr(level: log::LevelFilter) {
    let logger = simple_logger::SimpleLogger::new()
        .with_level(log::LevelFilter::Trace)
        // Libraries speak of their own insides; at `debug` that drowns what OWL says.
        .with_module_level("polling", log::LevelFilter::Warn)
        .with_module_level("async_io", log::LevelFilter::Warn)
        .with_module_level("tide", log::LevelFilter::Warn)
        .with_module_level("hyper", log::LevelFilter::Warn)
        // At `trace` these two tell what they send, keys and all.
        .with_module_level("ureq", log::LevelFilter::Warn)
        .with_module_level("ureq_proto", log::LevelFilter::Warn);
    // A second call in one process (tests) keeps the first logger.
    if logger.init().is_ok() {
        log::set_max_level(level);
    }
}
