//! Addresses of hosts.
//!
//! The C library's look-up of a name can neither be ended nor be given a time. It gets a thread of
//! its own that everybody who wants the same name waits for, so that a dead name server costs one
//! thread a name.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::sync::lock;

/// The look-ups that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<UnderWay>>);

/// By host and port.
type UnderWay = HashMap<(String, u16), Arc<Lookup>>;

/// A look-up under way.
#[derive(Debug, Default)]
struct Lookup {
    found: Mutex<Option<Found>>,
    done: Condvar,
}

/// Addresses, or why there are none.
type Found = Result<Vec<SocketAddr>, String>;

/// Why there is no address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoAddress {
    /// The time ran out.
    TimedOut,
    /// The system says why.
    Unknown(String),
}

impl Names {
    /// The addresses of a host, which may be one itself, within a time.
    pub(super) fn addresses(
        &self,
        host: &str,
        port: u16,
        within: Duration,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        self.found(bare, port, within, |host, port| {
            let found = (host, port).to_socket_addrs();
            found
                .map(Iterator::collect)
                .map_err(|error| error.to_string())
        })
    }

    fn found(
        &self,
        host: &str,
        port: u16,
        within: Duration,
        search: impl Fn(&str, u16) -> Found + Send + 'static,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let lookup = self.lookup(host, port, search).map_err(|error| {
            NoAddress::Unknown(format!("no thread for the look-up of its name: {error}"))
        })?;
        let found = lock(&lookup.found);
        let (found, _) = lookup
            .done
            .wait_timeout_while(found, within, |found| found.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match &*found {
            None => Err(NoAddress::TimedOut),
            Some(Ok(addresses)) if addresses.is_empty() => {
                Err(NoAddress::Unknown("its name has no address".to_owned()))
            }
            Some(Ok(addresses)) => Ok(addresses.clone()),
            Some(Err(reason)) => Err(NoAddress::Unknown(reason.clone())),
        }
    }

    /// The look-up of a host that is under way; begins one if there is none.
    fn lookup(
        &self,
        host: &str,
        port: u16,
        search: impl Fn(&str, u16) -> Found + Send + 'static,
    ) -> std::io::Result<Arc<Lookup>> {
        let key = (host.to_owned(), port);
        let mut under_way = lock(&self.0);
        if let Some(lookup) = under_way.get(&key) {
            return Ok(lookup.clone());
        }
        let lookup = Arc::new(Lookup::default());
        let names = self.clone();
        let (searched, begun) = (key.clone(), lookup.clone());
        thread::Builder::new()
            .name("owl-names".to_owned())
            .spawn(move || {
                let found = search(&searched.0, searched.1);
                lock(&names.0).remove(&searched);
                *lock(&begun.found) = Some(found);
                begun.done.notify_all();
            })?;
        under_way.insert(key, lookup.clone());
        Ok(lookup)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use smol::channel::bounded;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn addresses_need_no_search() {
        let names = Names::default();
        let address = |host| names.addresses(host, 80, Duration::ZERO).unwrap();
        assert_eq!(address("127.0.0.1"), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(address("[::1]"), ["[::1]:80".parse().unwrap()]);
    }

    #[test]
    fn one_search_for_all_who_wait() {
        let names = Names::default();
        let searches = Arc::new(AtomicUsize::new(0));
        let (go, goes_on) = bounded::<()>(1);
        let search = {
            let searches = searches.clone();
            move |_: &str, port| {
                searches.fetch_add(1, Ordering::Relaxed);
                let _ = goes_on.recv_blocking();
                Ok(vec![SocketAddr::new([10, 0, 0, 1].into(), port)])
            }
        };
        for _ in 0..3 {
            let found = names.found("host", 80, Duration::ZERO, search.clone());
            assert_eq!(found, Err(NoAddress::TimedOut));
        }
        drop(go);
        let found = names.found("host", 80, LONG, search.clone()).unwrap();
        assert_eq!(found, ["10.0.0.1:80".parse().unwrap()]);
        // The last may have come after the end of the first search.
        assert!((1..=2).contains(&searches.load(Ordering::Relaxed)));
    }

    #[test]
    fn failures_are_told_and_not_kept() {
        let names = Names::default();
        let unknown = |reason: &str| Err(NoAddress::Unknown(reason.into()));
        let found = names.found("host", 80, LONG, |_, _| Err("unknown".into()));
        assert_eq!(found, unknown("unknown"));
        let found = names.found("host", 80, LONG, |_, _| Ok(Vec::new()));
        assert_eq!(found, unknown("its name has no address"));
        assert!(lock(&names.0).is_empty());
    }
}
