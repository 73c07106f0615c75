//! Everything the simulated organisation knows, behind one lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::SimOptions;
use super::clock::SimClock;
use super::errors::RowError;
use super::faults::Faults;
use super::ids::Id;
use super::rest::bulk::Job;
use super::rest::query::Cursor;
use super::seed;
use super::store::Store;
use super::writes::{Recent, Undo, Writer};

/// One access token.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) user: Id,
    pub(crate) born: i64,
    pub(crate) calls: u64,
    /// The chain of refresh tokens it came from.
    pub(crate) family: Option<u64>,
}

/// A chain of refresh tokens; using a replaced one revokes the chain.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) user: Id,
    pub(crate) current: String,
    pub(crate) revoked: bool,
}

/// An authorization code that waits to be redeemed.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) user: Id,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) born: i64,
}

/// The login side.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) families: HashMap<u64, Family>,
    /// Refresh token → family, replaced tokens too.
    pub(crate) refresh_tokens: HashMap<String, u64>,
    pub(crate) codes: HashMap<String, Code>,
    /// Username → public key in PEM, for JWT bearer.
    pub(crate) jwt_keys: HashMap<String, String>,
    /// Grows with every change to the three maps above, which outlive the process.
    pub(crate) edits: u64,
}

impl Logins {
    pub(crate) fn add_jwt_key(&mut self, username: String, pem: String) {
        self.edits += 1;
        self.jwt_keys.insert(username, pem);
    }
}

pub(crate) struct State {
    pub(crate) options: SimOptions,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// `http://host:port`, known once the simulator is served; else taken from the Host header.
    pub(crate) base_url: Option<String>,
    pub(crate) clock: SimClock,
    pub(crate) org: Id,
    /// The user API clients act as.
    pub(crate) integration_user: Id,
    /// Who changes records from inside the organisation.
    pub(crate) other_user: Id,
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) recent: Recent,
    pub(crate) logins: Logins,
    pub(crate) cursors: HashMap<Id, Cursor>,
    pub(crate) jobs: HashMap<Id, Job>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) request: u64,
    pub(crate) api_usage: u64,
    pub(crate) writes: u64,
    serial: u64,
    /// What an all-or-none composite has written so far.
    transaction: Option<Vec<Undo>>,
}

impl State {
    pub(crate) fn new(options: SimOptions, clock: SimClock) -> Self {
        let now = clock.now_ms();
        let mut store = Store::new(now);
        let users = seed::users(&mut store, &options.username, now);
        Self {
            client_id: options
                .client_id
                .clone()
                .unwrap_or_else(|| seed::random_text("3MVG9", 40)),
            client_secret: options
                .client_secret
                .clone()
                .unwrap_or_else(|| seed::random_text("", 64)),
            base_url: None,
            org: Id::new(*b"00D", 40_000_001),
            integration_user: users[0],
            other_user: users[1],
            store,
            faults: Faults::default(),
            recent: Recent::new(),
            logins: Logins::default(),
            cursors: HashMap::new(),
            jobs: HashMap::new(),
            counts: BTreeMap::new(),
            request: 0,
            api_usage: 0,
            writes: 0,
            serial: 40_000_000,
            transaction: None,
            options,
            clock,
        }
    }

    /// A number used once: for cursors, jobs and chains of tokens.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Goes on in a block of numbers drawn by lot, so that a locator given out before a restart is
    /// unknown after it and not, by chance, another query's.
    pub(crate) fn skip_serials(&mut self) -> Result<(), getrandom::Error> {
        const BLOCK: u64 = 1 << 20;
        loop {
            let block = u64::from(getrandom::u32()? >> 12);
            let taken = |number: &u64| number / BLOCK == block;
            if !self.logins.families.keys().any(taken) {
                self.serial = block * BLOCK;
                return Ok(());
            }
        }
    }

    /// Brings the store to now.
    pub(crate) fn settle(&mut self) -> i64 {
        let now = self.clock.now_ms();
        self.store.settle(now);
        now
    }

    /// A writer for a client of the API.
    pub(crate) fn client_writer(&mut self, user: Id, allow_duplicates: bool) -> Writer<'_> {
        Writer {
            now: self.clock.now_ms(),
            store: &mut self.store,
            faults: &mut self.faults,
            recent: &mut self.recent,
            user,
            request: self.request,
            api: true,
            allow_duplicates,
            commit_at: None,
            undo: vec![],
        }
    }

    /// From now on writes can be undone together.
    pub(crate) fn open_transaction(&mut self) {
        self.transaction = Some(vec![]);
    }

    /// Keeps what a write would need to be undone, inside a transaction.
    pub(crate) fn remember(&mut self, undo: Vec<Undo>) {
        if let Some(transaction) = &mut self.transaction {
            transaction.extend(undo);
        }
    }

    /// Ends the transaction, undoing it if so told.
    pub(crate) fn close_transaction(&mut self, undo: bool) {
        let written = self.transaction.take().unwrap_or_default();
        if undo {
            let mut writer = self.client_writer(self.integration_user, false);
            writer.undo = written;
            writer.roll_back();
        }
    }

    /// Runs a change made by another user inside the organisation; all or nothing.
    pub(crate) fn as_other_user<T>(
        &mut self,
        change: impl FnOnce(&mut Writer<'_>) -> Result<T, RowError>,
    ) -> Result<T, RowError> {
        let now = self.settle();
        let late = self.faults.late_ms;
        let mut writer = Writer {
            now,
            store: &mut self.store,
            faults: &mut self.faults,
            recent: &mut self.recent,
            user: self.other_user,
            request: self.request,
            api: false,
            allow_duplicates: true,
            commit_at: (late > 0).then_some(now + late),
            undo: vec![],
        };
        let done = change(&mut writer);
        if done.is_err() {
            writer.roll_back();
        }
        done
    }

    /// Drops what has expired, so that a long demonstration does not grow.
    pub(crate) fn forget_old(&mut self, now: i64) {
        let locator_ttl = self.faults.locator_ttl_ms.unwrap_or(2 * super::store::DAY);
        self.cursors
            .retain(|_, cursor| now - cursor.born < locator_ttl);
        self.jobs
            .retain(|_, job| now - job.created < 7 * super::store::DAY);
        let session_ttl = self.options.session_ttl_ms;
        self.logins
            .sessions
            .retain(|_, session| now - session.born < session_ttl);
    }

    pub(crate) fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
        self.request += 1;
    }
}

/// The state behind its lock.
pub(crate) type Shared = Arc<std::sync::Mutex<State>>;

/// Locks the state; a panic elsewhere leaves it usable.
pub(crate) fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, State> {
    shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
