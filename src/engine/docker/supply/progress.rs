//! How far a pull is, from what the engine tells of it. No I/O, no clock.

use std::collections::HashMap;
use std::fmt;

use miniserde::Deserialize;

/// Layers that are told apart: no image has more.
const MOST_LAYERS: usize = 256;

/// One line of a pull or an import.
#[derive(Debug, Deserialize)]
pub(in crate::engine::docker) struct Line {
    /// The layer, or the tag.
    pub(in crate::engine::docker) id: Option<String>,
    /// What is done with it.
    pub(in crate::engine::docker) status: Option<String>,
    #[serde(rename = "progressDetail")]
    detail: Option<Detail>,
    /// Why it all came to nothing.
    pub(in crate::engine::docker) error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    current: Option<i64>,
    total: Option<i64>,
}

/// The layers of an image on their way.
#[derive(Debug, Default)]
pub(in crate::engine::docker) struct Progress {
    layers: HashMap<String, Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    done: bool,
    /// Bytes that have come, packed.
    bytes: u64,
    /// Bytes that it has, packed, once they are known.
    size: Option<u64>,
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Layers that are known of so far.
    pub layers: usize,
    /// Those of them that are here.
    pub done: usize,
    /// Bytes that have come over the network.
    pub bytes: u64,
    /// Bytes that come in all, as far as is known.
    pub size: u64,
}

impl Progress {
    /// Takes in what a line tells.
    pub(in crate::engine::docker) fn take(&mut self, line: &Line) {
        let (Some(id), Some(status)) = (&line.id, &line.status) else {
            return;
        };
        if !is_layer(status) {
            return;
        }
        if self.layers.len() >= MOST_LAYERS && !self.layers.contains_key(id) {
            return;
        }
        let layer = self.layers.entry(id.clone()).or_default();
        // Some engines begin with a total of -1 or 0, for "not known yet".
        let positive = |number: Option<i64>| number?.try_into().ok().filter(|n: &u64| *n > 0);
        let (current, total) = match &line.detail {
            Some(detail) => (positive(detail.current), positive(detail.total)),
            None => (None, None),
        };
        match status.as_str() {
            "Downloading" => {
                layer.size = total.or(layer.size);
                layer.bytes = layer.bytes.max(current.unwrap_or(0));
            }
            "Verifying Checksum" | "Download complete" | "Extracting" => layer.arrived(),
            "Pull complete" | "Already exists" => {
                layer.arrived();
                layer.done = true;
            }
            _ => {}
        }
    }

    /// All of it.
    pub(in crate::engine::docker) fn sum(&self) -> Pulled {
        let mut sum = Pulled {
            layers: self.layers.len(),
            ..Pulled::default()
        };
        for layer in self.layers.values() {
            sum.done += usize::from(layer.done);
            sum.bytes += layer.bytes;
            sum.size += layer.size.unwrap_or(layer.bytes);
        }
        sum
    }
}

impl Layer {
    fn arrived(&mut self) {
        self.bytes = self.size.unwrap_or(self.bytes);
    }
}

/// Whether what is told is told of a layer, rather than of the tag or of the whole.
fn is_layer(status: &str) -> bool {
    matches!(
        status,
        "Pulling fs layer"
            | "Waiting"
            | "Downloading"
            | "Verifying Checksum"
            | "Download complete"
            | "Extracting"
            | "Pull complete"
            | "Already exists"
    )
}

impl fmt::Display for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pulled {
            layers,
            done,
            bytes,
            size,
        } = self;
        let (bytes, size) = (Megabytes(*bytes), Megabytes(*size));
        write!(f, "{done} of {layers} layers, {bytes} of {size} MB")
    }
}

/// Bytes as millions of them, with one digit behind the point.
struct Megabytes(u64);

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / 100_000;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        miniserde::json::from_str(text).expect("is a line")
    }

    /// As Docker 20.10 and 29 tell of a pull.
    const PULL: &[&str] = &[
        r#"{"status":"Pulling from me/thing","id":"1.0"}"#,
        r#"{"status":"Already exists","progressDetail":{},"id":"aaa"}"#,
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"bbb"}"#,
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"ccc"}"#,
        r#"{"status":"Waiting","progressDetail":{},"id":"ccc"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":1000000,"total":4000000},"progress":"[=>]","id":"bbb"}"#,
    ];

    #[test]
    fn layers_and_bytes_add_up() {
        let mut progress = Progress::default();
        for text in PULL {
            progress.take(&line(text));
        }
        assert_eq!(progress.sum().to_string(), "1 of 3 layers, 1.0 of 4.0 MB");
        for text in [
            r#"{"status":"Downloading","progressDetail":{"current":2100000,"total":-1},"id":"ccc"}"#,
            r#"{"status":"Verifying Checksum","progressDetail":{},"id":"bbb"}"#,
            r#"{"status":"Download complete","progressDetail":{},"id":"bbb"}"#,
            r#"{"status":"Extracting","progressDetail":{"current":65536,"total":9000000},"id":"bbb"}"#,
            r#"{"status":"Pull complete","progressDetail":{},"id":"bbb"}"#,
            r#"{"status":"Digest: sha256:0a"}"#,
            r#"{"status":"Status: Downloaded newer image for me/thing:1.0"}"#,
        ] {
            progress.take(&line(text));
        }
        let sum = progress.sum();
        assert_eq!((sum.layers, sum.done), (3, 2));
        assert_eq!((sum.bytes, sum.size), (6_100_000, 6_100_000));
    }

    #[test]
    fn only_so_many_layers_are_told_apart() {
        let mut progress = Progress::default();
        for number in 0..MOST_LAYERS * 2 {
            progress.take(&line(&format!(r#"{{"status":"Waiting","id":"{number}"}}"#)));
        }
        assert_eq!(progress.sum().layers, MOST_LAYERS);
    }
}
