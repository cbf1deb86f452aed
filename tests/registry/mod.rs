//! A registry of the tests on loopback, from which a real engine pulls: as much of the protocol
//! (version 2) as that takes. Docker speaks plain HTTP to registries on 127.0.0.0/8.

mod server;

use std::collections::HashMap;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// What is served.
#[derive(Default)]
pub struct Shelf {
    /// By digest.
    blobs: Mutex<HashMap<String, Vec<u8>>>,
    /// Digests of manifests, by `repository:tag`.
    tags: Mutex<HashMap<String, String>>,
    /// Method and path of each request.
    requests: Mutex<Vec<String>>,
    /// While it is shut, layers are sent to their half only.
    shut: Mutex<bool>,
    opened: Condvar,
    ends: AtomicBool,
}

/// A registry. What an engine has got from it goes with it.
pub struct Registry {
    engine: String,
    address: String,
    shelf: Arc<Shelf>,
}

/// An image to be published.
#[derive(Clone)]
pub struct Picture {
    /// Its `config`, with what it is made for.
    pub config: Value,
    /// Tars, the lowest first.
    pub layers: Vec<Vec<u8>>,
}

impl Registry {
    /// A registry for the engine of this address.
    pub fn start(engine: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind the registry");
        let address = listener.local_addr().expect("has an address").to_string();
        let shelf = Arc::new(Shelf::default());
        let served = shelf.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if served.ends.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shelf) = (stream, served.clone()) else {
                    continue;
                };
                thread::spawn(move || server::serve(stream, &shelf));
            }
        });
        Registry {
            engine: engine.to_owned(),
            address,
            shelf,
        }
    }

    /// The name under which an engine finds a repository.
    pub fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Publishes an image as `repository:tag`.
    pub fn publish(&self, repository: &str, tag: &str, picture: &Picture) {
        let mut config = picture.config.clone();
        let ids: Vec<String> = picture.layers.iter().map(|layer| sha256(layer)).collect();
        config["rootfs"] = json!({ "type": "layers", "diff_ids": ids });
        config["history"] = Value::Null;
        let config = config.to_string().into_bytes();
        let part = |media: &str, content: &[u8]| {
            let media = format!("application/vnd.docker.{media}");
            json!({ "mediaType": media, "size": content.len(), "digest": sha256(content) })
        };
        let layers: Vec<Value> = picture
            .layers
            .iter()
            .map(|layer| part("image.rootfs.diff.tar", layer))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": server::MANIFEST,
            "config": part("container.image.v1+json", &config),
            "layers": layers,
        });
        let manifest = manifest.to_string().into_bytes();
        let tags = (format!("{repository}:{tag}"), sha256(&manifest));
        let mut blobs = self.shelf.blobs.lock().expect("the blobs");
        let contents = picture.layers.iter().cloned().chain([config, manifest]);
        blobs.extend(contents.map(|content| (sha256(&content), content)));
        self.shelf.tags.lock().expect("the tags").extend([tags]);
    }

    /// From now on layers come slowly, and to their half only, until the gate is opened.
    pub fn shut(&self) {
        *self.shelf.shut.lock().expect("the gate") = true;
    }

    /// Layers come whole again, those under way, too.
    pub fn open(&self) {
        *self.shelf.shut.lock().expect("the gate") = false;
        self.shelf.opened.notify_all();
    }

    /// How many requests have had this method and a path with this in it.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let requests = self.shelf.requests.lock().expect("the requests");
        let is_one = |request: &&String| request.starts_with(method) && request.contains(part);
        requests.iter().filter(is_one).count()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shelf.ends.store(true, Ordering::Relaxed);
        self.open();
        // Wakes the listener up.
        let _ = std::net::TcpStream::connect(&self.address);
        let docker = |arguments: &[&str]| {
            let mut docker = Command::new("docker");
            let output = docker
                .args(["--host", &self.engine])
                .args(arguments)
                .output();
            String::from_utf8(output.expect("run the docker client").stdout).expect("is text")
        };
        let format = "{{.Repository}}:{{.Tag}}";
        for name in docker(&["image", "ls", "--format", format]).lines() {
            if name.starts_with(&format!("{}/", self.address)) {
                docker(&["image", "rm", "--force", name]);
            }
        }
    }
}

impl Picture {
    /// An image for machines of some architecture whose program is one of s390x: a machine that
    /// nobody emulates by chance.
    pub fn foreign(architecture: &str) -> Self {
        let mut program = b"\x7fELF\x02\x02\x01".to_vec();
        program.resize(16, 0);
        program.extend([0, 2, 0, 22, 0, 0, 0, 1]);
        program.resize(64, 0);
        Picture {
            config: json!({
                "architecture": architecture,
                "os": "linux",
                "config": { "Cmd": ["/server"] },
            }),
            layers: vec![tar_of("server", &program)],
        }
    }

    /// An image of an engine, by its client.
    pub fn of(host: &str, image: &str) -> Self {
        let mut save = Command::new("docker")
            .args(["--host", host, "save", image])
            .stdout(Stdio::piped())
            .spawn()
            .expect("run docker save");
        let mut files = HashMap::new();
        let mut archive = tar::Archive::new(save.stdout.take().expect("is piped"));
        for entry in archive.entries().expect("is a tar") {
            let mut entry = entry.expect("is whole");
            let path = entry.path().expect("has a path").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("is read");
            files.insert(path, content);
        }
        assert!(save.wait().expect("ends").success(), "docker save {image}");
        let json = |name: &str| -> Value {
            serde_json::from_slice(&files[name]).unwrap_or_else(|_| panic!("{name} is no JSON"))
        };
        let manifest = &json("manifest.json")[0];
        let text = |value: &Value| value.as_str().expect("a name").to_owned();
        let layers = manifest["Layers"].as_array().expect("layers");
        Picture {
            config: json(&text(&manifest["Config"])),
            layers: layers
                .iter()
                .map(|layer| files[&text(layer)].clone())
                .collect(),
        }
    }

    /// The same with a layer of its own of so many bytes, which no engine has yet.
    pub fn with_layer(mut self, name: &str, bytes: usize) -> Self {
        // Not to be packed: what is sent is what is counted.
        let mut content = Vec::with_capacity(bytes + 32);
        let mut block = format!("{name} {}", std::process::id()).into_bytes();
        while content.len() < bytes {
            block = digest(&SHA256, &block).as_ref().to_vec();
            content.extend_from_slice(&block);
        }
        self.layers.push(tar_of(name, &content));
        self
    }
}

fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, name, content)
        .expect("is packed");
    tar.into_inner().expect("is packed")
}

fn sha256(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    let hex: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}
