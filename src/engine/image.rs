//! Images as those above the engines know them.

/// An image that sandboxes need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageNeed {
    /// As the action or the runtimes manifest names it.
    pub name: String,
    /// As in [`super::SandboxSpec::blackbox`].
    pub blackbox: bool,
    /// As in [`super::SandboxSpec::pull`].
    pub pull: bool,
}

/// How an image differs from the machine that is to run it. Both are given as Docker names them:
/// `amd64`, `arm64`, `arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What the image is made for.
    pub image: String,
    /// What the engine's machine is.
    pub engine: String,
}

impl Mismatch {
    /// What is told to whoever wanted a sandbox of the image.
    pub fn text(&self, image: &str) -> String {
        format!(
            "The image '{image}' is made for {}, but the Docker Engine of this gateway runs {}.",
            self.image, self.engine
        )
    }
}
