//! Headers of answers that are as the wire wants them.

use http_types::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// An extension of a response: headers whose names and values need no look any more, in place of
/// the response's own of the same names. http_types would make a text of each, which the server
/// would check once more.
#[derive(Debug, Default)]
pub struct Ready(Vec<(HeaderName, HeaderValue)>);

impl Ready {
    /// Gives a response these headers, beside the ready ones that it has.
    pub fn add(
        response: &mut Response,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) {
        match response.ext_mut().get_mut::<Ready>() {
            Some(ready) => ready.0.extend(headers),
            None => {
                let ready = Ready(headers.into_iter().collect());
                response.ext_mut().insert(ready);
            }
        }
    }

    /// The value of a header that was added.
    pub fn get<'a>(response: &'a Response, name: &str) -> Option<&'a HeaderValue> {
        let Ready(headers) = response.ext().get()?;
        let mut last_first = headers.iter().rev();
        last_first
            .find(|(known, _)| known.as_str().eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Puts those of a response into a map.
    pub(super) fn apply(response: &mut Response, headers: &mut HeaderMap) {
        let ready = response.ext_mut().remove::<Ready>();
        for (name, value) in ready.into_iter().flat_map(|ready| ready.0) {
            // A map has an end; `insert` would panic there.
            if headers.try_insert(name, value).is_err() {
                log::warn!("answer header left out: there are too many");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{ALLOW, SERVER};

    use super::*;

    #[test]
    fn the_last_one_counts_and_those_of_the_response_do_not() {
        let mut response = Response::new(200);
        let value = HeaderValue::from_static;
        assert_eq!(Ready::get(&response, "allow"), None);
        Ready::add(&mut response, [(ALLOW, value("GET")), (SERVER, value("a"))]);
        Ready::add(&mut response, [(ALLOW, value("POST"))]);
        assert_eq!(Ready::get(&response, "Allow").unwrap(), "POST");

        let mut headers = HeaderMap::new();
        headers.insert(ALLOW, value("PUT"));
        Ready::apply(&mut response, &mut headers);
        assert_eq!(headers.get_all(ALLOW).iter().collect::<Vec<_>>(), ["POST"]);
        assert_eq!(headers[SERVER], "a");
        assert_eq!(Ready::get(&response, "allow"), None);
    }
}
