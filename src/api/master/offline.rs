//! Answers that were given without the master, where it was wanted.

use http_types::{Response, StatusCode};

use crate::api::State;
use crate::upstream::{OFFLINE_HEADER, Upstream};

/// Says in an answer how many seconds ago the master has last answered.
pub(in crate::api) fn mark(response: &mut Response, master: &Upstream) {
    let seconds = master.silent_for().as_secs();
    response.insert_header(OFFLINE_HEADER, seconds.to_string());
}

/// Says so in an answer that there is none because the master is out of reach, if that is why.
pub(in crate::api) fn mark_failure(response: &mut Response, state: &State) {
    if response.status() == StatusCode::ServiceUnavailable
        && state.is_offline()
        && let Some(master) = state.master()
    {
        mark(response, &master.upstream);
    }
}
