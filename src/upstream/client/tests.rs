//! Requests over real sockets to a master that plays a script.

mod answers;
mod broken;
mod fake;
mod freed;
mod proxies;
mod requests;
mod secure;
