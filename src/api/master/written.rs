//! Changes: the master first, whose answer is what the copy here becomes. While it is out of reach
//! they are refused, or made here and kept for it.

use bytes::Bytes;
use http_types::{Body, Method, Response, StatusCode};
use smol::io::Cursor;

use super::entity::Entity;
use super::{Prepared, heed, response, via_of};
use crate::api::State;
use crate::api::body::{self, TooLarge};
use crate::api::dispatch::Request;
use crate::api::error::ApiError;
use crate::api::master::forward;
use crate::api::query::Query;
use crate::master::Master;
use crate::master::journal::Operation;
use crate::master::writes::{Here, Record, WriteRequest, Written};
use crate::store::{Change, Collection};
use crate::upstream::{Incoming, IncomingBody};

/// A change that is made here, and what there is to do when it was.
pub(super) enum Kept {
    /// The master gets it later.
    Record(Box<Record>),
    /// It concerns what only this gateway has.
    Here(Here),
}

impl Kept {
    fn companions(&mut self) -> Vec<Change> {
        match self {
            Self::Record(record) => record.companions(),
            Self::Here(here) => here.companions(),
        }
    }

    /// What came of it, as it is told to the client: of a change that is refused here the master may
    /// have another opinion, and may have made it.
    pub(super) fn told(&self, answer: Result<Response, ApiError>) -> Result<Response, ApiError> {
        let doubt = match self {
            Self::Record(record) => record.doubt(),
            Self::Here(_) => None,
        };
        match (answer, doubt) {
            (Ok(made), _) if made.status().is_success() => Ok(made),
            (_, Some(doubt)) => Err(ApiError::new(StatusCode::BadGateway, doubt)),
            (answer, None) => answer,
        }
    }

    /// The change has been made, or refused.
    pub(super) fn end(self) {
        match self {
            // What was made is durable; the journal looks again before it goes on.
            Self::Record(record) => {
                if let Err(error) = record.end() {
                    log::warn!("a change was made, and its entry cannot be read now: {error}");
                }
            }
            Self::Here(here) => here.end(),
        }
    }
}

/// Has the master make a change, or sees to it that this gateway may.
pub(super) async fn write(
    request: &mut Request,
    master: &Master,
    method: Method,
    entity: Entity,
) -> Result<Prepared, ApiError> {
    let via = master.via.onward(via_of(&request.http).as_deref())?;
    let outgoing = forward::outgoing(request.http.as_ref(), &via);
    let max = request.http.state().settings().max_body;
    let body = body::read_any(&mut request.http, max, TooLarge::Entity).await?;
    let body = Bytes::from(body);
    let query = Query::of(request.http.url());
    let write = WriteRequest {
        operation: match method {
            Method::Put => Operation::Put,
            Method::Delete => Operation::Delete,
            _ => Operation::Status,
        },
        collection: entity.collection,
        path: entity.path(),
        // What it means else, the master tells.
        force: query.flag("force", false).unwrap_or(false),
        outgoing,
        body: body.clone(),
    };
    let mut kept = match master.writes.write(&request.identity, write).await {
        Written::Answer(answer) => {
            heed(request, master, answer.status);
            if answer.status.is_success() && entity.collection == Collection::Actions {
                expect(request, &entity);
            }
            let answer = Incoming {
                status: answer.status,
                headers: answer.headers,
                body: IncomingBody::whole(answer.body),
            };
            return Ok(Prepared::Answered(response(answer).into()));
        }
        Written::Unavailable(status, text) => return Err(unavailable(status, text)),
        Written::Record(record) => Kept::Record(record.into()),
        Written::Here(here) => Kept::Here(here),
    };
    request.go_along_with(kept.companions());
    put_back(&mut request.http, body);
    Ok(Prepared::Kept(kept))
}

/// The copy of an action has been written, if it has not been deleted: what it needs may be got.
fn expect(request: &Request, entity: &Entity) {
    if let Ok(action) = request.catalog().action(&entity.path()) {
        request.http.state().invoker().expect(&action);
    }
}

/// What is told of a change that cannot be made now.
fn unavailable(status: hyper::StatusCode, text: String) -> ApiError {
    let status = StatusCode::try_from(status.as_u16());
    ApiError::new(status.unwrap_or(StatusCode::ServiceUnavailable), text)
}

/// Gives a request its body back.
fn put_back(request: &mut tide::Request<State>, body: Bytes) {
    if body.is_empty() {
        return;
    }
    let typed = request.header("Content-Type").is_some();
    let length = body.len();
    request.set_body(Body::from_reader(Cursor::new(body), Some(length)));
    if !typed {
        // Which `set_body` made up.
        request.remove_header("Content-Type");
    }
}
