//! Where the Docker Engine is.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::blocking::unblock;
use crate::http::client::{Endpoint, Wire};

use super::error::DockerError;

/// Address of a Docker Engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A Unix socket.
    Unix(PathBuf),
    /// `host:port`; the name is looked up for each connection.
    Tcp(String),
}

impl Host {
    /// The engine to use: the given one, or the first socket that exists of Docker's, the user's
    /// rootless Docker's, and Podman's.
    pub fn choose(given: Option<&str>) -> Result<Host, DockerError> {
        if let Some(value) = given {
            return Host::parse(value);
        }
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let uid = nix::unistd::getuid().as_raw();
        let sockets = usual_sockets(runtime_dir.as_deref(), uid);
        let is_socket = |path: &PathBuf| {
            std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
        };
        sockets
            .iter()
            .find(|path| is_socket(path))
            .map(|path| Host::Unix(path.clone()))
            .ok_or_else(|| DockerError::NoEngine {
                tried: sockets
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect(),
            })
    }

    /// Reads an address as `DOCKER_HOST` has it: `unix:///path`, `tcp://host[:port]`, or a path.
    pub fn parse(value: &str) -> Result<Host, DockerError> {
        let refuse = |reason| {
            Err(DockerError::Host {
                value: value.to_owned(),
                reason,
            })
        };
        if let Some(path) = value.strip_prefix("unix://") {
            return match path {
                "" => refuse("it has no path"),
                path => Ok(Host::Unix(path.into())),
            };
        }
        if value.starts_with('/') {
            return Ok(Host::Unix(value.into()));
        }
        let Some(address) = ["tcp://", "http://"]
            .iter()
            .find_map(|scheme| value.strip_prefix(scheme))
        else {
            return refuse("its scheme is not supported");
        };
        let address = address.trim_end_matches('/');
        match address.rsplit_once(':') {
            _ if address.is_empty() || address.contains('/') => refuse("it is not host:port"),
            Some((_, "2376")) => refuse("TLS is not supported"),
            Some((host, port)) if !port.ends_with(']') => {
                if host.is_empty() || port.parse::<u16>().is_err() {
                    return refuse("it is not host:port");
                }
                Ok(Host::Tcp(address.to_owned()))
            }
            // Docker's port for engines without TLS.
            _ => Ok(Host::Tcp(format!("{address}:2375"))),
        }
    }

    /// Connects.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Wire>> {
        match self {
            Host::Unix(path) => Endpoint::Unix(path.clone()).connect().await,
            Host::Tcp(address) => {
                let address = address.clone();
                let addresses: Vec<_> =
                    unblock(move || address.to_socket_addrs().map(Iterator::collect)).await??;
                let mut result = Err(io::ErrorKind::NotFound.into());
                for address in addresses {
                    result = Endpoint::Tcp(address).connect().await;
                    if result.is_ok() {
                        break;
                    }
                }
                result
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Unix(path) => write!(f, "unix://{}", path.display()),
            Host::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// Where engines put their sockets, in the order in which they are tried.
fn usual_sockets(runtime_dir: Option<&Path>, uid: u32) -> Vec<PathBuf> {
    let user = PathBuf::from(format!("/run/user/{uid}"));
    let mut of_user = vec![user.as_path()];
    if let Some(dir) = runtime_dir
        && dir != user
    {
        of_user.insert(0, dir);
    }
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    sockets.extend(of_user.iter().map(|dir| dir.join("docker.sock")));
    sockets.push("/run/podman/podman.sock".into());
    sockets.extend(of_user.iter().map(|dir| dir.join("podman/podman.sock")));
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (value, host) in [
            ("unix:///run/d.sock", Host::Unix("/run/d.sock".into())),
            ("/run/d.sock", Host::Unix("/run/d.sock".into())),
            ("tcp://10.0.0.1:4000", Host::Tcp("10.0.0.1:4000".into())),
            ("tcp://engine", Host::Tcp("engine:2375".into())),
            ("http://engine:80/", Host::Tcp("engine:80".into())),
            ("tcp://[::1]", Host::Tcp("[::1]:2375".into())),
            ("tcp://[::1]:99", Host::Tcp("[::1]:99".into())),
        ] {
            assert_eq!(Host::parse(value).expect(value), host);
        }
        for value in [
            "",
            "unix://",
            "ssh://me@host",
            "npipe:////./pipe",
            "tcp://",
            "tcp://:1",
            "tcp://h:x",
            "tcp://h:70000",
            "tcp://h:1/path",
            "tcp://h:2376",
            "engine:2375",
        ] {
            let error = Host::parse(value).expect_err(value).to_string();
            assert!(error.contains("DOCKER_HOST"), "{error}");
        }
    }

    #[test]
    fn the_usual_places_in_order() {
        let paths = |dir: Option<&str>| -> Vec<String> {
            usual_sockets(dir.map(Path::new), 1000)
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        let usual = [
            "/var/run/docker.sock",
            "/run/user/1000/docker.sock",
            "/run/podman/podman.sock",
            "/run/user/1000/podman/podman.sock",
        ];
        assert_eq!(paths(None), usual);
        assert_eq!(paths(Some("/run/user/1000")), usual);
        assert_eq!(
            paths(Some("/x"))[1..3],
            ["/x/docker.sock", "/run/user/1000/docker.sock"]
        );
    }
}
