//! The APIs of all namespaces, in the store.

use std::ops::ControlFlow;

use super::template::base_path;
use super::{Api, GatewayError, NewOperation, Verb};
use crate::clock::now;
use crate::store::{
    CodeChange, Collection, EntityList, EntityWrite, Expect, Store, StoreError, Stored,
};

/// How often a change is made anew because somebody else was quicker.
const ATTEMPTS: usize = 5;

/// Most APIs of an answer, as of every list (reference section 1.10).
const MOST: usize = 200;

/// Most bytes of an API in the store. Whoever asks for one of its paths, with or without a key, has
/// all of it read.
const MOST_DOCUMENT: usize = 512 << 10;

/// Most APIs of a namespace: finding one by its name looks at each.
const MOST_APIS: u64 = 500;

/// Most bytes of APIs of an answer. A result may not be larger than 1 MB anyway.
const MOST_BYTES: usize = 2 << 20;

/// The APIs. Clones share the store.
#[derive(Clone)]
pub struct Apis {
    store: Store,
}

/// Which APIs are asked for.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// Base path, which begins with a slash, or name of the API.
    pub base_path_or_title: Option<&'a str>,
    /// Name of the API.
    pub title: Option<&'a str>,
    /// Only this path of it.
    pub path: Option<&'a str>,
    /// Only this method.
    pub verb: Option<Verb>,
    /// How many to leave out.
    pub skip: usize,
    /// How many to give; none gives 30, 0 as many as there may be.
    pub limit: Option<usize>,
}

impl Apis {
    /// The APIs in a store.
    pub const fn new(store: Store) -> Self {
        Apis { store }
    }

    /// Adds an operation to an API, which is made if it is not there yet; gives the API.
    pub async fn add(&self, namespace: &str, new: &NewOperation) -> Result<Api, GatewayError> {
        let base = base_path(&new.base_path)?;
        self.change(namespace, &base, |old| {
            let mut api = match old {
                Some(old) => old,
                None => Api::new(namespace, &base, new.title.as_deref())?,
            };
            api.add(new)?;
            Ok(api)
        })
        .await
    }

    /// Puts an API in the place of the one that has its base path, if there is one.
    pub async fn put(&self, api: Api) -> Result<Api, GatewayError> {
        let (namespace, base) = (api.namespace.clone(), api.base_path.clone());
        self.change(&namespace, &base, |old| {
            let mut api = api.clone();
            api.revision = old.map_or(0, |old| old.revision);
            Ok(api)
        })
        .await
    }

    /// Removes an API, one of its paths, or one method of a path. What is left without an
    /// operation goes, too.
    pub async fn remove(
        &self,
        namespace: &str,
        base_path_or_title: &str,
        path: Option<&str>,
        verb: Option<Verb>,
    ) -> Result<(), GatewayError> {
        let missing = || GatewayError::Missing(format!("API '{base_path_or_title}'"));
        for _ in 0..ATTEMPTS {
            let base = self.base_of(namespace, base_path_or_title)?;
            let base = base.ok_or_else(missing)?;
            let key = key(namespace, &base);
            // Not read if all of it goes: it may be damaged.
            let stored = self.store.entity(&key)?.ok_or_else(missing)?;
            let left = match path {
                None => None,
                Some(path) => {
                    let mut api = read(&stored, &base)?;
                    api.remove(path, verb)?;
                    Some(api).filter(|api| !api.is_empty())
                }
            };
            let done = match left {
                Some(api) => self.write(&api, api.stored()).await.map(drop),
                None => self.store.delete_entity(&key, stored.revision).await,
            };
            match done {
                Err(StoreError::Changed) => {}
                done => return Ok(done?),
            }
        }
        Err(GatewayError::Changed)
    }

    /// The APIs of a namespace, the last changed first.
    pub fn list(&self, namespace: &str, filter: &Filter<'_>) -> Result<Vec<Api>, GatewayError> {
        let limit = match filter.limit {
            None => 30,
            Some(0) => MOST,
            Some(limit) => limit.min(MOST),
        };
        let wanted = |api: &Api| {
            filter.title.is_none_or(|title| api.title() == title)
                && filter
                    .base_path_or_title
                    .is_none_or(|name| is_called(api, name))
        };
        let narrowed = filter.path.is_some() || filter.verb.is_some();
        let (mut skipped, mut bytes, mut list) = (0, 0, Vec::new());
        self.each(namespace, |api, size| {
            if !wanted(&api) {
                return Ok(true);
            }
            let api = api.filtered(filter.path, filter.verb);
            if narrowed && api.is_empty() {
                return Ok(true);
            }
            if skipped < filter.skip {
                skipped += 1;
                return Ok(true);
            }
            bytes += size;
            if bytes > MOST_BYTES {
                return Err(GatewayError::invalid(
                    "the APIs are too large for one answer: ask for fewer with 'limit'",
                ));
            }
            list.push(api);
            Ok(list.len() < limit)
        })?;
        Ok(list)
    }

    /// Makes a change of the API of a base path; `change` gets what is there.
    async fn change(
        &self,
        namespace: &str,
        base: &str,
        change: impl Fn(Option<Api>) -> Result<Api, GatewayError>,
    ) -> Result<Api, GatewayError> {
        for _ in 0..ATTEMPTS {
            let old = self.at(namespace, base)?;
            if old.is_none() {
                self.check_number(namespace)?;
            }
            let mut api = change(old)?;
            let document = api.stored();
            if document.len() > MOST_DOCUMENT {
                return Err(GatewayError::invalid(format!(
                    "an API cannot have more than {MOST_DOCUMENT} bytes: divide it into several"
                )));
            }
            match self.write(&api, document).await {
                Err(StoreError::Exists | StoreError::Changed) => {}
                revision => {
                    api.revision = revision?;
                    return Ok(api);
                }
            }
        }
        Err(GatewayError::Changed)
    }

    fn check_number(&self, namespace: &str) -> Result<(), GatewayError> {
        let list = EntityList::Collection(namespace, Collection::Apis);
        if self.store.count_entities(list)? < MOST_APIS {
            return Ok(());
        }
        Err(GatewayError::invalid(format!(
            "the namespace has {MOST_APIS} APIs, the most that there may be: delete one, or add \
             paths to one"
        )))
    }

    async fn write(&self, api: &Api, document: Vec<u8>) -> Result<u64, StoreError> {
        let expect = match api.revision {
            0 => Expect::Absent,
            revision => Expect::Revision(revision),
        };
        self.store
            .put_entity(EntityWrite {
                path: key(&api.namespace, &api.base_path),
                collection: Collection::Apis,
                document,
                code: CodeChange::Remove,
                updated: now(),
                expect,
            })
            .await
    }

    /// The API of a base path.
    pub(super) fn at(&self, namespace: &str, base: &str) -> Result<Option<Api>, GatewayError> {
        let stored = self.store.entity(&key(namespace, base))?;
        stored.map(|stored| read(&stored, base)).transpose()
    }

    /// The base path of the API that is meant by its base path or, if that does not begin with a
    /// slash, its name.
    fn base_of(&self, namespace: &str, name: &str) -> Result<Option<String>, GatewayError> {
        if name.starts_with('/') {
            return base_path(name).map(Some);
        }
        let mut named = None;
        self.each(namespace, |api, _| {
            if api.title() == name {
                named = Some(api.base_path);
            }
            Ok(named.is_none())
        })?;
        Ok(named)
    }

    /// Gives each API of a namespace, the last changed first, and the bytes it takes in the store,
    /// until `visit` wants no more. Only one is in memory at once. One that cannot be read is left
    /// out.
    fn each(
        &self,
        namespace: &str,
        mut visit: impl FnMut(Api, usize) -> Result<bool, GatewayError>,
    ) -> Result<(), GatewayError> {
        let list = EntityList::Collection(namespace, Collection::Apis);
        let mut failed = None;
        self.store.visit_entities(list, 0, &mut |stored| {
            let Some(api) = Api::from_stored(&stored.document, stored.revision) else {
                // The others are as good as before.
                log::error!("a stored API of namespace '{namespace}' cannot be read");
                return ControlFlow::Continue(());
            };
            let more = visit(api, stored.document.len());
            match more {
                Ok(true) => ControlFlow::Continue(()),
                Ok(false) => ControlFlow::Break(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// The API of a stored document, which is named so if it cannot be read.
fn read(stored: &Stored, name: &str) -> Result<Api, GatewayError> {
    Api::from_stored(&stored.document, stored.revision)
        .ok_or_else(|| GatewayError::Corrupt(name.to_owned()))
}

/// Key of an API in the store. No entity has it: there is nothing between two slashes in theirs.
fn key(namespace: &str, base: &str) -> String {
    format!("{namespace}/{base}")
}

fn is_called(api: &Api, name: &str) -> bool {
    match base_path(name) {
        Ok(base) => api.base_path == base,
        Err(_) => api.title() == name,
    }
}

#[cfg(test)]
#[path = "apis_tests.rs"]
mod tests;
