//! `owl runtime`: the action proxy, as a container's main process or as a child of the daemon.

use std::process::ExitCode;

use argh::FromArgs;

use crate::allocator::do_without_huge_pages;
use crate::runtime::kind::Language;
use crate::runtime::listen::Listen;
use crate::runtime::sandbox::{self, Profile, Stage};
use crate::runtime::{self, End, Options};

/// Serve one action over OpenWhisk's container protocol: POST /init, POST /run.
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

    /// memory of the action in quickjs or a sandbox, in MB (default 256)
    #[argh(option, default = "256")]
    memory: u32,

    /// outer: confine this process before it reads any code: quickjs without files, network or
    /// other processes, nodejs and python with the system's files and a /tmp of their own (the
    /// stage inner is what this one starts)
    #[argh(option)]
    sandbox: Option<Stage>,

    /// say which parts of the sandbox could be applied, one a line, and end
    #[argh(switch)]
    report: bool,
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
        do_without_huge_pages();
        let language = self.language()?;
        let memory = u64::from(self.memory) << 20;
        let confine = match self.sandbox {
            None => None,
            Some(stage) => {
                let (profile, kind) = profile(language)?;
                let pid_namespace = match stage {
                    Stage::Inner => Err("this is not its first process".to_owned()),
                    Stage::Outer => {
                        match sandbox::supervise(profile, &self.inner_arguments(kind), memory) {
                            Ok(code) => return Ok(End::Gone(code)),
                            Err(reason) => Err(reason),
                        }
                    }
                };
                Some((profile, pid_namespace))
            }
        };
        if self.report {
            if let Some((profile, pid_namespace)) = confine {
                for feature in sandbox::confine(profile, memory, pid_namespace) {
                    println!("{feature}");
                }
            }
            return Ok(End::Asked);
        }
        let options = Options {
            listen: self.listen,
            language,
            memory: self.memory,
            confine,
        };
        runtime::run(&options).map_err(|error| error.to_string())
    }

    fn language(&self) -> Result<Language, String> {
        let environment = || std::env::var("OWL_RUNTIME_KIND").ok();
        match self.kind.clone().or_else(environment) {
            Some(kind) => Language::of_kind(&kind),
            None => Ok(Language::found_in(
                &std::env::var("PATH").unwrap_or_default(),
            )),
        }
    }

    /// The command line of the inner stage.
    fn inner_arguments(&self, kind: &str) -> Vec<String> {
        let (listen, memory) = (self.listen.to_string(), self.memory.to_string());
        let mut arguments = vec!["runtime", "--listen", &listen, "--memory", &memory];
        arguments.extend(["--kind", kind, "--sandbox", "inner"]);
        if self.report {
            arguments.push("--report");
        }
        arguments.into_iter().map(str::to_owned).collect()
    }
}

/// How a language is confined, and the name by which the inner stage is told of it.
fn profile(language: Language) -> Result<(Profile, &'static str), String> {
    Profile::of(language)
        .map(|profile| (profile, language.name()))
        .ok_or_else(|| {
            "--sandbox is for quickjs, nodejs and python: executables run in images".into()
        })
}
