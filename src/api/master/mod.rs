//! Requests that the master answers, or has a part in.

pub(super) mod forward;
