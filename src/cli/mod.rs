//! The commands, one file each.

mod runtime;

use std::process::ExitCode;

use argh::FromArgs;

/// OpenWhisk-Light: the Apache OpenWhisk API for gateways
#[derive(FromArgs, Debug)]
struct Arguments {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, Debug)]
#[argh(subcommand)]
enum Command {
    Runtime(runtime::RuntimeCommand),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    match argh::from_env::<Arguments>().command {
        Command::Runtime(command) => command.run(),
    }
}
