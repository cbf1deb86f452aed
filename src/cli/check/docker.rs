//! Whether a Docker Engine answers, limits memory, and has a network for the containers.

use super::{Check, Outcome};
use crate::Executor;
use crate::cli::node::docker_options;
use crate::config::{Config, DockerHost};
use crate::engine::docker::DockerEngine;

pub async fn check(executor: Executor, config: &Config) -> Vec<Check> {
    if config.docker == DockerHost::None {
        return vec![Check::new(
            "docker engine",
            Outcome::Good("switched off: actions run in QuickJS only".to_string()),
        )];
    }
    let options = docker_options(config, "check".to_string());
    let engine = match DockerEngine::connect(executor, options).await {
        Ok(engine) => engine,
        Err(error) => {
            let outcome = match config.docker {
                // Someone named it, so someone needs it.
                DockerHost::At(_) => Outcome::Bad(
                    error.to_string(),
                    "start the engine, or correct DOCKER_HOST".to_string(),
                ),
                _ => Outcome::Note(
                    error.to_string(),
                    "start a Docker Engine, or do without: actions run in QuickJS then".to_string(),
                ),
            };
            return vec![Check::new("docker engine", outcome)];
        }
    };
    let client = engine.client();
    let flavour = client.flavour();
    let mut checks = vec![Check::new(
        "docker engine",
        Outcome::Good(format!(
            "{flavour} answers at {}, API {}",
            client.host(),
            client.version()
        )),
    )];
    for (lacks, advice) in flavour.shortcomings() {
        let outcome = Outcome::Note((*lacks).to_string(), (*advice).to_string());
        checks.push(Check::new("docker engine", outcome));
    }
    checks.push(match engine.info().await {
        Ok(info) if info.memory_limit != Some(false) => Check::new(
            "memory limits",
            Outcome::Good("the engine can limit memory".to_string()),
        ),
        Ok(_) => Check::new(
            "memory limits",
            Outcome::Note(
                "the kernel's memory cgroup is off: limits of containers do nothing".to_string(),
                "on a Raspberry Pi add cgroup_enable=memory cgroup_memory=1 to cmdline.txt"
                    .to_string(),
            ),
        ),
        Err(error) => Check::new(
            "memory limits",
            Outcome::Bad(
                error.to_string(),
                "look at the engine's own log".to_string(),
            ),
        ),
    });
    checks.push(match engine.gateway() {
        Some(address) => Check::new(
            "network",
            Outcome::Good(format!(
                "containers in {} reach this host at {address}",
                engine.network()
            )),
        ),
        None => Check::new(
            "network",
            Outcome::Note(
                format!("the network {} has no gateway", engine.network()),
                "set OWL_API_HOST to a URL that actions can reach, or OWL_NET_NAME".to_string(),
            ),
        ),
    });
    checks
}
