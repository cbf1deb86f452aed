//! `owl runtime` from outside: the real binary, raw HTTP.

mod client;
mod http;
mod process;
mod quickjs;
