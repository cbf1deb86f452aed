//! Settings of images.

use std::time::Duration;

use super::{ConfigError, Reader};
use crate::engine::docker::{ImageOptions, Keeping, Templates};

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Reader<'_> {
    /// How images are chosen and kept.
    pub(super) fn images(&mut self) -> Result<ImageOptions, ConfigError> {
        let templates = self.required(
            "OWL_IMAGE_TEMPLATES",
            "a list of at most 8 names, each with one {name}, and with {tag}, {arch} and {variant} as needed",
            Templates::parse,
        )?;
        let days = self.number("OWL_IMAGES_AGE", 0, 3650)?;
        let free = self.number("OWL_IMAGES_FREE", 0, 1 << 30)?;
        let keeping = Keeping {
            age: (days > 0).then(|| Duration::from_secs(days * DAY)),
            free: free << 20,
        };
        Ok(ImageOptions { templates, keeping })
    }
}
