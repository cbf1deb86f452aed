//! The wire from outside: a server in this process, raw sockets as its clients.

mod bodies;
mod framing;
mod lifecycle;
mod limits;
mod messages;
mod support;
