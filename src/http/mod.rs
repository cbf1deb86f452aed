//! The wire: HTTP/1.1 server and client on hyper and smol.

pub mod bridge;
pub mod client;
pub(crate) mod patience;
pub(crate) mod percent;
pub mod server;
pub(crate) mod sparing;
