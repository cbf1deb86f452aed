//! Which sandboxes are measured: kinds, images and manifests.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::direct::Engine;

/// The image that holds this binary as the runtime of `quickjs:1`.
const IMAGE: &str = "owl-bench-runtime:latest";

/// The manifest of the tests, if there is one.
pub fn runtimes() -> Option<PathBuf> {
    std::env::var_os("OWL_TEST_RUNTIMES").map(PathBuf::from)
}

/// The kind of container that is measured.
pub fn container_kind() -> String {
    std::env::var("OWL_BENCH_KIND").unwrap_or_else(|_| "nodejs:20".to_owned())
}

/// What an action says of what runs it, if that is QuickJS in a container.
pub fn quickjs_container(engine: &Engine, code: &str) -> io::Result<Value> {
    let imported = Command::new(env!("CARGO_BIN_EXE_owl"))
        .args(["image", "--tag", IMAGE, "--host", &engine.host])
        .stdout(Stdio::null())
        .status()?;
    if !imported.success() {
        return Err(io::Error::other("the image cannot be imported"));
    }
    Ok(json!({"kind": "blackbox", "image": IMAGE, "code": code}))
}

/// A manifest like that of the tests in which each of these kinds has a stem cell.
pub fn with_stem_cells(kinds: &[&str]) -> io::Result<tempfile::NamedTempFile> {
    let manifest = match runtimes() {
        Some(path) => std::fs::read(path)?,
        None => br#"{"runtimes": {}}"#.to_vec(),
    };
    let mut manifest: Value = serde_json::from_slice(&manifest)?;
    let own = json!([{"kind": "quickjs:1", "default": true, "engine": "process"}]);
    let families = manifest["runtimes"].as_object_mut();
    let families = families.ok_or_else(|| io::Error::other("the manifest has no runtimes"))?;
    families.entry("quickjs").or_insert(own);
    let entries = families.values_mut().filter_map(Value::as_array_mut);
    for entry in entries.flatten() {
        if kinds.iter().any(|kind| entry["kind"] == *kind) {
            entry["stemCells"] = json!([{"initialCount": 1, "memory": "256 MB"}]);
        }
    }
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(manifest.to_string().as_bytes())?;
    Ok(file)
}
