//! The API gateway: which APIs a namespace has, and which web action a request to one leads to.
//!
//! An API is a Swagger 2.0 document with an `x-openwhisk` in each operation. It is kept in the
//! store, one for each base path of a namespace. What is not done here: keys, OAuth and rates of
//! APIs (`securityDefinitions`, `security`, `x-ibm-rate-limit`). A document that asks for them is
//! refused, because serving it without them would open what its author wanted closed.

mod api;
mod apis;
mod error;
mod import;
mod object;
mod operation;
mod path_item;
mod route;
mod template;
mod verb;

pub use api::{Api, Match};
pub use apis::{Apis, Filter};
pub use error::GatewayError;
pub use import::import;
pub use operation::{Backend, NewOperation, extension_of_url};
pub use route::Routed;
pub use verb::Verb;
