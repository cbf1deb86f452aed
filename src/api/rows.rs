//! Rows of lists of entities, as texts.
//!
//! A row is small as a rule, but its annotations may be a megabyte, and a list has many rows. So
//! the first ones are kept as they are made; those that do not fit are made again, one by one, when
//! the client takes them.

use http_types::Response;
use serde_json::value::RawValue;

use super::{chunks, reply};
use crate::catalog::{Catalog, CatalogError, Entity};

/// Bytes of rows that are kept.
const KEPT: usize = 256 << 10;

/// What a row is made of an entity.
type Show<E> = fn(&E) -> Box<RawValue>;

/// The rows of one list.
pub(super) struct Rows<E> {
    show: Show<E>,
    rows: Vec<Row>,
    bytes: usize,
}

enum Row {
    Kept(Box<RawValue>),
    /// The path of the entity.
    Later(String),
}

impl<E: Entity + 'static> Rows<E> {
    /// No rows yet.
    pub(super) const fn new(show: Show<E>) -> Self {
        Rows {
            show,
            rows: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds the row of an entity.
    pub(super) fn add(&mut self, entity: &E) {
        let row = (self.show)(entity);
        self.bytes += row.get().len();
        self.rows.push(if self.bytes <= KEPT {
            Row::Kept(row)
        } else {
            Row::Later(entity.path())
        });
    }

    /// Whether all rows are kept.
    pub(super) const fn fit(&self) -> bool {
        self.bytes <= KEPT
    }

    /// The texts. What was deleted meanwhile is left out.
    pub(super) fn texts(
        self,
        catalog: &Catalog,
    ) -> impl Iterator<Item = Vec<u8>> + Send + Sync + Unpin + use<E> {
        let catalog = catalog.clone();
        let show = self.show;
        self.rows.into_iter().filter_map(move |row| match row {
            Row::Kept(row) => Some(row.get().as_bytes().to_vec()),
            Row::Later(path) => match catalog.get::<E>(&path) {
                Ok(entity) => Some(show(&entity).get().as_bytes().to_vec()),
                Err(CatalogError::Missing) => None,
                Err(error) => {
                    log::warn!("{path} is left out of a list: {error}");
                    None
                }
            },
        })
    }

    /// The list as an answer.
    pub(super) fn answer(self, catalog: &Catalog) -> Response {
        let fit = self.fit();
        reply::json_pieces(chunks::array(self.texts(catalog)), fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{NewPackage, Package};
    use crate::store::{Options, Store};

    #[test]
    fn what_does_not_fit_is_made_later() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(Store::open(dir.path(), Options::default()).unwrap());
        let mut rows = Rows::new(Package::list_element);
        let mut made = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let text = "x".repeat(KEPT / 2);
            let body = format!(r#"{{"annotations":[{{"key":"k","value":"{text}"}}]}}"#);
            let package = NewPackage::parse(body.as_bytes(), "ns").unwrap();
            let package = package.create("ns", name, 1);
            let package = smol::block_on(catalog.create(package)).unwrap();
            rows.add(&package);
            made.push(package);
        }
        let kept: Vec<bool> = rows
            .rows
            .iter()
            .map(|row| matches!(row, Row::Kept(_)))
            .collect();
        assert_eq!(kept, [true, false, false, false]);
        assert!(!rows.fit());
        smol::block_on(catalog.delete(&made[2])).unwrap();
        let texts: Vec<String> = rows
            .texts(&catalog)
            .map(|text| String::from_utf8(text).unwrap())
            .collect();
        let expected = [0, 1, 3].map(|at: usize| made[at].list_element().get().to_string());
        assert_eq!(texts, expected);
    }
}
