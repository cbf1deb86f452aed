//! Other OpenWhisks that this one speaks to: the master, and the tiers that take over what cannot
//! run here.
//!
//! What is sent and what comes back is the same for all ([`Outgoing`], [`Incoming`]); who carries
//! it is an [`Exchange`]. Bodies go through in pieces in both directions, so that none is ever
//! whole in memory that need not be.

mod exchange;
mod headers;
mod link;

pub use exchange::{
    Exchange, Incoming, IncomingBody, Judged, Outgoing, OutgoingBody, Pieces, UpstreamError, body,
};
pub use headers::keep_end_to_end;
pub use link::Upstream;
