//! The other OpenWhisks that a daemon speaks to, as its settings name them.

use std::sync::Arc;

use super::environment;
use super::node::NodeError;
use crate::Executor;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::invoke::Tiers;
use crate::master::copies::{self, Copies};
use crate::master::fires::{self, Fires};
use crate::master::journal::Journal;
use crate::master::writes::Writes;
use crate::master::{Keys, Master, Validity, whose};
use crate::pool::Driver;
use crate::store::Store;
use crate::upstream::{Network, Room, Upstream, Via};

/// The master and the tiers. A tier that is the master, too, is the same [`Upstream`], so that one
/// knows what the other has learnt.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    /// The master; none: this OpenWhisk is its own.
    pub(super) master: Option<Upstream>,
    /// Those that take over what cannot run here, nearest first.
    pub(super) tiers: Vec<Upstream>,
}

impl Upstreams {
    /// Those of these settings. Without any there is nothing: no thread, no certificate.
    pub(super) fn new(config: &Config) -> Result<Self, NodeError> {
        let mut urls: Vec<String> = Vec::new();
        for url in config.next_openwhisk.iter().chain(&config.tiers) {
            if !urls.contains(url) {
                urls.push(url.clone());
            }
        }
        if urls.is_empty() {
            return Ok(Upstreams::default());
        }
        let failed = |error| NodeError::new("cannot reach other OpenWhisks", error);
        let network = Network::new(config.upstream.clone(), &urls, &environment).map_err(failed)?;
        let room = Room::default();
        let mut all = Vec::with_capacity(urls.len());
        for url in &urls {
            let client = network.client(url, &environment).map_err(failed)?;
            all.push(Upstream::sharing(room.clone(), url, client));
        }
        let at = |url: &String| all.iter().find(|upstream| upstream.url() == url).cloned();
        Ok(Upstreams {
            master: config.next_openwhisk.as_ref().and_then(at),
            tiers: config.tiers.iter().filter_map(at).collect(),
        })
    }

    /// Each of them once.
    pub(super) fn all(&self) -> Vec<Upstream> {
        let mut all: Vec<Upstream> = self.master.iter().cloned().collect();
        for tier in &self.tiers {
            if !all.iter().any(|known| known.url() == tier.url()) {
                all.push(tier.clone());
            }
        }
        all
    }
}

/// A master, and what is kept of it.
pub(super) fn master(
    upstream: Upstream,
    config: &Config,
    via: &Via,
    (catalog, executor, pool): (&Catalog, &Executor, &Driver),
) -> Result<Master, NodeError> {
    let validity = Validity {
        revalidate: config.master.keys_revalidate,
        offline: config.master.keys_offline,
    };
    let store = catalog.store();
    whose::settle(store, upstream.url())
        .map_err(|error| NodeError::new("cannot note which master there is", error))?;
    let keys = Keys::new(
        store.clone(),
        upstream.clone(),
        executor.clone(),
        via.clone(),
        validity,
    );
    let pool = pool.clone();
    let rooms = copies::Rooms {
        upstream: upstream.clone(),
        via: via.clone(),
        catalog: catalog.clone(),
        executor: executor.clone(),
        retire: Box::new(move |action| pool.retire(action)),
    };
    let copies = Copies::new(rooms, config.master.revalidate);
    let mirror = Arc::new(copies.clone());
    let journal = Journal::open(store.clone(), mirror, config.master.journal_bytes)
        .map_err(|error| NodeError::new("cannot read the journal", error))?;
    let writes = Writes::new(
        upstream.clone(),
        catalog.clone(),
        copies.clone(),
        journal.clone(),
        config.master.journal,
    );
    let rooms = fires::Rooms {
        store: store.clone(),
        upstream: upstream.clone(),
        executor: executor.clone(),
        keys: keys.clone(),
        journal: journal.clone(),
    };
    let limits = fires::Limits {
        bytes: config.master.fires_bytes,
        age: config.master.fires_age,
    };
    let fires = Fires::open(rooms, limits)
        .map_err(|error| NodeError::new("cannot read the fired triggers", error))?;
    Ok(Master {
        upstream,
        fires,
        keys,
        copies,
        journal,
        writes,
        via: via.clone(),
        merge_activations: config.master.merge_activations,
    })
}

/// What takes over what cannot run here; none without tiers.
pub(super) fn tiers(upstreams: Vec<Upstream>, config: &Config, via: &Via) -> Option<Tiers> {
    (!upstreams.is_empty()).then(|| Tiers {
        upstreams,
        via: via.clone(),
        on_failure: config.delegate_on_failure,
    })
}

/// How this gateway marks what it sends on.
pub(super) fn via(store: &Store) -> Result<Via, NodeError> {
    let daemon_id = store.daemon_id();
    let daemon_id =
        daemon_id.map_err(|error| NodeError::new("cannot read the daemon's id", error))?;
    Ok(Via::new(daemon_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(environment: &[(&str, &str)]) -> Upstreams {
        let get = |name: &str| {
            let mut set = environment.iter();
            set.find(|(set, _)| *set == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Upstreams::new(&Config::read(&[], &get).unwrap()).unwrap()
    }

    fn urls(upstreams: &[Upstream]) -> Vec<&str> {
        upstreams.iter().map(Upstream::url).collect()
    }

    #[test]
    fn none_without_settings() {
        assert!(of(&[]).all().is_empty());
    }

    #[test]
    fn the_master_is_a_tier_unless_others_are_named() {
        let master = ("OWL_NEXT_OPENWHISK", "http://m:3233/api/v1");
        let upstreams = of(&[master]);
        assert_eq!(upstreams.master.as_ref().unwrap().url(), "http://m:3233");
        assert_eq!(urls(&upstreams.tiers), ["http://m:3233"]);
        assert_eq!(urls(&upstreams.all()), ["http://m:3233"]);

        let upstreams = of(&[master, ("OWL_TIERS", "http://near, http://m:3233")]);
        assert_eq!(urls(&upstreams.tiers), ["http://near", "http://m:3233"]);
        assert_eq!(urls(&upstreams.all()), ["http://m:3233", "http://near"]);

        let upstreams = of(&[("OWL_TIERS", "http://near")]);
        assert!(upstreams.master.is_none());
        assert_eq!(urls(&upstreams.all()), ["http://near"]);
    }
}
