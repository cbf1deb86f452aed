//! Headers of requests, as actions get to see them in `__ow_headers` (reference sections 3.6.2
//! and 6.3).

use super::State;

/// All headers but those that are for OWL alone: names in lower case and in order, of several
/// values the last.
pub(super) fn passed_on(request: &tide::Request<State>) -> Vec<(&str, &str)> {
    let all = request.iter();
    let given = all.filter(|(name, _)| name.as_str() != "x-ow-extra-logging");
    let mut headers: Vec<_> = given
        .map(|(name, values)| (name.as_str(), values.last().as_str()))
        .collect();
    headers.sort_unstable();
    headers
}
