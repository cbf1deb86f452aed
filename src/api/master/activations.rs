//! Activations, while there is a master: those that are here, and those that only it has.

use std::io;
use std::vec::IntoIter;

use bytes::Bytes;
use http_types::{Response, StatusCode};
use hyper::Method;
use serde::Deserialize;
use smol::future::yield_now;
use smol::stream::try_unfold;

use super::elements::Elements;
use super::merge::{Merge, Place, Row, Wants, id_at};
use super::{Prepared, outgoing, response, send_as_it_is};
use crate::api::activations::{Asked, counted, own_id, summaries};
use crate::api::dispatch::{Request, check_accept};
use crate::api::error::ApiError;
use crate::api::path::Encoded;
use crate::api::query::MAX_LIMIT;
use crate::api::record_list::{self, stored_record};
use crate::api::{chunks, reply};
use crate::entity::{ActivationId, json};
use crate::master::Master;
use crate::store::{ActivationFilter, Store, StoreError};

/// Bytes of a page of the master's summaries, or of their number.
const PAGE_BYTES: u64 = 8 << 20;

/// How far into a merged list a page may lie. Both lists are read from their beginnings.
const DEEPEST: usize = 10_000;

/// Summaries here that are looked through at once.
const AT_ONCE: usize = 500;

/// The list of a namespace: what is here and what the master has. What the master cannot be asked
/// for is left out, and the answer says so.
pub(super) async fn list(
    request: &Request,
    master: &Master,
    namespace: Encoded<'_>,
) -> Result<Prepared, ApiError> {
    check_accept(request)?;
    let namespace = namespace.namespace(&request.identity.namespace)?;
    let asked = Asked::of(request, &namespace)?;
    if !master.merge_activations {
        return Ok(Prepared::Here { offline: false });
    }
    let skip = asked.page.skip;
    if skip > DEEPEST && !asked.page.count {
        return Err(ApiError::query(
            "skip",
            format_args!(
                "The value '{skip}' is more than {DEEPEST}, the most for a list that has the \
                 master's activations, too: use since and upto."
            ),
        ));
    }
    let lists = Lists {
        store: request.http.state().store(),
        request,
        master,
        namespace: &namespace,
        asked: &asked,
    };
    let answered = if asked.page.count {
        lists.count().await?
    } else {
        lists.page().await?
    };
    Ok(match answered {
        Some(response) => Prepared::Answered(response.into()),
        None => Prepared::Here { offline: true },
    })
}

/// An activation that may be here. One that is not is the master's to tell about, or nobody's.
pub(super) async fn get(
    request: &mut Request,
    master: &Master,
    namespace: Encoded<'_>,
    id: Encoded<'_>,
) -> Result<Prepared, ApiError> {
    let namespace = namespace.namespace(&request.identity.namespace)?;
    let id = own_id(request, &namespace, &id.decode())?;
    // One that still runs here, too.
    if request
        .http
        .state()
        .store()
        .knows_activation(&namespace, id)?
    {
        return Ok(Prepared::Here { offline: false });
    }
    match send_as_it_is(request, master).await? {
        Ok(answer) if !answer.status.is_server_error() => {
            Ok(Prepared::Answered(response(answer).into()))
        }
        _ => Ok(Prepared::Here { offline: true }),
    }
}

/// Both lists of a namespace.
struct Lists<'a> {
    store: &'a Store,
    request: &'a Request,
    master: &'a Master,
    namespace: &'a str,
    asked: &'a Asked,
}

impl Lists<'_> {
    /// A page of both; none if the master does not give its part.
    async fn page(&self) -> Result<Option<Response>, ApiError> {
        let page = &self.asked.page;
        let mut merge = Merge::new(self.master.upstream.url(), page.skip, page.limit);
        loop {
            match merge.wants() {
                Wants::Nothing => break,
                Wants::Here { skip, limit } => merge.add_here(&self.heads(skip, limit)?),
                Wants::Master { skip, limit } => {
                    let target = self.target(|query| {
                        query.append_pair("skip", &skip.to_string());
                        query.append_pair("limit", &limit.to_string());
                    });
                    let Some(answer) = self.fetch(target).await? else {
                        return Ok(None);
                    };
                    let is_here =
                        |id| matches!(self.store.knows_activation(self.namespace, id), Ok(true));
                    if merge.add_master(&answer, is_here).is_err() {
                        log::warn!("the master's list of activations cannot be read");
                        return Ok(None);
                    }
                }
            }
        }
        let rows = merge.rows();
        if self.asked.docs {
            return self.records(rows).await;
        }
        let heads: Vec<Vec<u8>> = rows.into_iter().map(|row| row.head).collect();
        Ok(Some(summaries(&heads)))
    }

    /// The number of activations in both; none if the master does not give its part.
    async fn count(&self) -> Result<Option<Response>, ApiError> {
        #[derive(Deserialize)]
        struct Counted {
            activations: u64,
        }
        let target = self.target(|query| {
            query.append_pair("count", "true");
        });
        let Some(answer) = self.fetch(target).await? else {
            return Ok(None);
        };
        let Some(there) = json::stored::<Counted>(&answer) else {
            log::warn!("the master's number of activations cannot be read");
            return Ok(None);
        };
        let (mut here, mut in_both) = (0, 0);
        loop {
            let heads = self.heads(here, AT_ONCE)?;
            let url = self.master.upstream.url();
            in_both += heads
                .iter()
                .filter(|head| id_at(url, head).is_some())
                .count();
            here += heads.len();
            if heads.len() < AT_ONCE {
                break;
            }
            // There may be many.
            yield_now().await;
        }
        let both = there.activations.saturating_add(here as u64);
        let both = both.saturating_sub(in_both as u64);
        Ok(Some(counted(&self.asked.page, both)))
    }

    /// The full records of these rows as an answer; none if the master does not give its part.
    async fn records(&self, rows: Vec<Row>) -> Result<Option<Response>, ApiError> {
        let there = || rows.iter().filter(|row| row.place == Place::Master);
        let (Some(first), Some(last)) = (there().next(), there().next_back()) else {
            let heads = rows.into_iter().map(|row| row.head).collect();
            let body = record_list::body(self.store.clone(), self.namespace.into(), heads);
            return Ok(Some(reply::json_text(StatusCode::Ok, body)));
        };
        let span = ActivationFilter {
            name: self.asked.filter.name.clone(),
            since: Some(last.start),
            upto: Some(first.start),
        };
        let target = target(&span, |query| {
            query.append_pair("docs", "true");
            query.append_pair("limit", &MAX_LIMIT.to_string());
        });
        let request = outgoing(self.request, self.master, Method::GET, target)?;
        let upstream = &self.master.upstream;
        let elements = match upstream.if_soon(upstream.send(request)).await {
            Ok(answer) if answer.status == hyper::StatusCode::OK => {
                Elements::of(answer.body, self.master.upstream.room().clone())
            }
            _ => return Ok(None),
        };
        let records = Records {
            rows: rows.into_iter(),
            elements,
            store: self.store.clone(),
            namespace: self.namespace.into(),
            next: Next::First,
            ahead: None,
            left: MAX_LIMIT,
        };
        let pieces = try_unfold(records, Records::piece);
        let body = chunks::stream(Box::pin(pieces), None);
        Ok(Some(reply::json_text(StatusCode::Ok, body)))
    }

    /// Summaries of a part of the list here.
    fn heads(&self, skip: usize, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let filter = &self.asked.filter;
        let rows = self
            .store
            .activations(self.namespace, filter, skip, limit, false)?;
        Ok(rows.into_iter().map(|(head, _)| head).collect())
    }

    fn target(&self, add: impl FnOnce(&mut Query)) -> String {
        target(&self.asked.filter, add)
    }

    /// An answer of the master; none if it does not give one.
    async fn fetch(&self, target: String) -> Result<Option<Bytes>, ApiError> {
        let request = outgoing(self.request, self.master, Method::GET, target)?;
        let upstream = &self.master.upstream;
        match upstream.if_soon(upstream.fetch(request, PAGE_BYTES)).await {
            Ok(answer) if answer.status == hyper::StatusCode::OK => Ok(Some(answer.body)),
            Ok(answer) => {
                log::debug!("the master gives no list of activations: {}", answer.status);
                Ok(None)
            }
            Err(error) => {
                log::debug!("the master gives no list of activations: {error}");
                Ok(None)
            }
        }
    }
}

type Query = form_urlencoded::Serializer<'static, String>;

/// The list of the caller's namespace at the master.
fn target(filter: &ActivationFilter, add: impl FnOnce(&mut Query)) -> String {
    let path = "/api/v1/namespaces/_/activations?";
    let mut query = form_urlencoded::Serializer::for_suffix(path.into(), path.len());
    if let Some(name) = &filter.name {
        query.append_pair("name", name);
    }
    for (name, time) in [("since", filter.since), ("upto", filter.upto)] {
        if let Some(time) = time {
            query.append_pair(name, &time.to_string());
        }
    }
    add(&mut query);
    query.finish()
}

/// Full records on their way to the client: of those that the master has, the documents come in
/// the same order.
struct Records {
    rows: IntoIter<Row>,
    elements: Elements,
    store: Store,
    namespace: String,
    next: Next,
    /// A document that has come for one of the next rows.
    ahead: Option<Bytes>,
    /// Documents that may still come: as many as were asked for.
    left: usize,
}

/// What matters of a full record.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "activationId")]
    id: ActivationId,
    start: u64,
}

/// What comes next in an array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    First,
    Further,
    Nothing,
}

impl Records {
    /// The next piece of the array.
    async fn piece(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let before: &[u8] = match self.next {
            Next::First => b"[",
            Next::Further => b",",
            Next::Nothing => return Ok(None),
        };
        let record = self.record().await?;
        let piece = match record {
            Some(record) => {
                self.next = Next::Further;
                Bytes::from([before, &record].concat())
            }
            None => {
                let end = if self.next == Next::First { "[]" } else { "]" };
                self.next = Next::Nothing;
                end.into()
            }
        };
        Ok(Some((piece, self)))
    }

    /// The next record. One that has gone meanwhile is left out.
    async fn record(&mut self) -> io::Result<Option<Vec<u8>>> {
        while let Some(row) = self.rows.next() {
            let record = match row.place {
                Place::Here => stored_record(&self.store, &self.namespace, row.id),
                Place::Master => self.document(&row).await?,
            };
            if record.is_some() {
                return Ok(record);
            }
        }
        Ok(None)
    }

    /// The master's document of a row: those before it are of no use.
    async fn document(&mut self, row: &Row) -> io::Result<Option<Vec<u8>>> {
        loop {
            let came = match self.ahead.take() {
                Some(came) => Some(came),
                // Else one that never ends would be read for ever.
                None if self.left == 0 => None,
                None => {
                    self.left -= 1;
                    self.elements.next().await?
                }
            };
            let Some(came) = came else { return Ok(None) };
            match json::stored::<Document>(&came) {
                Some(document) if document.id == row.id => return Ok(Some(came.into())),
                Some(document) if document.start < row.start => {
                    self.ahead = Some(came);
                    return Ok(None);
                }
                _ => {}
            }
        }
    }
}
