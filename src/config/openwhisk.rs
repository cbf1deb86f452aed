//! Settings of the master and of further tiers.

use std::borrow::Cow;
use std::path::PathBuf;

use super::{ConfigError, Master, Reader, Source, Upstream};

/// What is told of a value that is no URL.
const URL: &str =
    "an http:// or https:// URL without a user, in ASCII (any other host by its name with xn--)";

/// Names that the 2017 prototype's users had for the master before `OWL_NEXT_OPENWHISK`.
pub(super) const EARLIER_NAMES: [&str; 2] = ["OPENWHISK_API", "OPENWHISK_HOST"];

/// The URL of an OpenWhisk, without `/api/v1` and slashes at its end. A host alone is reached by
/// https, as the `wsk` CLI does.
pub(super) fn url(text: &str) -> Option<String> {
    let text = text.trim();
    let with_scheme = match text.split_once("://") {
        Some(("http" | "https", _)) => text.to_owned(),
        Some(_) => return None,
        None => format!("https://{text}"),
    };
    let url = with_scheme.trim_end_matches('/');
    let url = url.strip_suffix("/api/v1").unwrap_or(url);
    let host = url.split_once("://")?.1;
    let plain = !host.is_empty() && host.is_ascii() && !host.contains(['?', '#', '@', ' ']);
    plain.then(|| url.trim_end_matches('/').to_owned())
}

/// A setting as it may be shown: what stands before `@` in URLs may be a password or a key.
pub(super) fn without_user(text: &str) -> Cow<'_, str> {
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://...@{after}").into()
        }
        None => text.into(),
    }
}

impl Reader<'_> {
    /// The master, by its name or by one of the earlier ones.
    pub(super) fn master(&mut self) -> Result<Option<String>, ConfigError> {
        const NAME: &str = "OWL_NEXT_OPENWHISK";
        if let Some(master) = self.optional(NAME, URL, url)? {
            return Ok(Some(master));
        }
        for earlier in EARLIER_NAMES {
            let set = (self.environment)(earlier).filter(|value| !value.trim().is_empty());
            let Some(text) = set else { continue };
            let master = url(&text).ok_or_else(|| {
                let text = without_user(&text);
                ConfigError(format!("{earlier}: '{text}' is not {URL}"))
            })?;
            if let Some(given) = self.given.iter_mut().find(|(name, ..)| *name == NAME) {
                *given = (NAME, master.clone(), Source::Environment);
            }
            return Ok(Some(master));
        }
        Ok(None)
    }

    pub(super) fn upstream(&mut self) -> Result<Upstream, ConfigError> {
        Ok(Upstream {
            ca_file: self.optional("OWL_CA_FILE", "a file", |text| Some(PathBuf::from(text)))?,
            insecure: self.boolean("OWL_INSECURE")?,
            connect_timeout: self.seconds("OWL_CONNECT_TIMEOUT", 1)?,
            answer_timeout: self.seconds("OWL_MASTER_TIMEOUT", 1)?,
            forwards: self.number("OWL_FORWARDS", 1, 1024)? as usize,
        })
    }

    pub(super) fn kept_of_master(&mut self) -> Result<Master, ConfigError> {
        let journal = "one of refuse, journal";
        Ok(Master {
            revalidate: self.seconds("OWL_REVALIDATE", 0)?,
            keys_revalidate: self.seconds("OWL_KEYS_REVALIDATE", 0)?,
            keys_offline: self.seconds("OWL_KEYS_OFFLINE", 0)?,
            journal: self.required("OWL_OFFLINE_WRITES", journal, |text| match text {
                "refuse" => Some(false),
                "journal" => Some(true),
                _ => None,
            })?,
            journal_bytes: self.number("OWL_JOURNAL_SIZE", 1, 1 << 20)? << 20,
            fires_bytes: self.number("OWL_FIRES_SIZE", 1, 1 << 20)? << 20,
            fires_age: self.seconds("OWL_FIRES_AGE", 1)?,
            merge_activations: self.boolean("OWL_MERGE_ACTIVATIONS")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn forms_of_urls() {
        for (text, expected) in [
            ("http://h:3233", Some("http://h:3233")),
            ("https://h/", Some("https://h")),
            ("https://h/api/v1", Some("https://h")),
            ("https://h/gw/api/v1/", Some("https://h/gw")),
            (" cloud.example.org ", Some("https://cloud.example.org")),
            ("ftp://h", None),
            ("http://", None),
            ("https://a:b@h", None),
            ("h?x", None),
            ("https://b\u{fc}cher.example", None),
            (
                "https://xn--bcher-kva.example",
                Some("https://xn--bcher-kva.example"),
            ),
            ("", None),
        ] {
            assert_eq!(url(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_master_by_any_of_its_names() {
        let master = |set: &[(&str, &str)]| {
            let environment = |name: &str| {
                let value = set.iter().find(|(known, _)| *known == name);
                value.map(|(_, value)| value.to_string())
            };
            Config::read(&[], &environment).map(|config| (config.next_openwhisk, config.tiers))
        };
        assert_eq!(master(&[]).unwrap(), (None, vec![]));
        let (url, tiers) = master(&[("OPENWHISK_API", "https://h/api/v1")]).unwrap();
        assert_eq!(url.as_deref(), Some("https://h"));
        assert_eq!(tiers, ["https://h"]);
        let both = [("OPENWHISK_HOST", "old"), ("OWL_NEXT_OPENWHISK", "new")];
        assert_eq!(master(&both).unwrap().0.as_deref(), Some("https://new"));
        let listed = [("OWL_TIERS", "http://near, https://far/")];
        assert_eq!(master(&listed).unwrap().1, ["http://near", "https://far"]);
        let wrong = master(&[("OPENWHISK_HOST", "ftp://h")]).unwrap_err();
        assert!(wrong.to_string().starts_with("OPENWHISK_HOST: 'ftp://h'"));
        for name in ["OPENWHISK_API", "OWL_NEXT_OPENWHISK", "OWL_TIERS"] {
            let wrong = master(&[(name, "http://h, https://u:secret@h")]).unwrap_err();
            let told = wrong.to_string();
            assert!(told.contains(name) && told.contains("...@h"), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
