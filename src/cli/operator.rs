//! The operator of a gateway, as `OWL_OPERATOR_FILE` or a credential of the service names them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::node::NodeError;
use crate::api;

/// Name of the systemd credential with name and password of the operator.
const CREDENTIAL: &str = "owl-operator";

/// Name and password of the operator: of the file in the settings, else of the credential that the
/// service manager has put into `CREDENTIALS_DIRECTORY`, if there is one.
pub fn find(
    file: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<api::Credentials>, NodeError> {
    let folder = environment("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credential = folder.as_ref().map(|folder| folder.join(CREDENTIAL));
    let credential = credential.filter(|path| path.try_exists().unwrap_or(true));
    let Some(file) = file.map(Path::to_path_buf).or(credential) else {
        return Ok(None);
    };
    // The service manager decides who can read what it puts there, with access control lists that
    // the mode does not tell.
    let is_private = folder.is_some_and(|folder| file.starts_with(folder));
    read(&file, is_private).map(Some)
}

fn read(file: &Path, is_private: bool) -> Result<api::Credentials, NodeError> {
    let what = format!("cannot use {} (OWL_OPERATOR_FILE)", file.display());
    let failed = |error: std::io::Error| NodeError::new(&what, error);
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if !is_private && mode & 0o077 != 0 {
        let others = format!("others can read it (mode {mode:o}): chmod 600 it");
        return Err(NodeError::new(&what, others));
    }
    let text = Zeroizing::new(std::fs::read_to_string(file).map_err(failed)?);
    api::Credentials::new(text.trim())
        .ok_or_else(|| NodeError::new(&what, "it does not hold name:password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &Path, text: &str, mode: u32) {
        std::fs::write(file, text).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_the_operators_file_must_be() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("operator");
        let refused = |text: &str, mode| {
            write(&file, text, mode);
            let found = find(Some(&file), &|_| None);
            found.err().map(|error| error.to_string())
        };
        assert_eq!(refused("me:secret\n", 0o600), None);
        assert!(refused("me:secret", 0o640).unwrap().contains("chmod 600"));
        assert!(refused("secret", 0o600).unwrap().contains("name:password"));
        let missing = find(Some(&dir.path().join("none")), &|_| None)
            .err()
            .unwrap();
        assert!(missing.to_string().contains("OWL_OPERATOR_FILE"));
    }

    #[test]
    fn a_credential_of_the_service_is_taken_where_no_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap().to_string();
        let environment = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| folder.clone());
        assert!(find(None, &environment).unwrap().is_none());
        assert!(find(None, &|_| None).unwrap().is_none());
        // As systemd has it where the user comes by an access control list.
        write(&dir.path().join(CREDENTIAL), "me:secret\n", 0o440);
        assert!(find(None, &environment).unwrap().is_some());
        write(&dir.path().join(CREDENTIAL), "secret", 0o440);
        assert!(find(None, &environment).is_err());
    }
}
