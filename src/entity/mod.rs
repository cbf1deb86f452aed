//! OpenWhisk's nouns as plain types with their rules. No I/O.

mod action;
mod activation;
mod activation_id;
mod identity;
mod parameters;

pub use action::{Action, ActionLimits, Exec};
pub use activation::{Activation, Response, Status};
pub use activation_id::{ActivationId, ActivationIdError};
pub use identity::{Identity, Secret};
pub use parameters::{Parameter, Parameters};
