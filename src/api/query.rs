//! Query parameters (reference sections 1.8 and 1.10).

use std::borrow::Cow;

use http_types::Url;

use super::error::ApiError;

/// Entries of a list that asks for no number.
const DEFAULT_LIMIT: usize = 30;
/// Most entries of a list.
pub(super) const MAX_LIMIT: usize = 200;

/// The parameters of a query. The first of several values counts.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) skip: usize,
    pub(super) limit: usize,
    /// Only the number of entries.
    pub(super) count: bool,
}

impl<'a> Query<'a> {
    /// Takes the query of a URL apart.
    pub(super) fn of(url: &'a Url) -> Self {
        Query(url.query_pairs().collect())
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }

    /// A truth value; `default` if it is not there.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(ApiError::query(
                name,
                format_args!("'{value}' is not a valid Boolean value"),
            )),
        }
    }

    /// `limit`, `skip` and `count` of a list.
    pub(super) fn page(&self, collection: &str) -> Result<Page, ApiError> {
        let limit = match self.integer("limit", collection)? {
            None => DEFAULT_LIMIT,
            Some(0) => MAX_LIMIT,
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| *limit <= MAX_LIMIT)
                .ok_or_else(|| {
                    ApiError::query(
                        "limit",
                        format_args!(
                            "The value '{limit}' is not in the range of 0 to {MAX_LIMIT} for {collection}."
                        ),
                    )
                })?,
        };
        let skip = self.integer("skip", collection)?.unwrap_or(0);
        let skip = usize::try_from(skip).map_err(|_| {
            ApiError::query(
                "skip",
                format_args!(
                    "The value '{skip}' is not greater than or equal to 0 for {collection}."
                ),
            )
        })?;
        Ok(Page {
            skip,
            limit,
            count: self.flag("count", false)?,
        })
    }

    fn integer(&self, name: &str, collection: &str) -> Result<Option<i32>, ApiError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|_| {
            ApiError::query(
                name,
                format_args!("The value '{value}' is not an integer for {collection}."),
            )
        })
    }
}

impl Page {
    /// What `count` answers for a number of entries.
    pub(super) const fn counted(&self, entries: u64) -> u64 {
        entries.saturating_sub(self.skip as u64)
    }
}
