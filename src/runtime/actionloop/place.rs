//! The action's code on disk, and the command that runs it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::archive;
use crate::runtime::kind::Language;
use crate::runtime::message::InitRequest;

const NODE_LAUNCHER: &str = include_str!("../launchers/launcher.js");
const PYTHON_LAUNCHER: &str = include_str!("../launchers/launcher.py");

/// Where an image that holds its own code has it, as Apache's images do.
const EXECUTABLE_OF_IMAGE: &str = "/action/exec";

/// What to start.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; a name without a slash is looked up on `PATH`.
    pub words: Vec<String>,
    /// Where to start it.
    pub directory: PathBuf,
    /// Whether it says, before the first call, how loading went. Launchers do.
    pub announces: bool,
}

/// Writes code below `root`. The error is for the action's owner.
pub fn place(language: Language, request: &InitRequest, root: &Path) -> Result<Program, String> {
    let directory = root.join("code");
    fs::create_dir(&directory).map_err(|error| unwritable(&error))?;
    let bytes = match &request.code {
        Some(code) if request.binary => Some(
            STANDARD
                .decode(code.trim())
                .map_err(|error| format!("the code is not valid base64: {error}"))?,
        ),
        Some(code) => Some(code.clone().into_bytes()),
        None => None,
    };
    let zipped = request.binary
        && bytes
            .as_deref()
            .is_some_and(|bytes| bytes.starts_with(b"PK"));
    let program = |words: Vec<String>, announces| Program {
        words,
        directory: directory.clone(),
        announces,
    };
    if let (Some(bytes), true) = (&bytes, zipped) {
        archive::unpack(bytes, &directory)?;
    }
    let (interpreter, launcher, source, file) = match language {
        Language::Node => ("node", "launcher.js", NODE_LAUNCHER, "action.js"),
        Language::Python => ("python3", "launcher.py", PYTHON_LAUNCHER, "__main__.py"),
        Language::Native | Language::QuickJs => {
            let executable = place_executable(bytes, zipped, &directory)?;
            return Ok(program(vec![executable], false));
        }
    };
    match bytes {
        None => return Err("Missing main/no code to execute.".to_owned()),
        Some(_) if request.binary && !zipped => {
            return Err("the binary code is not a zip file.".to_owned());
        }
        Some(bytes) if !zipped => write(&directory.join(file), &bytes)?,
        Some(_) => {}
    }
    let launcher = root.join(launcher);
    write(&launcher, source.as_bytes())?;
    let words = [
        interpreter,
        &launcher.to_string_lossy(),
        &directory.to_string_lossy(),
        &request.main,
        if zipped { "zip" } else { "text" },
    ];
    Ok(program(words.map(str::to_owned).to_vec(), true))
}

/// Finds or writes the executable of an action that is one.
fn place_executable(
    bytes: Option<Vec<u8>>,
    zipped: bool,
    directory: &Path,
) -> Result<String, String> {
    let path = match bytes {
        None => PathBuf::from(EXECUTABLE_OF_IMAGE),
        Some(bytes) => {
            let path = directory.join("exec");
            if !zipped {
                write(&path, &bytes)?;
            }
            path
        }
    };
    if !path.is_file() {
        return Err(match path.starts_with(directory) {
            true => "Zipped actions must contain an executable exec at the root.".to_owned(),
            false => format!("no code was given, and this image has no {EXECUTABLE_OF_IMAGE}."),
        });
    }
    // Zips made where there are no modes do not have this one.
    if path.starts_with(directory) {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(|error| unwritable(&error))?;
    }
    Ok(path.to_string_lossy().into_owned())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| unwritable(&error))
}

fn unwritable(error: &std::io::Error) -> String {
    format!("the code cannot be written to disk: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(code: Option<&str>, binary: bool) -> InitRequest {
        InitRequest {
            main: "go".into(),
            code: code.map(str::to_owned),
            binary,
            env: Vec::new(),
        }
    }

    #[test]
    fn interpreters_get_a_launcher_and_the_code() {
        let root = tempfile::tempdir().unwrap();
        let program = place(
            Language::Python,
            &request(Some("x = 1"), false),
            root.path(),
        )
        .unwrap();
        assert_eq!(program.words[0], "python3");
        assert_eq!(program.words[3..], ["go", "text"]);
        assert!(program.announces);
        let code = fs::read_to_string(program.directory.join("__main__.py")).unwrap();
        assert_eq!(code, "x = 1");
    }

    #[test]
    fn executables_are_made_executable() {
        let root = tempfile::tempdir().unwrap();
        let code = STANDARD.encode("#!/bin/sh\n");
        let program = place(Language::Native, &request(Some(&code), true), root.path()).unwrap();
        let mode = fs::metadata(&program.words[0])
            .unwrap()
            .permissions()
            .mode();
        assert_eq!((mode & 0o777, program.announces), (0o755, false));
    }

    #[test]
    fn what_cannot_be_run_is_told() {
        for (language, code, binary, words) in [
            (Language::Node, None, false, "Missing main/no code"),
            (Language::Node, Some("!"), true, "not valid base64"),
            (Language::Node, Some("AAAA"), true, "not a zip file"),
            (Language::Node, Some("UEsDBA=="), true, "cannot be read"),
            (
                Language::Native,
                None,
                false,
                "this image has no /action/exec",
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            let error = place(language, &request(code, binary), root.path()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
