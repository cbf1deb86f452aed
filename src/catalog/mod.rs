//! What actions exist: the local catalogue in LMDB, and the runtimes manifest.

mod cache;
mod local;
mod manifest;
mod manifest_file;
mod units;

pub use local::{Catalog, CatalogError};
pub use manifest::{
    EngineKind, Kind, KindInfo, Manifest, ManifestError, ManifestKinds, Reactive, StemCell,
};
