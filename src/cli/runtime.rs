//! `owl runtime`: the action proxy, as a container's main process or as a child of the daemon.

use std::process::ExitCode;

use argh::FromArgs;

use crate::runtime::kind::Language;
use crate::runtime::listen::Listen;
use crate::runtime::{self, End, Options};

/// serve one action over OpenWhisk's container protocol: POST /init, POST /run
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "runtime")]
pub struct RuntimeCommand {
    /// where to listen: tcp:ADDRESS:PORT, unix:PATH, or fd:0 for a stream socket on standard
    /// input, connected or listening (default tcp:0.0.0.0:8080)
    #[argh(option, default = "Listen::Tcp(\"0.0.0.0:8080\".to_owned())")]
    listen: Listen,

    /// kind of the action: quickjs, nodejs, python or native, with or without a version
    /// (default: OWL_RUNTIME_KIND, else the interpreter that is installed, else quickjs)
    #[argh(option)]
    kind: Option<String>,

    /// memory for JavaScript in quickjs, in MB (default 256)
    #[argh(option, default = "256")]
    memory: u32,
}

impl RuntimeCommand {
    /// Runs until a signal comes or the action's process ends.
    pub fn run(self) -> ExitCode {
        match self.serve() {
            Ok(End::Asked) => ExitCode::SUCCESS,
            Ok(End::Gone(code)) => ExitCode::from(code),
            Err(message) => {
                eprintln!("owl runtime: {message}");
                ExitCode::FAILURE
            }
        }
    }

    fn serve(self) -> Result<End, String> {
        let kind = self.kind.or_else(|| std::env::var("OWL_RUNTIME_KIND").ok());
        let language = match kind {
            Some(kind) => Language::of_kind(&kind)?,
            None => Language::found_in(&std::env::var("PATH").unwrap_or_default()),
        };
        let options = Options {
            listen: self.listen,
            language,
            memory: self.memory,
        };
        runtime::run(&options).map_err(|error| error.to_string())
    }
}
