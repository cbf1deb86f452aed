//! What entities exist: the local catalogue in LMDB, and the runtimes manifest.

mod cache;
mod changes;
mod documents;
mod lists;
mod local;
mod manifest;
mod manifest_file;
mod packages;
mod resolve;
mod rules;
mod sequence;
mod supplier;
pub mod units;

pub use documents::{Entity, change, creation};
pub use local::{Catalog, CatalogError};
pub use manifest::{
    EngineKind, Kind, KindInfo, Manifest, ManifestError, ManifestKinds, Reactive, StemCell,
};
pub use resolve::{AccessError, Resolved, ResolvedPackage};
pub use sequence::SequenceError;
pub use supplier::Supplier;
