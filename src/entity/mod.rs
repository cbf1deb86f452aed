//! OpenWhisk's nouns as plain types with their rules. No I/O.

mod action;
mod activation;
mod activation_id;
mod activation_json;
mod error;
mod exec;
mod full_name;
mod identity;
mod image;
pub mod json;
mod limits;
mod members;
pub mod names;
mod namespace_limits;
mod new_action;
mod new_package;
mod package;
mod parameters;
mod version;

pub use action::Action;
pub use activation::{Activation, Response, Status};
pub use activation_id::{ActivationId, ActivationIdError};
pub use activation_json::{StoredActivation, record};
pub use error::EntityError;
pub use exec::{BLACKBOX, BUILTIN, Exec, Kinds, NewExec, SEQUENCE};
pub use full_name::FullName;
pub use identity::{GUEST_KEY, GUEST_UUID, Identity, Secret};
pub use image::ImageName;
pub use limits::{ActionLimits, ActionRanges, NewLimits, Range};
pub use members::Members;
pub use namespace_limits::NamespaceLimits;
pub use new_action::{NewAction, SizeLimits};
pub use new_package::NewPackage;
pub use package::{Binding, Contents, Package};
pub use parameters::{Parameter, Parameters};
pub use version::Version;
