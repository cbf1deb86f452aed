//! OpenWhisk-Light: the Apache OpenWhisk API for gateways.
//!
//! Data flows one way: [`api`] → [`invoke`] → [`pool`] → [`engine`], with [`catalog`] and
//! [`store`] at the side. `ARCHITECTURE.md` says what lives in which room.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod allocator;
pub mod api;
mod blocking;
pub mod builtin;
pub mod catalog;
pub mod cli;
mod clock;
pub mod config;
pub mod deadline;
pub mod engine;
pub mod entity;
pub mod gateway;
pub mod http;
pub mod invoke;
pub mod master;
pub mod metrics;
pub mod pool;
mod random;
pub mod runtime;
pub mod store;
pub mod supervisor;
pub mod sync;
pub mod upstream;

/// The executor that every task of the daemon runs on: one thread unless set otherwise.
///
/// It is passed down rather than kept in a global, so that a test or `owl demo` can have its own.
pub type Executor = std::sync::Arc<smol::Executor<'static>>;

/// A boxed future, for the few places where a trait object has asynchronous methods.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;
