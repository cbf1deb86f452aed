//! What a web action is given: the request as JSON (reference sections 6.3 and 6.4).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::media::MediaType;
use crate::entity::{EntityError, Members, Parameters};
use crate::invoke::admission::Refused;

const METHOD: &str = "__ow_method";
const HEADERS: &str = "__ow_headers";
const PATH: &str = "__ow_path";
const USER: &str = "__ow_user";
const QUERY: &str = "__ow_query";
const BODY: &str = "__ow_body";

/// Keys that only OWL sets.
const RESERVED: [&str; 6] = [METHOD, HEADERS, PATH, USER, QUERY, BODY];

/// A request for a web action, its body read.
pub(super) struct Received<'a> {
    /// Its method, in any case.
    pub(super) method: &'a str,
    /// Its headers, names in lower case and once each.
    pub(super) headers: Vec<(&'a str, &'a str)>,
    /// What follows the action in its path.
    pub(super) path: &'a str,
    /// The namespace of the caller, if that is known.
    pub(super) user: Option<&'a str>,
    /// Its query without the question mark.
    pub(super) query: &'a str,
    /// The type of its body; none if that is missing or malformed.
    pub(super) media: Option<MediaType>,
    /// Its body.
    pub(super) body: Vec<u8>,
}

/// The payload for an action with `raw-http`: nothing of query or body is taken apart.
pub(super) fn raw(mut received: Received<'_>) -> Box<RawValue> {
    let mut object = metadata(&received);
    object.text(QUERY, received.query);
    let body = std::mem::take(&mut received.body);
    let text = match &received.media {
        // Plain JSON is not given as text, because it never was.
        Some(media) if media.is_plain_json() => STANDARD.encode(body),
        media => text_or_base64(media.as_ref(), body),
    };
    object.text(BODY, &text);
    object.finish()
}

/// The payload for any other action: fields of the query, and over them those of the body, become
/// arguments.
///
/// `parameters` are those of the action if they are final.
///
/// # Errors
/// The body is malformed JSON; query or body have keys that they may not have.
pub(super) fn promoted(
    mut received: Received<'_>,
    parameters: Option<&Parameters>,
) -> Result<Box<RawValue>, EntityError> {
    let mut object = metadata(&received);
    let body = std::mem::take(&mut received.body);
    let (form, json);
    let mut fields: Vec<(Cow<'_, str>, Value<'_>)> = pairs(received.query.as_bytes()).collect();
    match &received.media {
        _ if body.is_empty() => {}
        Some(media) if media.is_json() => {
            json = read_json(body)?;
            if json.get().starts_with('{') {
                let members = Members::of(&json).map_err(malformed)?.0;
                let members = members.into_iter();
                fields.extend(members.map(|(key, value)| (key, Value::Json(value))));
            } else {
                object.value(BODY, &Value::Json(&json));
            }
        }
        Some(media) if media.is_form() => {
            form = body;
            fields.extend(pairs(&form));
        }
        media => object.text(BODY, &text_or_base64(media.as_ref(), body)),
    }
    let closed: HashSet<&str> = RESERVED
        .into_iter()
        .chain(parameters.into_iter().flat_map(Parameters::defined))
        .collect();
    if fields.iter().any(|(key, _)| closed.contains(&**key)) {
        return Err(EntityError::Invalid(Refused::Reserved.to_string()));
    }
    object.last_of_each(&fields);
    Ok(object.finish())
}

/// The fields of a query or a form.
fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    form_urlencoded::parse(text).map(|(key, value)| (key, Value::Text(value)))
}

fn text_or_base64(media: Option<&MediaType>, body: Vec<u8>) -> String {
    match media {
        Some(media) if !media.is_binary() => media.decode(body),
        _ => STANDARD.encode(body),
    }
}

fn read_json(body: Vec<u8>) -> Result<Box<RawValue>, EntityError> {
    let text = String::from_utf8(body)
        .map_err(|_| EntityError::malformed("the content is not valid UTF-8"))?;
    RawValue::from_string(text).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> EntityError {
    EntityError::malformed(error.to_string())
}

fn metadata(received: &Received<'_>) -> Object {
    let mut headers = Object::new(0);
    for (name, value) in &received.headers {
        headers.text(name, value);
    }
    let headers = headers.finish();
    let mut object = Object::new(received.body.len() + headers.get().len());
    object.text(METHOD, &received.method.to_ascii_lowercase());
    object.value(HEADERS, &Value::Json(&headers));
    object.text(PATH, received.path);
    if let Some(user) = received.user {
        object.text(USER, user);
    }
    object
}

/// A value of an argument.
enum Value<'a> {
    Text(Cow<'a, str>),
    Json(&'a RawValue),
}

/// A JSON object while it is being written.
struct Object(Vec<u8>);

impl Object {
    /// `room` is how many bytes it will have beside a few.
    fn new(room: usize) -> Self {
        let mut text = Vec::with_capacity(room + 256);
        text.push(b'{');
        Object(text)
    }

    fn text(&mut self, name: &str, value: &str) {
        self.value(name, &Value::Text(Cow::Borrowed(value)));
    }

    fn value(&mut self, name: &str, value: &Value<'_>) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.string(name);
        self.0.push(b':');
        match value {
            Value::Text(text) => self.string(text),
            Value::Json(json) => self.0.extend_from_slice(json.get().as_bytes()),
        }
    }

    /// Adds fields; of several with one name only the last.
    fn last_of_each(&mut self, fields: &[(Cow<'_, str>, Value<'_>)]) {
        let positions = fields.iter().enumerate();
        let last: HashMap<&str, usize> = positions.map(|(at, (name, _))| (&**name, at)).collect();
        for (at, (name, value)) in fields.iter().enumerate() {
            if last.get(&**name) == Some(&at) {
                self.value(name, value);
            }
        }
    }

    fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut self.0, text).expect("memory takes any text");
    }

    fn finish(mut self) -> Box<RawValue> {
        self.0.push(b'}');
        String::from_utf8(self.0)
            .ok()
            .and_then(|text| RawValue::from_string(text).ok())
            .expect("names and values are valid JSON")
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
