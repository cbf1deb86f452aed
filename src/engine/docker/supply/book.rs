//! What is known of images outside of the engine: who names them, and which are OWL's doing.

use crate::BoxFuture;

/// An image that OWL has pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnImage {
    /// Its id, `sha256:…`.
    pub id: String,
    /// The names under which it was pulled.
    pub names: Vec<String>,
    /// When it was, in milliseconds since 1970.
    pub pulled: u64,
    /// When a container was last started from it, in milliseconds since 1970, to the hour; the
    /// pull counts as the first time.
    pub used: u64,
}

/// Keeps it, beyond the life of the daemon. What fails is told in the log by who keeps it: nothing
/// that is unknown is ever removed.
pub trait ImageBook: Send + Sync {
    /// The images that somebody names: the actions of the catalogue, and the runtimes manifest.
    /// None if that cannot be told now. Takes its time: to be called where that holds nobody up.
    fn named(&self) -> Option<Vec<String>>;

    /// The images that OWL has pulled; none if that cannot be told now.
    fn own(&self) -> Option<Vec<OwnImage>>;

    /// Notes that OWL has pulled an image, in place of what was noted of its id.
    fn note(&self, image: OwnImage) -> BoxFuture<'_, ()>;

    /// What has this id is not OWL's any more.
    fn forget(&self, id: String) -> BoxFuture<'_, ()>;
}
