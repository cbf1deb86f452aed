//! A gateway: a whole API with a master, over a store that outlives it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use smol::future::yield_now;

use super::link::{Cloud, Way};
use super::steps::Setup;
use super::*;
use crate::master::journal::{Book, Entry, Replayer};

/// How long what is under way may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A copy is not compared again while a gateway lives.
const FRESH: Duration = Duration::from_secs(3600);

/// What of a gateway outlives it.
pub(super) struct Site {
    number: usize,
    cloud: Arc<Cloud>,
    dir: Arc<tempfile::TempDir>,
    pub(super) cut: Arc<AtomicBool>,
    pub(super) setup: Setup,
    gateway: Option<Gateway>,
}

/// While it lives.
pub(super) struct Gateway {
    pub(super) api: Api,
    pub(super) master: Arc<Master>,
    way: Arc<Way>,
    pub(super) replayer: smol::lock::Mutex<Replayer>,
}

impl Site {
    pub(super) fn new(number: usize, cloud: &Arc<Cloud>) -> Self {
        let mut site = Site {
            number,
            cloud: cloud.clone(),
            dir: Arc::new(folder()),
            cut: Arc::default(),
            setup: Setup {
                fresh: false,
                journal: Some(JOURNAL_BYTES),
            },
            gateway: None,
        };
        site.begin();
        site
    }

    pub(super) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    /// A gateway over the store that is there.
    fn begin(&mut self) {
        let way = Arc::new(Way {
            cloud: self.cloud.clone(),
            gateway: self.number,
            cut: self.cut.clone(),
            dead: AtomicBool::new(false),
        });
        let Setup { fresh, journal } = self.setup;
        let revalidate = if fresh { FRESH } else { Duration::ZERO };
        let made = Mutex::new(None);
        let make = |catalog: &Catalog, executor: &Executor, script: &Arc<Script>| {
            let key = Secret::new("k".repeat(64));
            let learned = catalog.store();
            let learned = learned.learn_key("other", OTHER_UUID, &key, clock::now());
            smol::block_on(learned).unwrap();
            let master = master_at(
                way.clone(),
                (revalidate, journal),
                catalog,
                executor,
                script,
            );
            *lock(&made) = Some(master.clone());
            Some(master)
        };
        let settings = Settings::with_rates(rates(100_000, 30, 60));
        let dir = self.dir.clone();
        let api = Api::over(dir, settings, Operations::default(), options(), &make);
        let master = lock(&made).take().unwrap();
        self.gateway = Some(Gateway {
            api,
            replayer: smol::lock::Mutex::new(master.replayer()),
            master,
            way,
        });
    }

    /// The gateway is gone in the middle of what it does, and begins anew.
    pub(super) fn crash(&mut self) {
        self.end();
        self.begin();
    }

    fn end(&mut self) {
        let Some(gateway) = self.gateway.take() else {
            return;
        };
        gateway.way.dead.store(true, Ordering::Relaxed);
        settle([&gateway.api.executor, &self.cloud.api.executor]);
    }

    pub(super) fn book(&self) -> Book {
        Book::new(self.gateway().api.store.clone())
    }

    /// The entries of the journal.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let visit = &mut |entry, _| {
            entries.push(entry);
            std::ops::ControlFlow::Continue(())
        };
        self.book().visit(visit).unwrap();
        entries
    }

    /// The document of what is stored at a path.
    pub(super) fn stored(&self, path: &str) -> Option<Value> {
        stored(&self.gateway().api.store, path)
    }
}

/// A folder for a store, in memory if there is one of that kind: nothing here outlasts the test, and
/// a disk takes its time for each commit.
pub(super) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    folder.unwrap()
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// The document of what a store has at a path.
pub(super) fn stored(store: &Store, path: &str) -> Option<Value> {
    let stored = store.entity(path).unwrap()?;
    Some(serde_json::from_slice(&stored.document).unwrap())
}

impl Gateway {
    /// What it answers, and whether without the master.
    pub(super) async fn answer(&self, ask: Ask) -> (u16, String, bool) {
        let answer = self.api.server.respond(ask.request).await;
        let mut answer: http_types::Response = answer.unwrap();
        let body = answer.body_string().await.unwrap();
        let is_offline = answer.header("X-Owl-Offline").is_some();
        (Beyond::status_of(&answer), body, is_offline)
    }
}

/// Waits until nothing is under way any more.
fn settle([one, other]: [&Executor; 2]) {
    let end = Instant::now() + PATIENCE;
    smol::block_on(one.run(other.run(async {
        while !(one.is_empty() && other.is_empty()) {
            assert!(Instant::now() < end, "something does not come to its end");
            yield_now().await;
        }
    })));
}
