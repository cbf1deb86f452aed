//! `owl check`: whether this machine is fit to run OWL, one line a check.

mod clock;
mod docker;
mod openwhisks;
mod port;
mod sandbox;
mod store;

use std::process::ExitCode;
use std::sync::Arc;

use argh::FromArgs;

use crate::cli::output::say;
use crate::config::Config;

/// Check this machine: one line a check, and what to do about what is wrong.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
pub struct CheckCommand {
    /// where the Docker Engine is, or none (DOCKER_HOST)
    #[argh(option, arg_name = "value")]
    docker_host: Option<String>,
    /// folder of the store (OWL_DATA_DIR)
    #[argh(option, arg_name = "value")]
    data_dir: Option<String>,
    /// port to listen on (OWL_PORT)
    #[argh(option, arg_name = "value")]
    port: Option<String>,
    /// url of the master OpenWhisk (OWL_NEXT_OPENWHISK)
    #[argh(option, arg_name = "value")]
    next_openwhisk: Option<String>,
    /// file with certificates of further authorities (OWL_CA_FILE)
    #[argh(option, arg_name = "value")]
    ca_file: Option<String>,
}

/// How a check came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be; what was found.
    Good(String),
    /// OWL works without it, but less well: what was found, and what to do.
    Note(String, String),
    /// OWL will not work like this: what was found, and what to do.
    Bad(String, String),
}

/// One line of the report.
pub struct Check {
    /// What was checked, in a word or two.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
}

impl Check {
    fn new(name: &'static str, outcome: Outcome) -> Self {
        Check { name, outcome }
    }

    fn print(&self) {
        let (mark, found, advice) = match &self.outcome {
            Outcome::Good(found) => ("ok  ", found, None),
            Outcome::Note(found, advice) => ("note", found, Some(advice)),
            Outcome::Bad(found, advice) => ("FAIL", found, Some(advice)),
        };
        say(&format!("{mark}  {:<16} {found}", self.name));
        if let Some(advice) = advice {
            say(&format!("      {:<16} → {advice}", ""));
        }
    }
}

impl CheckCommand {
    /// Runs every check; fails if one is bad.
    pub fn run(self) -> ExitCode {
        super::log_to_stderr(log::LevelFilter::Error);
        let flags: Vec<_> = [
            ("DOCKER_HOST", self.docker_host),
            ("OWL_DATA_DIR", self.data_dir),
            ("OWL_PORT", self.port),
            ("OWL_NEXT_OPENWHISK", self.next_openwhisk),
            ("OWL_CA_FILE", self.ca_file),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let config = match Config::read(&flags, &super::environment) {
            Ok(config) => config,
            Err(error) => {
                Check::new(
                    "settings",
                    Outcome::Bad(error.to_string(), "correct the setting".to_string()),
                )
                .print();
                return ExitCode::FAILURE;
            }
        };
        let executor = Arc::new(smol::Executor::new());
        let mut checks = vec![
            Check::new("settings", Outcome::Good("all readable".to_string())),
            clock::check(std::time::SystemTime::now()),
        ];
        checks.extend(store::check(&config.data_dir));
        checks.extend(port::check(&config.bind, config.port));
        checks.extend(sandbox::check());
        checks.extend(smol::block_on(
            executor.run(docker::check(executor.clone(), &config)),
        ));
        checks.extend(smol::block_on(openwhisks::check(&config)));
        for check in &checks {
            check.print();
        }
        let bad = checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Bad(..)))
            .count();
        if bad == 0 {
            say("\nThis machine can run OWL.");
            ExitCode::SUCCESS
        } else {
            say(&format!("\n{bad} of {} checks failed.", checks.len()));
            ExitCode::FAILURE
        }
    }
}
