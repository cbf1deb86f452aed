//! `owl demo`: the main job from end to end, on whatever this machine has.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argh::FromArgs;
use hyper::Method;
use serde_json::{Value, json};

use super::node::docker_options;
use super::output::say;
use super::rest::{Daemon, Rest, RestError};
use crate::config::{Config, DockerHost};
use crate::engine::docker::{DockerEngine, image};
use crate::entity::{GUEST_KEY, GUEST_UUID};

/// How often the sample action is invoked warm.
const WARM_CALLS: usize = 200;

/// The image that the demo packs from its own binary.
const IMAGE: &str = "owl-demo";

/// The sample action: it greets, and logs one line.
const ACTION: &str = r#"function main(params) {
    const greeting = 'Hello, ' + (params.name || 'stranger') + '!';
    console.log('greeting ' + (params.name || 'stranger'));
    return { greeting: greeting };
}
"#;

/// Run a sample action from end to end: a daemon on a free port with a temporary store, cold and
/// 200 times warm, in QuickJS and, if a Docker Engine answers, in a container.
#[derive(FromArgs)]
#[argh(subcommand, name = "demo")]
pub struct DemoCommand {
    /// where the Docker Engine is, or none (DOCKER_HOST)
    #[argh(option, arg_name = "value")]
    docker_host: Option<String>,
}

/// Latencies of one engine.
struct Figures {
    engine: &'static str,
    cold: Duration,
    warm: Vec<Duration>,
}

impl Figures {
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.warm.clone();
        sorted.sort();
        sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
    }
}

impl DemoCommand {
    /// Runs the demo; succeeds only if every step did.
    pub fn run(self) -> ExitCode {
        super::log_to_stderr(log::LevelFilter::Warn);
        let flags: Vec<_> = self
            .docker_host
            .map(|host| ("DOCKER_HOST", host))
            .into_iter()
            .collect();
        let config = match Config::read(&flags, &super::environment) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("owl demo: {error}");
                return ExitCode::FAILURE;
            }
        };
        let executor = Arc::new(smol::Executor::new());
        let folder = std::env::temp_dir().join(format!("owl-demo-{}", std::process::id()));
        let result = smol::block_on(
            executor
                .clone()
                .run(demo(executor.clone(), &config, &folder)),
        );
        let cleaned = std::fs::remove_dir_all(&folder);
        match (result, cleaned) {
            (Ok(()), Ok(())) => {
                say("\nEverything worked, and everything was cleaned up.");
                ExitCode::SUCCESS
            }
            (Ok(()), Err(error)) => {
                eprintln!("\nowl demo: cannot remove {}: {error}", folder.display());
                ExitCode::FAILURE
            }
            (Err(error), _) => {
                eprintln!("\nowl demo: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

async fn demo(executor: crate::Executor, config: &Config, folder: &Path) -> Result<(), RestError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| RestError(format!("{what}: {error}"));
    std::fs::create_dir_all(folder)
        .map_err(|error| failed("cannot make a temporary folder", &error))?;

    let docker = find_docker(&executor, config).await?;
    let mut environment = vec![
        ("OWL_PORT", "0".to_string()),
        ("OWL_BIND", "127.0.0.1".to_string()),
        ("OWL_DATA_DIR", folder.join("store").display().to_string()),
        ("OWL_LOG_LEVEL", "info".to_string()),
        ("OWL_INVOCATIONS_PER_MINUTE", "1000000".to_string()),
    ];
    match &docker {
        Some(host) => {
            let manifest = folder.join("runtimes.json");
            std::fs::write(&manifest, runtimes().to_string())
                .map_err(|error| failed("cannot write the runtimes manifest", &error))?;
            environment.push(("DOCKER_HOST", host.clone()));
            environment.push(("OWL_RUNTIMES", manifest.display().to_string()));
        }
        None => environment.push(("DOCKER_HOST", "none".to_string())),
    }
    let daemon = Daemon::start(&environment)?;
    say(&format!(
        "Started a daemon on http://{} with a temporary store; it listened after {}.",
        daemon.address,
        millis(daemon.start_time)
    ));

    let mut rest = Rest::new(
        executor.clone(),
        daemon.address,
        &format!("{GUEST_UUID}:{GUEST_KEY}"),
    );
    let mut figures = vec![measure(&mut rest, "quickjs, own process", "quickjs:1").await?];
    if docker.is_some() {
        figures.push(measure(&mut rest, "quickjs, container", "quickjs:docker").await?);
    }

    say("\nLatencies over REST, as a client sees them:\n");
    say(&format!(
        "  {:<22} {:>10} {:>10} {:>10}",
        "engine", "cold", "warm p50", "warm p99"
    ));
    for figure in &figures {
        say(&format!(
            "  {:<22} {:>10} {:>10} {:>10}",
            figure.engine,
            millis(figure.cold),
            millis(figure.percentile(50)),
            millis(figure.percentile(99))
        ));
    }
    show_record(&mut rest).await?;

    daemon.stop()?;
    if let Some(host) = docker {
        clean_docker(&executor, config, &host).await?;
    }
    Ok(())
}

/// Looks for a Docker Engine and packs this binary as an image for it. Gives its address.
async fn find_docker(
    executor: &crate::Executor,
    config: &Config,
) -> Result<Option<String>, RestError> {
    if config.docker == DockerHost::None {
        say("Docker is switched off: only QuickJS in a process of its own is shown.");
        return Ok(None);
    }
    let options = docker_options(config, "demo".to_string());
    let engine = match DockerEngine::connect(executor.clone(), options).await {
        Ok(engine) => engine,
        Err(error) if config.docker == DockerHost::Usual => {
            say(&format!(
                "No Docker Engine answers ({error}): only QuickJS in a process of its own is shown."
            ));
            return Ok(None);
        }
        Err(error) => return Err(RestError(error.to_string())),
    };
    let client = engine.client();
    say(&format!(
        "A Docker Engine answers at {} (API {}).",
        client.host(),
        client.version()
    ));
    say("Packing this binary as an image and importing it …");
    let clock = Instant::now();
    let imported = image::import(client, IMAGE)
        .await
        .map_err(|error| RestError(format!("cannot import the image {IMAGE}: {error}")))?;
    say(&format!(
        "Imported {IMAGE}: {:.1} MB in {}.",
        imported.size.unwrap_or_default() as f64 / 1e6,
        millis(clock.elapsed())
    ));
    Ok(Some(client.host().to_string()))
}

async fn clean_docker(
    executor: &crate::Executor,
    config: &Config,
    host: &str,
) -> Result<(), RestError> {
    let mut options = docker_options(config, "demo".to_string());
    options.host = Some(host.to_string());
    let removed = async {
        let engine = DockerEngine::connect(executor.clone(), options).await?;
        engine.client().remove_image(IMAGE).await
    };
    removed
        .await
        .map_err(|error| RestError(format!("cannot remove the image {IMAGE}: {error}")))
}

/// A manifest with a kind that runs QuickJS in a container.
fn runtimes() -> Value {
    json!({"runtimes": {"quickjs-docker": [{
        "kind": "quickjs:docker",
        "default": true,
        "engine": "docker",
        "image": {"name": IMAGE, "tag": "latest"},
    }]}})
}

/// Creates the sample action in a kind, and invokes it cold and warm.
async fn measure(rest: &mut Rest, engine: &'static str, kind: &str) -> Result<Figures, RestError> {
    let name = kind.replace(':', "-");
    let body = json!({"exec": {"kind": kind, "code": ACTION}});
    rest.expect(
        200,
        Method::PUT,
        &format!("actions/{name}?overwrite=true"),
        body.to_string().into_bytes(),
    )
    .await?;
    let path = format!("actions/{name}?blocking=true&result=true");
    let body = || json!({"name": "edge"}).to_string().into_bytes();
    let check = |answer: super::rest::Answer| match answer.json()? {
        result if result == json!({"greeting": "Hello, edge!"}) => Ok(()),
        other => Err(RestError(format!("{name} gave {other}"))),
    };

    let clock = Instant::now();
    check(rest.expect(200, Method::POST, &path, body()).await?)?;
    let cold = clock.elapsed();
    say(&format!(
        "Created the action {name} ({kind}) and invoked it cold: {}.",
        millis(cold)
    ));
    let mut warm = Vec::with_capacity(WARM_CALLS);
    let mut told = Instant::now();
    for call in 0..WARM_CALLS {
        let clock = Instant::now();
        check(rest.expect(200, Method::POST, &path, body()).await?)?;
        warm.push(clock.elapsed());
        if told.elapsed() > Duration::from_secs(1) {
            say(&format!("  {call} of {WARM_CALLS} warm invocations …"));
            told = Instant::now();
        }
    }
    say(&format!("Invoked it {WARM_CALLS} times warm."));
    Ok(Figures { engine, cold, warm })
}

/// Shows one activation record with its logs.
async fn show_record(rest: &mut Rest) -> Result<(), RestError> {
    let list = rest
        .expect(200, Method::GET, "activations?limit=1", Vec::new())
        .await?
        .json()?;
    let id = list[0]["activationId"]
        .as_str()
        .ok_or_else(|| RestError("the list of activations is empty".to_string()))?
        .to_string();
    let record = rest
        .expect(200, Method::GET, &format!("activations/{id}"), Vec::new())
        .await?
        .json()?;
    if record["logs"].as_array().is_none_or(|logs| logs.len() != 1) {
        return Err(RestError(format!(
            "the activation should have one log line: {record}"
        )));
    }
    say("\nThe record of the last activation:\n");
    let text = serde_json::to_string_pretty(&record).unwrap_or_default();
    for line in text.lines() {
        say(&format!("  {line}"));
    }
    Ok(())
}

fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}
