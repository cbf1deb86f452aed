//! Other OpenWhisks that this one speaks to: the master, and the tiers that take over what cannot
//! run here.
//!
//! What is sent and what comes back is the same for all ([`Outgoing`], [`Incoming`]); who carries
//! it is an [`Exchange`]. Bodies go through in pieces in both directions, so that none is ever
//! whole in memory that need not be.

mod agent;
mod call;
mod circuit;
mod client;
mod exchange;
mod failure;
mod headers;
mod known;
mod link;
mod names;
mod network;
mod outgoing_body;
mod pacing;
mod proxy;
mod reach;
mod room;
mod socket;
mod status;
mod tls;
mod trust;
mod verdict;
mod via;
mod watch;
mod workers;

pub use circuit::{Circuit, Epoch, Failure, Turn};
pub use client::Client;
pub use exchange::{
    Exchange, Incoming, IncomingBody, Judged, Outgoing, OutgoingBody, Pieces, UpstreamError, body,
};
pub use headers::keep_end_to_end;
pub use link::{Upstream, Whole};
pub use network::{Network, NetworkError};
pub use pacing::{Load, Pacing};
pub use room::{Held, NoRoom, Room, SMALL};
pub use status::{Counted, State, Status, write_metrics};
pub use via::{HEADER as VIA, Looped, Via};

/// Header of answers that were given without the master though it was wanted: the seconds since it
/// last answered.
pub const OFFLINE_HEADER: &str = "x-owl-offline";
