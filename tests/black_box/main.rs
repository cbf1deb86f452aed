//! Black-box tests: the real `owl` binary, spoken to over HTTP as a client would.
//!
//! They need what `tests/run` prepares; `tests/README.md` says how to run them by hand. One crate
//! for all of them, so that they are linked once.

mod actions;
mod activations;
mod adoption;
mod bad_input;
mod builtin;
mod chaos;
mod client;
mod composites;
mod concurrency;
mod daemon;
mod dice;
mod docker;
mod engine_faults;
mod gateway;
mod host_escapes;
mod host_interpreters;
mod images;
mod invocation;
mod lifecycle;
mod limits;
mod lists;
mod master;
mod misbehaving_images;
mod misbehaving_quickjs;
mod namespaces;
mod older_store;
mod operator;
mod packages;
mod power;
#[path = "../registry/mod.rs"]
mod registry;
#[path = "../docker_engine/relay.rs"]
mod relay;
mod reload;
mod requests;
mod rules;
mod runtimes;
mod status;
mod store_faults;
mod together;
mod upstreams;
mod warmth;
mod web;
