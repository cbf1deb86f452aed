//! `owl image`: this binary as a runtime image.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use argh::FromArgs;

use super::output::say;
use crate::engine::docker::{Client, DockerError, image};

/// Pack this binary as a runtime image and import it into the Docker Engine. No registry is
/// needed.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "image")]
pub struct ImageCommand {
    /// name of the image, by default owl-runtime:latest
    #[argh(option, default = "image::DEFAULT_TAG.to_owned()")]
    tag: String,

    /// address of the engine, by default $DOCKER_HOST, else the usual sockets
    #[argh(option)]
    host: Option<String>,

    /// write the tar to this file instead, for `docker import` elsewhere
    #[argh(option)]
    output: Option<PathBuf>,
}

impl ImageCommand {
    /// Runs the command, and tells how it went.
    pub fn run(self) -> ExitCode {
        let result = match &self.output {
            Some(path) => pack(path),
            None => self.import(),
        };
        match result {
            Ok(told) => {
                say(&told);
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("owl: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn import(&self) -> Result<String, DockerError> {
        let host = self.host.clone();
        let host = host.or_else(|| {
            std::env::var("DOCKER_HOST")
                .ok()
                .filter(|host| !host.is_empty())
        });
        let executor = Arc::new(smol::Executor::new());
        let imported = smol::block_on(executor.run(async {
            let client = Client::connect(executor.clone(), host.as_deref()).await?;
            say(&format!("importing {} into {}", self.tag, client.host()));
            image::import(&client, &self.tag).await
        }))?;
        let megabytes = imported.size.unwrap_or_default() as f64 / 1e6;
        Ok(format!(
            "{} is {} ({megabytes:.1} MB)",
            self.tag, imported.id
        ))
    }
}

fn pack(path: &Path) -> Result<String, DockerError> {
    let error = |reason: std::io::Error| DockerError::Pack {
        what: format!("the image into {}", path.display()),
        reason: reason.to_string(),
    };
    let file = File::create(path).map_err(error)?;
    image::pack(BufWriter::new(&file))?;
    file.sync_all().map_err(error)?;
    let bytes = file.metadata().map_err(error)?.len();
    Ok(format!(
        "wrote {} ({:.1} MB)",
        path.display(),
        bytes as f64 / 1e6
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> ImageCommand {
        ImageCommand::from_args(&["owl", "image"], arguments).expect("are arguments")
    }

    #[test]
    fn arguments() {
        let command = parse(&[]);
        assert_eq!(command.tag, "owl-runtime:latest");
        assert!(command.host.is_none() && command.output.is_none());
        let command = parse(&["--tag", "a:1", "--host", "tcp://h:1", "--output", "x.tar"]);
        assert_eq!(
            (command.tag.as_str(), command.host.as_deref()),
            ("a:1", Some("tcp://h:1"))
        );
        assert_eq!(command.output.as_deref(), Some(Path::new("x.tar")));
    }

    #[test]
    fn the_tar_holds_the_binary() {
        let dir = tempfile::tempdir().expect("is made");
        let path = dir.path().join("owl.tar");
        pack(&path).expect("is packed");
        let mut archive = tar::Archive::new(File::open(&path).expect("is there"));
        let first = archive
            .entries()
            .expect("is a tar")
            .next()
            .expect("has one");
        let first = first.expect("is whole");
        assert_eq!(first.path().expect("has a path"), Path::new("owl"));
        assert!(first.size() > 100_000);
        assert!(pack(&dir.path().join("no/such/dir.tar")).is_err());
    }
}
