//! Writes of entities: through to the master while it can be reached; into the journal, or
//! refused, while it cannot.
//!
//! The master decides. What it answers is what the copy here becomes, and what the client gets.

mod turns;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, RANGE};

use self::turns::Turns;
use super::copies::{Copies, CopyError, Shown, is_error};
use super::journal::{Journal, JournalError, MAX_ANSWER, Operation, Recording, Write};
use crate::catalog::Catalog;
use crate::entity::{Identity, is_told_of, wanted_status};
use crate::store::{Change, Collection};
use crate::upstream::{NoRoom, Outgoing, OutgoingBody, Upstream, UpstreamError, Whole};

/// A client's write.
#[derive(Debug)]
pub struct WriteRequest {
    /// What it does.
    pub operation: Operation,
    /// The entity's collection.
    pub collection: Collection,
    /// The entity: `ns/[package/]name`.
    pub path: String,
    /// Deletes a package with what is in it.
    pub force: bool,
    /// The request as it goes on, but for its body.
    pub outgoing: Outgoing,
    /// Its body.
    pub body: Bytes,
}

/// What becomes of a write.
pub enum Written {
    /// The master has answered, and the copy here is what it said.
    Answer(Whole),
    /// It is made here, and the master gets it later.
    Record(Record),
    /// It concerns what only this gateway has: it is made here, and nowhere else.
    Here(Here),
    /// It cannot be made now.
    Unavailable(StatusCode, String),
}

/// A write that is to be made here, for the master to get later. Nobody else writes to the entity
/// meanwhile.
pub struct Record {
    recording: Recording,
    doubt: Option<String>,
    _turn: turns::Turn,
}

impl Record {
    /// The changes to make in the commit that makes the write here. The second time there are
    /// none.
    pub fn companions(&mut self) -> Vec<Change> {
        self.recording.companions()
    }

    /// What the client is to be told, with 502, if the write is refused here: the master may have
    /// made it all the same. None if it never got it.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// The write has been made here, or refused.
    ///
    /// # Errors
    /// The store failed.
    pub fn end(self) -> Result<(), JournalError> {
        self.recording.end()
    }
}

/// A write of what only this gateway has: a kept conflict copy, or something that was made here
/// before there was a master.
pub struct Here {
    forget: Vec<Change>,
    /// The entity, and what goes with it.
    paths: Vec<String>,
    copies: Copies,
}

impl Here {
    /// The changes to make in the commit that makes the write.
    pub fn companions(&self) -> Vec<Change> {
        self.forget.clone()
    }

    /// The write has been made.
    pub fn end(self) {
        for path in &self.paths {
            self.copies.settled(path);
        }
    }
}

/// Where writes go.
pub struct Writes {
    upstream: Upstream,
    catalog: Catalog,
    copies: Copies,
    journal: Arc<Journal>,
    /// Whether writes are kept while the master is out of reach.
    keeps: bool,
    turns: Arc<Turns>,
}

impl Writes {
    /// Writes to the master at `upstream`; with `keep`, those that it cannot get now go into the
    /// journal.
    pub fn new(
        upstream: Upstream,
        catalog: Catalog,
        copies: Copies,
        journal: Arc<Journal>,
        keep: bool,
    ) -> Self {
        Writes {
            upstream,
            catalog,
            copies,
            journal,
            keeps: keep,
            turns: Arc::default(),
        }
    }

    /// Makes a write at the master, or says where else.
    pub async fn write(&self, identity: &Arc<Identity>, request: WriteRequest) -> Written {
        // One at a time for an entity: answers are adopted in the order of the writes.
        let turn = self.turns.take(&request.path).await;
        match self.copies.is_kept(&request.path) {
            Ok(false) => {}
            Ok(true) => return self.here(&request),
            Err(error) => return failed(&error),
        }
        // What waits comes first, else this write would get ahead of it.
        let waits = self.journal.has_of(&identity.namespace);
        if waits || self.upstream.is_down() {
            return self
                .kept(identity, request, false, &UpstreamError::Down, turn)
                .await;
        }
        let _writing = self.copies.writing(&request.path);
        let mut outgoing = Outgoing::new(
            request.outgoing.method.clone(),
            request.outgoing.target.clone(),
        );
        outgoing.headers = request.outgoing.headers.clone();
        for unreadable in [ACCEPT_ENCODING, RANGE] {
            // What is answered must be read here, too.
            outgoing.headers.remove(unreadable);
        }
        if !request.body.is_empty() {
            outgoing.body = OutgoingBody::Whole(request.body.clone());
        }
        match self.upstream.fetch(outgoing, MAX_ANSWER).await {
            Ok(answer) if is_no_answer(answer.status) && self.keeps => {
                let error = UpstreamError::Broken(format!("it answered {}", answer.status));
                self.kept(identity, request, true, &error, turn).await
            }
            Ok(answer) if self.is_only_here(&request, &answer) => self.here(&request),
            Ok(answer) => {
                self.adopt(identity, &request, &answer).await;
                Written::Answer(answer)
            }
            // It has decided, and is not asked once more.
            Err(UpstreamError::NoRoom(status)) if !is_no_answer(status) => {
                self.copies.stale(&request.path);
                Written::Unavailable(
                    StatusCode::SERVICE_UNAVAILABLE,
                    untold(self.upstream.url(), status),
                )
            }
            Err(error) => {
                let sent = !error.is_without_effect();
                self.kept(identity, request, sent, &error, turn).await
            }
        }
    }

    /// Whether a write that the master has nothing for concerns something that it never had. It is
    /// asked all the same: it may have got one of that name.
    fn is_only_here(&self, request: &WriteRequest, answer: &Whole) -> bool {
        answer.status == StatusCode::NOT_FOUND
            && request.operation != Operation::Put
            && is_error(&answer.body)
            && self.copies.is_local(&request.path).unwrap_or_default()
    }

    fn here(&self, request: &WriteRequest) -> Written {
        let mut here = Here {
            forget: Vec::new(),
            paths: vec![request.path.clone()],
            copies: self.copies.clone(),
        };
        if request.operation == Operation::Delete {
            here.forget.push(self.copies.forget(&request.path));
            if request.collection == Collection::Packages {
                let inside = match self.copies.marks_inside(&request.path) {
                    Ok(inside) => inside,
                    Err(error) => return failed(&error),
                };
                for (path, key) in inside {
                    here.forget.push(Change::Unnote { key });
                    here.paths.push(path);
                }
            }
        }
        Written::Here(here)
    }

    /// Keeps a write that the master has not answered to, if that is wanted.
    async fn kept(
        &self,
        identity: &Arc<Identity>,
        request: WriteRequest,
        sent: bool,
        error: &UpstreamError,
        turn: turns::Turn,
    ) -> Written {
        if sent {
            self.copies.stale(&request.path);
        }
        let refusal = refusal(self.upstream.url(), error);
        if !self.keeps {
            return Written::Unavailable(status_of(error), refusal);
        }
        if !sent && let Err(error) = self.heard_of(identity, &request, error) {
            return failed(&error);
        }
        let doubt = sent.then_some(refusal);
        match self.recorded(identity, &request, sent).await {
            Ok(Some(recording)) => Written::Record(Record {
                recording,
                doubt,
                _turn: turn,
            }),
            // What it is about, the master does not know.
            Ok(None) => self.here(&request),
            Err(reason) => match doubt {
                Some(doubt) => Written::Unavailable(StatusCode::BAD_GATEWAY, doubt),
                None => failed(&reason),
            },
        }
    }

    /// Sees whether what a write finds can be told here, after the master could not.
    fn heard_of(
        &self,
        identity: &Arc<Identity>,
        request: &WriteRequest,
        error: &UpstreamError,
    ) -> Result<(), CopyError> {
        let makes = request.operation == Operation::Put;
        let about = (request.collection, &*request.path);
        let heard = |why: &dyn Display| self.copies.heard_of(identity, about, makes, why);
        match error {
            UpstreamError::Down if !self.upstream.is_down() => {
                heard(&"earlier changes wait for it")
            }
            error => heard(error),
        }
    }

    /// Puts a write into the journal; none if the master knows nothing of what it is about. If it
    /// cannot be: why.
    async fn recorded(
        &self,
        identity: &Identity,
        request: &WriteRequest,
        sent: bool,
    ) -> Result<Option<Recording>, String> {
        let is_local = self.copies.note_local(&request.path).await;
        let is_local = is_local.map_err(|error| error.to_string())?;
        if is_local && request.operation == Operation::Status {
            return Ok(None);
        }
        let write = Write {
            uuid: identity.uuid.clone(),
            collection: request.collection,
            path: request.path.clone(),
            operation: request.operation,
            force: request.force,
            body: request.body.clone(),
            sent,
        };
        let recording = self.journal.record(&self.catalog, &write).await;
        recording.map(Some).map_err(|error| error.to_string())
    }

    /// Makes the copy here what the master has answered.
    async fn adopt(&self, identity: &Identity, request: &WriteRequest, answer: &Whole) {
        let path = &request.path;
        if !answer.status.is_success() {
            // The copy may be the reason why the client has asked for what cannot be.
            if answer.status != StatusCode::UNAUTHORIZED {
                self.copies.stale(path);
            }
            return;
        }
        let adopted = match request.operation {
            Operation::Put => {
                let collection = request.collection;
                let document = &answer.body;
                let shown = Shown::Own;
                self.copies
                    .adopt_answer(identity, shown, collection, path, document)
                    .await
            }
            Operation::Delete if is_told_of(&answer.body, path) => self.copies.gone(path).await,
            // Whatever has answered has not told that it is gone.
            Operation::Delete => {
                self.copies.stale(path);
                Ok(())
            }
            Operation::Status => match wanted_status(&request.body) {
                Ok(status) => self.copies.set_rule_status(path, status).await,
                Err(_) => Ok(()),
            },
        };
        if let Err(error) = adopted {
            self.not_adopted(path, &error);
        }
    }

    /// The master has done it; that there is no copy of it is not the client's concern.
    fn not_adopted(&self, path: &str, error: &CopyError) {
        log::warn!("no copy was made of what the master has at {path} now: {error}");
        self.copies.stale(path);
    }
}

/// Whether somebody between here and the master has answered in its place.
fn is_no_answer(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

const fn status_of(error: &UpstreamError) -> StatusCode {
    match error {
        UpstreamError::Broken(_) => StatusCode::BAD_GATEWAY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What a client is told whose write is not kept.
fn refusal(url: &str, error: &UpstreamError) -> String {
    if error.is_without_effect() {
        format!("The change was not made, because the master {url} is needed for it: {error}.")
    } else {
        format!(
            "The master {url} may or may not have made the change: {error}. Look at it again \
             before you repeat it."
        )
    }
}

/// What a client is told whose write the master has answered with a status, and more than there is
/// memory for now.
fn untold(url: &str, status: StatusCode) -> String {
    let what = match status.is_success() {
        true => "has made the change",
        false => "has not made the change",
    };
    format!(
        "The master {url} {what} (it answered {status}), but this gateway cannot take its answer \
         now: {NoRoom}."
    )
}

fn failed(error: &dyn Display) -> Written {
    Written::Unavailable(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

#[cfg(test)]
mod tests;
