//! What actions exist: the local catalogue in LMDB, and the runtimes manifest.

mod manifest;
mod manifest_file;
mod units;

pub use manifest::{
    EngineKind, Kind, KindInfo, Manifest, ManifestError, ManifestKinds, Reactive, StemCell,
};
