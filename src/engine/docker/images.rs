//! Images of the Engine API.

use std::time::Duration;

use hyper::Method;
use miniserde::Deserialize;

use crate::http::client::{ResponseStream, within};
use crate::http::percent::encode;

use super::client::{Call, Client, broken};
use super::error::DockerError;
use super::json::{Lines, parse};
use super::supply::progress::Line;

/// Time limit of a pull (reference section 7.8) and of an import.
pub(super) const PULL_LIMIT: Duration = Duration::from_secs(600);

/// An image that the engine has.
#[derive(Debug, Deserialize)]
pub struct Image {
    /// Its id, `sha256:…`.
    #[serde(rename = "Id")]
    pub id: String,
    /// As Go names it: `amd64`, `arm64`, `arm` …
    #[serde(rename = "Architecture")]
    pub architecture: Option<String>,
    /// Which of these machines: `v6`, `v7`, `v8`.
    #[serde(rename = "Variant")]
    pub variant: Option<String>,
    /// Bytes.
    #[serde(rename = "Size")]
    pub size: Option<u64>,
}

/// An image in a list.
#[derive(Debug, Deserialize)]
pub struct ImageSummary {
    /// Its id, `sha256:…`.
    #[serde(rename = "Id")]
    pub id: String,
    /// Its names, `name:tag`.
    #[serde(rename = "RepoTags")]
    pub repo_tags: Option<Vec<String>>,
}

impl ImageSummary {
    /// Its names. One that has lost all of them has none.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.repo_tags.as_deref().unwrap_or_default();
        let names = names.iter().map(String::as_str);
        names.filter(|name| *name != "<none>:<none>")
    }
}

impl Client {
    /// Looks at an image, by name or id; none if the engine does not have it.
    pub async fn inspect_image(&self, image: &str) -> Result<Option<Image>, DockerError> {
        let what = format!("inspect image {image}");
        // Slashes of the name stay as they are: the engine takes them as part of it.
        let path = format!("/images/{}/json", encode(image).replace("%2F", "/"));
        match self.call(Call::new(Method::GET, path, &*what)).await {
            Ok(document) => parse(&what, &document).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All images.
    pub async fn list_images(&self) -> Result<Vec<ImageSummary>, DockerError> {
        let what = "list images";
        parse(
            what,
            &self
                .call(Call::new(Method::GET, "/images/json", what))
                .await?,
        )
    }

    /// Removes a name of an image, and the image with its last name. Not existing is no error.
    pub async fn remove_image(&self, image: &str) -> Result<(), DockerError> {
        let path = format!("/images/{}?force=1", encode(image).replace("%2F", "/"));
        let what = format!("remove image {image}");
        match self.call(Call::new(Method::DELETE, path, what)).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }

    /// Removes a name of an image, or one without names by its id, and the image with its last
    /// name; not one that a container has, running or not: that is a conflict. Not existing is no
    /// error.
    pub(super) async fn drop_image(&self, image: &str) -> Result<(), DockerError> {
        let path = format!("/images/{}", encode(image).replace("%2F", "/"));
        let what = format!("remove image {image}");
        match self.call(Call::new(Method::DELETE, path, what)).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }

    /// Pulls an image, `latest` if it has no tag, and shows `each` line of what the engine tells
    /// meanwhile. Ends after 10 minutes at the latest.
    pub(super) async fn pull_image(
        &self,
        image: &str,
        each: impl FnMut(&Line),
    ) -> Result<(), DockerError> {
        let (name, tag) = name_and_tag(image);
        let what = format!("pull image {image}");
        let query = format!("fromImage={}&tag={}", encode(name), encode(tag));
        let mut call = Call::new(Method::POST, format!("/images/create?{query}"), &*what);
        call.limit = PULL_LIMIT;
        let late = DockerError::TimedOut {
            what: what.clone(),
            seconds: PULL_LIMIT.as_secs(),
        };
        let pull = async {
            let stream = self.stream(call).await?;
            follow(&what, stream, each).await
        };
        within(PULL_LIMIT, pull).await.map_err(|_| late)?
    }
}

/// Reads what is told of a pull to its end: an error may be its last line.
async fn follow(
    what: &str,
    mut stream: ResponseStream,
    mut each: impl FnMut(&Line),
) -> Result<(), DockerError> {
    let mut lines = Lines::default();
    let mut failure = None;
    while let Some(chunk) = stream.chunk().await.map_err(|error| broken(what, &error))? {
        lines.push(&chunk, |line| {
            let Ok(line) = parse::<Line>(what, line) else {
                return;
            };
            each(&line);
            failure = line.error.or(failure.take());
        });
    }
    outcome(what, failure)
}

/// An error inside a stream that began with 200.
pub(super) fn outcome(what: &str, failure: Option<String>) -> Result<(), DockerError> {
    match failure {
        None => Ok(()),
        Some(message) => Err(DockerError::Refused {
            what: what.to_owned(),
            status: 200,
            message,
        }),
    }
}

/// Reads the answer to an import: the error in it, if there is one.
pub(super) fn error_in(what: &str, answer: &[u8]) -> Option<String> {
    let lines = answer.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| parse::<Line>(what, line).ok()?.error)
        .next_back()
}

/// Splits `[registry[:port]/]name[:tag][@digest]` for a pull: without a tag, all tags would come.
pub(super) fn name_and_tag(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    // A colon before the last slash belongs to a registry's port.
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags() {
        for (image, name, tag) in [
            ("me/image", "me/image", "latest"),
            ("me/image:1.0", "me/image", "1.0"),
            ("registry:5000/me/image", "registry:5000/me/image", "latest"),
            ("registry:5000/image:x", "registry:5000/image", "x"),
            ("image@sha256:ab", "image", "sha256:ab"),
            ("r:1/image:2@sha256:ab", "r:1/image:2", "sha256:ab"),
        ] {
            assert_eq!(name_and_tag(image), (name, tag), "{image}");
        }
    }

    #[test]
    fn errors_are_inside_the_stream() {
        let answer = b"{\"status\":\"Loading\"}\r\n{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no space\"}\r\n";
        assert_eq!(error_in("import", answer).as_deref(), Some("no space"));
        assert_eq!(error_in("import", b"{\"status\":\"sha256:ab\"}\n"), None);
        let error = outcome("pull image x", Some("denied".into())).expect_err("is one");
        assert_eq!(
            error.to_string(),
            "cannot pull image x: denied (status 200)"
        );
    }
}
