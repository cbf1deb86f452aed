//! `owl runtime` from outside: the real binary, raw HTTP.

mod client;
mod http;
mod native;
mod node;
mod pages;
mod process;
mod python;
mod quickjs;
mod unmarked;
mod zipped;
