//! What changed, told to whoever watches: the console's live pages, workers that wait for runs.
//!
//! One [`Feed`] per store. It tells its own process at once and the others by `NOTIFY`, coalesced:
//! a `NOTIFY` makes commits queue behind each other, so it is sent apart from the callers'
//! transactions, at most once in 5 ms (runs to claim) or 100 ms (changes). Nothing may depend on
//! it: what is not told is found by polling.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ids::{self, TenantId};
use crate::store::{StoreError, inner};
use crate::tasks;

const CHANNEL: &str = "syncline";
const RING_WINDOW: Duration = Duration::from_millis(5);
const CHANGE_WINDOW: Duration = Duration::from_millis(100);
/// More different changes than this in one window are told to other processes as "many".
const MOST_CHANGES: usize = 200;
/// Postgres refuses 8,000 bytes and more.
const MOST_BYTES: usize = 7_500;

/// A thing of a tenant that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Changed {
    pub tenant: TenantId,
    /// The kind of thing: `run`, `schedule`, `conflict`.
    pub topic: String,
    /// Its id as printed; `None` when so many changed that they are not named.
    pub id: Option<String>,
}

/// What a watcher gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Changed(Changed),
    /// Some changes were not heard: read again what is shown.
    Gap,
}

/// The process's end of the feed; cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    pool: PgPool,
    /// Tells our own notifications from others'.
    origin: Uuid,
    notices: broadcast::Sender<Notice>,
    rings: watch::Sender<u64>,
    looks: watch::Sender<u64>,
    /// A worker of this process has room: no need to wake others.
    hungry: AtomicBool,
    listening: AtomicBool,
    pending: Mutex<Pending>,
    #[cfg(test)]
    simulated: Option<crate::simulation::Client>,
}

#[derive(Default)]
struct Pending {
    ring: bool,
    look: bool,
    ring_armed: bool,
    changes: HashSet<Changed>,
    changes_armed: bool,
}

/// As it goes over the channel; short names, because the payload is short.
#[derive(Serialize, Deserialize)]
struct Letter {
    o: Uuid,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    r: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    l: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    c: Vec<Changed>,
}

impl Inner {
    fn new(pool: PgPool) -> Self {
        Self {
            pool,
            origin: ids::fresh(),
            notices: broadcast::channel(4096).0,
            rings: watch::channel(0).0,
            looks: watch::channel(0).0,
            hungry: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            pending: Mutex::default(),
            #[cfg(test)]
            simulated: None,
        }
    }
}

impl Feed {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self(Arc::new(Inner::new(pool)))
    }

    #[cfg(test)]
    pub(crate) fn simulated(pool: PgPool, client: crate::simulation::Client) -> Self {
        Self(Arc::new(Inner {
            simulated: Some(client),
            ..Inner::new(pool)
        }))
    }

    /// Everything from now on. A receiver that lags behind by 4,096 is told so by its next `recv`
    /// and must read again, as after [`Notice::Gap`].
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Tells that these things changed; call it after the commit.
    pub fn publish(&self, changes: Vec<Changed>) {
        if changes.is_empty() {
            return;
        }
        let arm = {
            let mut pending = self.pending();
            for change in &changes {
                if pending.changes.len() <= MOST_CHANGES {
                    pending.changes.insert(change.clone());
                } else {
                    pending.changes.insert(unnamed(change));
                }
            }
            !std::mem::replace(&mut pending.changes_armed, true)
        };
        for change in changes {
            self.tell(Notice::Changed(change));
        }
        if arm {
            self.send_after(CHANGE_WINDOW);
        }
    }

    /// There may be runs to claim.
    pub(crate) fn ring(&self) {
        self.0.rings.send_modify(|count| *count += 1);
        if !self.0.hungry.load(Ordering::Relaxed) {
            self.ring_others();
        }
    }

    /// There are runs to claim for other processes.
    pub(crate) fn ring_others(&self) {
        self.arm(|pending| pending.ring = true);
    }

    /// A running run may have been cancelled.
    pub(crate) fn look(&self) {
        self.0.looks.send_modify(|count| *count += 1);
        self.arm(|pending| pending.look = true);
    }

    pub(crate) fn rings(&self) -> watch::Receiver<u64> {
        self.0.rings.subscribe()
    }

    pub(crate) fn looks(&self) -> watch::Receiver<u64> {
        self.0.looks.subscribe()
    }

    pub(crate) fn set_hungry(&self, hungry: bool) {
        self.0.hungry.store(hungry, Ordering::Relaxed);
    }

    /// Hears the other processes until `stop`; the second call does nothing. A process that only
    /// serves the console calls it itself, an engine does so when it starts.
    pub fn listen(&self, stop: CancellationToken) {
        if self.0.listening.swap(true, Ordering::SeqCst) {
            return;
        }
        let feed = self.clone();
        tokio::spawn(tasks::own(async move {
            let mut wait = Duration::from_millis(250);
            while let Some(outcome) = stop.run_until_cancelled(feed.hear()).await {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "feed of changes was cut, listening again");
                }
                feed.tell(Notice::Gap);
                let sleep = tokio::time::sleep(wait);
                if stop.run_until_cancelled(sleep).await.is_none() {
                    break;
                }
                wait = (wait * 2).min(Duration::from_secs(5));
            }
            feed.0.listening.store(false, Ordering::SeqCst);
        }));
    }

    async fn hear(&self) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(client) = &self.0.simulated {
            let mut letters = client.listen();
            loop {
                self.read(&letters.next().await?);
            }
        }
        let mut listener = PgListener::connect_with(&self.0.pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        while let Some(notification) = listener.try_recv().await? {
            self.read(notification.payload());
        }
        Ok(())
    }

    fn read(&self, letter: &str) {
        match serde_json::from_str::<Letter>(letter) {
            Ok(letter) if letter.o == self.0.origin => {}
            Ok(letter) => {
                if letter.r {
                    self.0.rings.send_modify(|count| *count += 1);
                }
                if letter.l {
                    self.0.looks.send_modify(|count| *count += 1);
                }
                for change in letter.c {
                    self.tell(Notice::Changed(change));
                }
            }
            // A process of another release.
            Err(error) => tracing::debug!(%error, "notification is not understood"),
        }
    }

    fn tell(&self, notice: Notice) {
        // An error means that nobody watches.
        self.0.notices.send(notice).ok();
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn arm(&self, set: impl FnOnce(&mut Pending)) {
        let arm = {
            let mut pending = self.pending();
            set(&mut pending);
            !std::mem::replace(&mut pending.ring_armed, true)
        };
        if arm {
            self.send_after(RING_WINDOW);
        }
    }

    fn send_after(&self, window: Duration) {
        let feed = self.clone();
        tokio::spawn(tasks::own(async move {
            tokio::time::sleep(window).await;
            let letters = feed.collect(window == CHANGE_WINDOW);
            if letters.is_empty() {
                return;
            }
            if let Err(error) = feed.send(letters).await {
                // The others poll, and their watchers read again when they reconnect.
                tracing::debug!(%error, "other processes were not notified");
            }
        }));
    }

    /// What waits, as letters that fit.
    fn collect(&self, with_changes: bool) -> Vec<String> {
        let mut pending = self.pending();
        let (ring, look) = (
            std::mem::take(&mut pending.ring),
            std::mem::take(&mut pending.look),
        );
        let changes = if with_changes {
            pending.changes_armed = false;
            std::mem::take(&mut pending.changes)
        } else {
            pending.ring_armed = false;
            HashSet::new()
        };
        drop(pending);
        let letter = |r, l, c| Letter {
            o: self.0.origin,
            r,
            l,
            c,
        };
        let mut letters = Vec::new();
        if ring || look {
            letters.push(letter(ring, look, Vec::new()));
        }
        // An id and a topic come to under 150 bytes of JSON.
        let changes: Vec<_> = changes.into_iter().collect();
        for part in changes.chunks(MOST_BYTES / 200) {
            letters.push(letter(false, false, part.to_vec()));
        }
        letters
            .iter()
            .filter_map(|letter| serde_json::to_string(letter).ok())
            .filter(|text| text.len() < MOST_BYTES)
            .collect()
    }

    async fn send(&self, letters: Vec<String>) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(client) = &self.0.simulated {
            for letter in letters {
                client.notify(letter).await?;
            }
            return Ok(());
        }
        let begin = "begin; set local synchronous_commit = off";
        let mut tx = inner::begin(&self.0.pool, begin).await?;
        sqlx::query("select pg_notify($1, letter) from unnest($2::text[]) as letter")
            .bind(CHANNEL)
            .bind(letters)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

fn unnamed(change: &Changed) -> Changed {
    Changed {
        id: None,
        ..change.clone()
    }
}
