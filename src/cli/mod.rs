//! The commands, one file each.

mod image;
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
    Image(image::ImageCommand),
    Runtime(runtime::RuntimeCommand),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    match argh::from_env::<Arguments>().command {
        Command::Image(command) => command.run(),
        Command::Runtime(command) => command.run(),
    }
}
